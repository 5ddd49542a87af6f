"""The lists of each product as text, in chunks that bound memory, and samples of them to compare with.

Ids are encoded once per product and not once per entry; the rest is done by Arrow's compiled functions. Forty million
entries take less than a minute.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from core.recommendations.form import SOURCES, Recommendations
from core.typing import AnyArray, Float32Array, Int32Array, Int64Array

_ROWS = 1 << 18
_IDS = 1 << 16
SAMPLE = 100
"""Lists that are read back from a place, at most."""


@dataclass(frozen=True)
class Chunk:
    """The lists of some products in one slot; products without a list are left out.

    Attributes:
        slot: the slot.
        products: int64 ``[m]``, ascending: their nodes.
        offsets: int32 ``[m + 1]``: where each list starts and ends in the arrays below.
        neighbours: int32 ``[rows]``: nodes, best first.
        scores: float32 ``[rows]``; NaN where there is no score.
        sources: uint8 ``[rows]``: place in ``SOURCES``.
    """

    slot: str
    products: Int64Array
    offsets: Int32Array
    neighbours: Int32Array
    scores: Float32Array
    sources: AnyArray


def chunks(lists: Recommendations, rows: int = _ROWS) -> Iterator[Chunk]:
    """The lists by slot and product, in chunks of about ``rows`` entries."""
    for slot in lists.slots:
        nodes, scores, sources = lists.neighbours[slot], lists.scores[slot], lists.sources[slot]
        step = max(1, rows // max(1, nodes.shape[1]))
        for first in range(0, len(nodes), step):
            part = slice(first, first + step)
            there = nodes[part] >= 0
            counts = there.sum(axis=1)
            full = np.flatnonzero(counts)
            if len(full):
                yield Chunk(
                    slot,
                    full + first,
                    np.concatenate([[0], np.cumsum(counts[full])]).astype(np.int32),
                    nodes[part][there],
                    scores[part][there],
                    sources[part][there],
                )


def list_counts(lists: Recommendations) -> dict[str, int]:
    """Slot → number of products that have a list; slots without any are left out."""
    counts = {slot: int(np.count_nonzero((lists.neighbours[slot] >= 0).any(axis=1))) for slot in lists.slots}
    return {slot: count for slot, count in counts.items() if count}


def product_ids(lists: Recommendations) -> pa.LargeStringArray:
    """The id of each node."""
    ids = lists.products["product_id"].cast(pa.large_string())
    return pa.concat_arrays(ids.chunks) if ids.num_chunks else pa.array([], pa.large_string())


def encoded(ids: pa.LargeStringArray, encode: Callable[[str], str]) -> pa.LargeStringArray:
    """Each id as another text."""
    parts = [
        pa.array([encode(text) for text in ids.slice(first, _IDS).to_pylist()], pa.large_string())
        for first in range(0, len(ids), _IDS)
    ]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())


def as_json(text: str) -> str:
    """The text as JSON, quotes included."""
    return orjson.dumps(text).decode()


def score_texts(scores: Float32Array, missing: str) -> pa.LargeStringArray:
    """Each score in as few digits as tell it from its neighbours; ``missing`` where there is none."""
    texts = pa.array(scores, mask=~np.isfinite(scores)).cast(pa.large_string())
    return texts.fill_null(missing)


def joined(offsets: Int32Array, texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """The texts of each list with commas between them."""
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), texts), constant(","))


def concatenated(*parts: pa.LargeStringArray | str) -> pa.LargeStringArray:
    """The parts of each row in a line; a part that is a text is the same in all rows."""
    return pc.binary_join_element_wise(
        *(constant(part) if isinstance(part, str) else part for part in parts), constant("")
    )


def constant(text: str) -> pa.Scalar:
    """The text in the type that the functions above work with."""
    return pa.scalar(text, pa.large_string())


def json_lists(chunk: Chunk, ids: pa.LargeStringArray) -> pa.LargeStringArray:
    """The ids of each list as a JSON array.

    Args:
        chunk: the lists.
        ids: each node's id as JSON.
    """
    return concatenated("[", joined(chunk.offsets, ids.take(pa.array(chunk.neighbours))), "]")


def in_one(texts: pa.LargeStringArray) -> memoryview:
    """The bytes of all texts, one after the other, without a copy."""
    _, offsets, data = texts.buffers()
    if data is None:
        return memoryview(b"")
    ends = np.frombuffer(offsets, np.int64, len(texts) + 1, texts.offset * 8)
    return memoryview(data)[ends[0] : ends[-1]]


@dataclass(frozen=True)
class SampledList:
    """One list, as a place has to return it.

    Attributes:
        slot: the slot.
        node: node of the product.
        product: id of the product.
        neighbours: ids, best first.
        scores: float32 values; None where there is none.
        sources: names of ``SOURCES``.
    """

    slot: str
    node: int
    product: str
    neighbours: list[str]
    scores: list[float | None]
    sources: list[str]


def sample(lists: Recommendations, size: int = SAMPLE, seed: int = 0) -> list[SampledList]:
    """Some lists of every slot, sorted by slot and product: the first, the last and others at random.

    Args:
        lists: of which.
        size: number of lists, about; shared by the slots.
        seed: of the random choice.
    """
    rng = np.random.default_rng(seed)
    ids, chosen = lists.products["product_id"], []
    for slot in lists.slots:
        full = np.flatnonzero((lists.neighbours[slot] >= 0).any(axis=1))
        if not len(full):
            continue
        picked = rng.choice(full, min(len(full), max(1, size // len(lists.slots))), replace=False)
        for node in sorted({int(full[0]), int(full[-1]), *picked.tolist()}):
            there = lists.neighbours[slot][node] >= 0
            nodes = lists.neighbours[slot][node][there]
            scores = lists.scores[slot][node][there].tolist()
            chosen.append(
                SampledList(
                    slot,
                    node,
                    ids[node].as_py(),
                    [ids[int(other)].as_py() for other in nodes],
                    [score if np.isfinite(score) else None for score in scores],
                    [SOURCES[source] for source in lists.sources[slot][node][there]],
                )
            )
    return chosen


def as_float32(scores: list[float | None]) -> list[float | None]:
    """Scores that were read from text, rounded to the type they are stored in."""
    return [None if score is None else float(np.float32(score)) for score in scores]
