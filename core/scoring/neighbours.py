"""The lists that a shop shows: the nearest products of every product, by every scoring of a model."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from core.interfaces import Model, TrainedModel
from core.progress import Progress, silent
from core.settings import setting

if TYPE_CHECKING:
    from core.scoring.vectors import VectorScorer

_T = TypeVar("_T")
VERSION = "4"
"""Raised whenever the same model gets different lists."""

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

_WANTED_RECALL = 0.96
"""Share of a sample's exact lists that the index must find: enough for 95 % of all lists."""
_SAMPLE = 500
"""Number of sources on which the approximate index is compared with exact search."""
_CELLS = 4
"""Cells of the index, as a multiple of the square root of the number of products."""
_LARGEST_SHARE = 0.25
"""Share of the products scored for one list above which exact search is as fast as the index."""


@dataclass(frozen=True)
class NeighboursConfig:
    """Settings of the neighbour lists."""

    k: int = setting(50, "Number of neighbours kept per product and scoring.", ge=1, le=1_000)
    exact_up_to: int = setting(
        200_000,
        "Number of products up to which vector search is exact; above it, an IVF index is used.",
        ge=0,
        le=100_000_000,
    )


@dataclass(frozen=True)
class Neighbours:
    """Neighbour lists.

    Attributes:
        table: of schema ``NEIGHBOURS``; a product with fewer than k neighbours has fewer rows.
        info: scoring → JSON-able facts: ``index`` (``exact`` or ``ivf``), ``recall`` (share of the exact lists
            that the index finds on a sample; 1 for exact search), ``products`` (number of sources), ``rows`` and
            ``seconds``; for ``ivf`` also ``cells``, ``nprobe`` and ``share scored`` (share of the products scored
            for one list).
    """

    table: pa.Table
    info: dict[str, dict[str, Any]] = field(default_factory=dict)


def nearest(
    model: Model,
    trained: TrainedModel,
    product_ids: pa.Array,
    config: NeighboursConfig,
    threads: int = 2,
    seed: int = 42,
    progress: Progress = silent,
    sources: np.ndarray | None = None,
) -> Neighbours:
    """The k nearest seen products of every product that the model has seen; none if it was not trained.

    Training pairs stay in the lists, because a shop wants them. Exact lists do not depend on ``threads``.

    Args:
        model: registry entry.
        trained: what it learned.
        product_ids: string ``[n_nodes]``, ascending: the order of node ids is the order of product ids.
        config: settings.
        threads: CPU threads.
        seed: of the sample on which an approximate index is measured.
        progress: reports the number of products done.
        sources: ascending ids of the nodes that get lists, where the work is divided; unseen ones are skipped. None
            stands for all nodes.
    """
    if "untrained" in trained.info:
        return Neighbours(NEIGHBOURS.empty_table())
    # The scorers import Numba, which code that only reads neighbours (the explorer) should not wait for.
    from core.scoring.factory import scorer
    from core.scoring.vectors import VectorScorer

    names = product_ids.cast(pa.string())
    tables, info = [], {}
    for number, scoring in enumerate(model.scorings):
        started = time.perf_counter()
        pair_scorer = scorer(model, trained, scoring, threads)
        nodes = np.arange(len(pair_scorer.seen)) if sources is None else np.asarray(sources)
        nodes = nodes[pair_scorer.seen[nodes]].astype(np.int32)
        approximate = None
        if isinstance(pair_scorer, VectorScorer) and pair_scorer.seen.sum() > config.exact_up_to:
            approximate = _approximate(pair_scorer, nodes, config.k, threads, seed, progress)
        ids, scores, facts = approximate or (
            *pair_scorer.top_k(nodes, config.k, progress),
            {"index": "exact", "recall": 1.0},
        )
        table = _table(names, nodes, ids, scores, model.scorings, number)
        seconds = time.perf_counter() - started
        info[scoring] = {**facts, "products": len(nodes), "rows": len(table), "seconds": seconds}
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
    row, position = np.nonzero(present)
    return pa.table(
        {
            "product": pa.DictionaryArray.from_arrays(sources[row], names),
            "rank": pa.array((position + 1).astype(np.int16)),
            "neighbour": pa.DictionaryArray.from_arrays(ids[present], names),
            "score": pa.array(scores[present]),
            "scoring": pa.DictionaryArray.from_arrays(
                np.full(len(row), number, dtype=np.int8), pa.array(scorings, pa.string())
            ),
        },
        schema=NEIGHBOURS,
    )


def _approximate(
    scorer: "VectorScorer", sources: np.ndarray, k: int, threads: int, seed: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]] | None:
    """Search the cells of an inverted file, or return None if exact search is as fast; see :func:`vector_index`."""
    index = vector_index(scorer, k, threads, seed, progress)
    if index is None:
        return None
    return *index.top_k(sources, k, progress), index.facts


@dataclass(frozen=True)
class VectorIndex:
    """An inverted file over a scorer's vectors.

    Attributes:
        facts: JSON-able: ``index``, ``recall``, ``cells``, ``nprobe`` and ``share scored``.
    """

    scorer: "VectorScorer"
    cells: Any
    probe: Any
    threads: int
    facts: dict[str, Any]

    def top_k(self, sources: np.ndarray, k: int, progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
        """Like ``core.interfaces.Scorer.top_k``, but a few of the best may be missing."""
        ids, scores = _with_threads(
            self.threads,
            lambda: self.cells.top_k(self.scorer.queries, sources, k, self.probe, self.threads, progress),
        )
        return ids, scores


def vector_index(
    scorer: "VectorScorer", k: int, threads: int, seed: int, progress: Progress = silent
) -> VectorIndex | None:
    """Build an inverted file and choose how many cells are probed, so that enough of the exact lists of a sample are
    found.

    Returns None if that would score more than a quarter of all products, where exact search is as fast.
    """
    from core.scoring.ivf_search import build_inverted_file

    candidates = np.flatnonzero(scorer.seen).astype(np.int32)
    n_cells = max(1, round(_CELLS * np.sqrt(len(candidates))))

    def build() -> VectorIndex | None:
        progress("index", 0, len(candidates), "products")
        cells = build_inverted_file(scorer.vectors[candidates], candidates, n_cells, seed)
        progress("index", len(candidates), len(candidates), "products")
        rng = np.random.default_rng(seed)
        sample = np.sort(rng.choice(candidates, size=min(_SAMPLE, len(candidates)), replace=False))
        exact, _ = scorer.top_k(sample, k)
        probe, recall, share = cells.choose_probe(scorer.queries(sample), exact, _WANTED_RECALL)
        if share > _LARGEST_SHARE:
            return None
        facts = {"index": "ivf", "recall": recall, "cells": n_cells, "nprobe": probe.nprobe, "share scored": share}
        return VectorIndex(scorer, cells, probe, threads, facts)

    return _with_threads(threads, build)


def _with_threads(threads: int, work: Callable[[], _T]) -> _T:
    """Run ``work`` with this number of FAISS threads."""
    import faiss  # slow to import, and only large categories need it

    threads_before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        return work()
    finally:
        faiss.omp_set_num_threads(threads_before)
