"""The list a shop shows: the nearest products of every product, by every scoring of a model.

Belongs here: choosing exact or approximate search, measuring what the approximation misses, and the
neighbours table. Does not belong here: exact search itself (``core.models.scorers``) and judging lists
(``core.evaluation``).
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from core.models.base import Embeddings, Model
from core.progress import Progress, silent
from core.settings import setting

if TYPE_CHECKING:
    from core.models.scorers import VectorScorer

VERSION = "2"
"""Raised whenever the same model gets other lists."""

NEIGHBOURS = pa.schema(
    [
        ("product", pa.dictionary(pa.int32(), pa.string())),
        ("rank", pa.int16()),  # 1-based
        ("neighbour", pa.dictionary(pa.int32(), pa.string())),
        ("score", pa.float32()),
        ("scoring", pa.dictionary(pa.int8(), pa.string())),
    ]
)
"""Sorted by scoring (in the model's order), product and rank."""

_WANTED_RECALL = 0.95
_SAMPLE = 500
"""Sources on which the approximate index is measured against exact search."""
_SEARCH_BLOCK = 8_192
_TRAINED_ON = 64
"""Vectors per list from which the index learns its lists."""


@dataclass(frozen=True)
class NeighboursConfig:
    """Settings of the neighbour lists."""

    k: int = setting(50, "neighbours kept per product and scoring", ge=1, le=1_000)
    exact_up_to: int = setting(
        200_000, "products up to which vector search is exact; above, an IVF index is used", ge=0, le=100_000_000
    )


@dataclass(frozen=True)
class Neighbours:
    """Neighbour lists.

    Attributes:
        table: of schema ``NEIGHBOURS``; a product with fewer than k neighbours has fewer rows.
        info: scoring → JSON-able facts: ``index`` (``exact`` or ``ivf``), ``recall`` (share of the exact list
            that the index finds, on a sample; 1 for exact search), ``products`` (sources), ``rows``,
            ``seconds``; for ``ivf`` also ``lists`` and ``probes``.
    """

    table: pa.Table
    info: dict[str, dict[str, Any]] = field(default_factory=dict)


def nearest(
    model: Model,
    embeddings: Embeddings,
    product_ids: pa.Array,
    config: NeighboursConfig,
    threads: int = 2,
    seed: int = 42,
    progress: Progress = silent,
    sources: np.ndarray | None = None,
) -> Neighbours:
    """The k nearest seen products of every product the model has seen.

    Training pairs are not left out: a shop wants them. Exact lists do not depend on ``threads``.

    Args:
        model: registry entry.
        embeddings: what it learned.
        product_ids: string ``[n_nodes]``, ascending: the order of node ids is the order of product ids.
        config: settings.
        threads: CPU threads.
        seed: of the sample on which an approximate index is measured.
        progress: reports products done.
        sources: ascending node ids to make lists for, one part of the work; unseen ones are skipped.
            Default: all.
    """
    # Numba comes with the scorers; whoever only reads neighbours (the explorer) need not wait for it.
    from core.models.scorers import VectorScorer, scorer

    names = product_ids.cast(pa.string())
    tables, info = [], {}
    for number, scoring in enumerate(model.scorings):
        started = time.perf_counter()
        one = scorer(model, embeddings, scoring, threads)
        wanted = np.arange(len(one.seen)) if sources is None else np.asarray(sources)
        wanted = wanted[one.seen[wanted]].astype(np.int32)
        ids, scores, facts = None, None, {"index": "exact", "recall": 1.0}
        if isinstance(one, VectorScorer) and one.seen.sum() > config.exact_up_to:
            approximate = _approximate(one, wanted, config.k, threads, seed, progress)
            if approximate is not None:
                ids, scores, facts = approximate
        if ids is None or scores is None:
            ids, scores = one.top_k(wanted, config.k, progress)
        table = _table(names, wanted, ids, scores, model.scorings, number)
        seconds = time.perf_counter() - started
        info[scoring] = {**facts, "products": len(wanted), "rows": len(table), "seconds": seconds}
        tables.append(table)
    return Neighbours(pa.concat_tables(tables), info)


def _table(
    names: pa.Array,
    sources: np.ndarray,
    ids: np.ndarray,
    scores: np.ndarray,
    scorings: tuple[str, ...],
    number: int,
) -> pa.Table:
    present = ids >= 0
    row, place = np.nonzero(present)
    return pa.table(
        {
            "product": pa.DictionaryArray.from_arrays(sources[row], names),
            "rank": pa.array((place + 1).astype(np.int16)),
            "neighbour": pa.DictionaryArray.from_arrays(ids[present], names),
            "score": pa.array(scores[present]),
            "scoring": pa.DictionaryArray.from_arrays(
                np.full(len(row), number, dtype=np.int8), pa.array(scorings, pa.string())
            ),
        },
        schema=NEIGHBOURS,
    )


def _approximate(
    one: "VectorScorer", sources: np.ndarray, k: int, threads: int, seed: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]] | None:
    """Search with an inverted-file index (FAISS IVF-Flat) that finds 95 % of the exact lists on a sample.

    The number of lists probed doubles until that is reached. None if it would take more than a quarter of all
    lists: then exact search is as quick.
    """
    import faiss  # slow to import and needed for large categories only

    candidates = np.flatnonzero(one.seen).astype(np.int32)
    vectors = one.vectors[candidates]
    n_lists = max(1, round(2 * np.sqrt(len(candidates))))
    n_lists = min(n_lists, max(1, len(candidates) // 39))  # FAISS wants 39 training vectors per list
    threads_before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        quantizer = faiss.IndexFlatIP(vectors.shape[1])
        index = faiss.IndexIVFFlat(quantizer, vectors.shape[1], n_lists, faiss.METRIC_INNER_PRODUCT)
        # FAISS would take 256, which at two million products costs more than the search and finds no more.
        index.cp.max_points_per_centroid = _TRAINED_ON
        progress("index", 0, len(candidates), "products")
        index.train(vectors)
        index.add(vectors)
        progress("index", len(candidates), len(candidates), "products")

        rng = np.random.default_rng(seed)
        sample = np.sort(rng.choice(candidates, size=min(_SAMPLE, len(candidates)), replace=False))
        exact, _ = one.top_k(sample, k)
        index.nprobe, recall = 1, 0.0
        while True:
            found, _ = _search(index, one, candidates, sample, k, silent)
            recall = _overlap(exact, found)
            if recall >= _WANTED_RECALL:
                break
            index.nprobe *= 2
            if index.nprobe > n_lists / 4:
                return None
        ids, scores = _search(index, one, candidates, sources, k, progress)
    finally:
        faiss.omp_set_num_threads(threads_before)
    return ids, scores, {"index": "ivf", "recall": recall, "lists": n_lists, "probes": index.nprobe}


def _search(
    index: Any, one: "VectorScorer", candidates: np.ndarray, sources: np.ndarray, k: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Lists from the index: int32 ids and float32 scores ``[s, k]``, without the source itself."""
    ids = np.full((len(sources), k), -1, dtype=np.int32)
    scores = np.full((len(sources), k), -np.inf, dtype=np.float32)
    for first in range(0, len(sources), _SEARCH_BLOCK):
        block = slice(first, min(first + _SEARCH_BLOCK, len(sources)))
        found_scores, place = index.search(one.queries(sources[block]), k + 1)
        found = np.where(place >= 0, candidates[place], -1)
        found_scores[(found == sources[block, None]) | (found < 0)] = -np.inf
        order = np.lexsort((found, -found_scores), axis=1)[:, :k]
        scores[block] = np.take_along_axis(found_scores, order, axis=1)
        ids[block] = np.where(np.isfinite(scores[block]), np.take_along_axis(found, order, axis=1), -1)
        progress("top-k", block.stop, len(sources), "products")
    return ids, scores


def _overlap(exact: np.ndarray, found: np.ndarray) -> float:
    """Share of the exact lists' entries that are in the found lists of the same rows."""
    hits = sum(len(np.intersect1d(a[a >= 0], b)) for a, b in zip(exact, found, strict=True))
    return hits / max(int((exact >= 0).sum()), 1)
