"""What the lists of a model are like as a whole: whom they favour and how far two models agree.

Node ids follow product ids, and so do the rows of a neighbours file: a stretch of products lies in few row groups.
The same stretches are read of every model, which makes their numbers comparable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LIST_DEPTH = 10
"""How far down a list is looked."""
_COLUMNS = ["product", "rank", "neighbour"]
_STRETCHES = 16
_SAMPLE = 4_000


@dataclass(frozen=True)
class ListSample:
    """The first neighbours of some products.

    Attributes:
        products: int64 nodes, ascending.
        neighbours: int64 ``[len(products), K]`` nodes, -1 where a list is shorter.
    """

    products: np.ndarray
    neighbours: np.ndarray


def sample_ranges(n: int, sample: int = _SAMPLE) -> list[tuple[int, int]]:
    """Half-open node ranges of about ``sample`` products, evenly spread; all products if there are no more."""
    if n <= sample:
        return [(0, n)] if n else []
    width = sample // _STRETCHES
    return [(start, start + width) for start in np.linspace(0, n - width, _STRETCHES).astype(int).tolist()]


def load_list_sample(path: Path, scoring: str, ids: pa.Array, ranges: Sequence[tuple[int, int]]) -> ListSample:
    """Lists of the products in ``ranges`` out of a file of schema ``core.scoring.neighbours.NEIGHBOURS``.

    Args:
        path: a local Parquet file.
        scoring: whose lists.
        ids: string ``[n]``, ascending: product id of every node.
        ranges: half-open node ranges.
    """
    file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    spans = [_span(file.metadata.row_group(group)) for group in range(file.metadata.num_row_groups)]
    parts = []
    for start, stop in ranges:
        low, high = ids[start].as_py(), ids[stop - 1].as_py()
        groups = [i for i, (s, p) in enumerate(spans) if s[0] <= scoring <= s[1] and p[0] <= high and low <= p[1]]
        table = file.read_row_groups(groups, columns=["product", "rank", "neighbour", "scoring"])
        table = table.filter(
            pc.and_(pc.less_equal(table["rank"], LIST_DEPTH), pc.equal(_text(table["scoring"]), scoring))
        )
        product = _text(table["product"])
        inside = pc.and_(pc.greater_equal(product, low), pc.less_equal(product, high))
        parts.append(pa.table([product, table["rank"], _text(table["neighbour"])], _COLUMNS).filter(inside))
    table = pa.concat_tables(parts) if parts else pa.table([[], [], []], _COLUMNS)
    # One look-up for all stretches: it hashes every id of the category.
    product, neighbour = (_nodes(table[name], ids) for name in ("product", "neighbour"))
    known = product >= 0
    product, neighbour = product[known], neighbour[known]
    rank = table["rank"].cast(pa.int64()).to_numpy()[known]
    products, row = np.unique(product, return_inverse=True)
    lists = np.full((len(products), LIST_DEPTH), -1, dtype=np.int64)
    lists[row, rank - 1] = neighbour
    return ListSample(products, lists)


def _span(group: pq.RowGroupMetaData) -> tuple[tuple[str, str], tuple[str, str]]:
    """Smallest and largest scoring and product of a row group."""
    found = {group.column(i).path_in_schema: group.column(i).statistics for i in range(group.num_columns)}
    everything = ("", "\U0010ffff")
    scoring, product = (
        (str(s.min), str(s.max)) if s is not None and s.has_min_max else everything
        for s in (found["scoring"], found["product"])
    )
    return scoring, product


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _nodes(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    """int64 node of every entry; -1 for products that are no more."""
    places = pc.index_in(column.cast(ids.type), value_set=ids)
    return pc.fill_null(places, -1).to_numpy().astype(np.int64)


def popularity_shares(lists: ListSample, degree: np.ndarray) -> np.ndarray:
    """float64 ``[10]``: share of list entries that go to each tenth of the products, the least popular first.

    Tenths are of the products that have a training pair; of equally popular ones the order is that of their ids,
    scrambled by a fixed permutation, so that ties fill tenths evenly.
    """
    shuffled = np.random.default_rng(0).permutation(np.flatnonzero(degree > 0))
    order = shuffled[np.argsort(degree[shuffled], kind="stable")]
    tenth = np.full(len(degree), -1, dtype=np.int64)
    tenth[order] = np.arange(len(order)) * 10 // max(len(order), 1)
    listed = lists.neighbours[(lists.neighbours >= 0) & (lists.neighbours < len(degree))]
    found = tenth[listed]
    counts = np.bincount(found[found >= 0], minlength=10)
    return counts / max(int(counts.sum()), 1)


def shared_neighbours(a: ListSample, b: ListSample) -> tuple[np.ndarray, np.ndarray]:
    """Products that both models have a list of, and how many neighbours the two lists share: int64 ``[s]`` each."""
    products, in_a, in_b = np.intersect1d(a.products, b.products, assume_unique=True, return_indices=True)
    left, right = a.neighbours[in_a], b.neighbours[in_b]
    shared = (left[:, :, None] == right[:, None, :]) & (left >= 0)[:, :, None]
    return products, shared.any(axis=2).sum(axis=1)


def agreement_extremes(
    products: np.ndarray, shared: np.ndarray, popularity: np.ndarray, count: int = 10
) -> pd.DataFrame:
    """The least and the most agreed products, the more popular first among equals; columns which, node, shared."""
    popular = popularity[products]
    rows = []
    for which, key in (("least agreed", shared), ("most agreed", -shared)):
        chosen = np.lexsort((-popular, key))[:count]
        rows.append(pd.DataFrame({"which": which, "node": products[chosen], "shared": shared[chosen]}))
    return pd.concat(rows, ignore_index=True)
