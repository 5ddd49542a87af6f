"""Ranking: what a list of recommendations is worth to the one who sees it.

Belongs here: whose lists are judged against which targets, and recall, NDCG, reciprocal rank, coverage and
popularity bias of given lists. Does not belong here: making the lists (``core.models.scorers``).
"""

from dataclasses import dataclass

import numpy as np

from core.graph import ProductGraph
from core.split import PairSplit, contains


@dataclass(frozen=True)
class RankingTask:
    """Products whose lists are judged, and what should stand in them.

    Attributes:
        sources: int32 ``[s]`` node ids, ascending.
        target_keys: int64, sorted: ``row of the source * n_nodes + target``.
        n_targets: int64 ``[s]``: number of targets of each source, at least 1.
        n_nodes: number of products.
    """

    sources: np.ndarray
    target_keys: np.ndarray
    n_targets: np.ndarray
    n_nodes: int

    def hits(self, lists: np.ndarray) -> np.ndarray:
        """bool ``[s, k]``: which places of the lists (node ids, -1 = empty) hold a target."""
        row = np.broadcast_to(np.arange(len(lists))[:, None], lists.shape)
        return self.is_target(row.ravel(), lists.ravel()).reshape(lists.shape) & (lists >= 0)

    def is_target(self, row: np.ndarray, node: np.ndarray) -> np.ndarray:
        """bool ``[m]``: whether ``node`` is a target of the source in ``row`` of :attr:`sources`."""
        return contains(self.target_keys, row * np.int64(self.n_nodes) + node)


def ranking_task(split: PairSplit, graph: ProductGraph, limit: int, seed: int) -> RankingTask:
    """At most ``limit`` random products that have a training and a held-out pair; targets: their held-out
    partners.

    A held-out partner that has no training pair is a target too: a model that cannot know it misses it.
    """
    source = np.concatenate([split.valid_source, split.valid_target])
    target = np.concatenate([split.valid_target, split.valid_source])
    known = graph.degree[source] > 0
    return _task(split.n_nodes, source[known], target[known], limit, seed)


def cold_task(split: PairSplit, limit: int, seed: int) -> RankingTask:
    """At most ``limit`` random cold products; targets: their partners with a training pair."""
    return _task(split.n_nodes, split.cold_source, split.cold_target, limit, seed)


def recall(hits: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: targets among the first k places over min(k, number of targets)."""
    return hits[:, :k].sum(axis=1) / np.minimum(k, n_targets)


def ndcg(hits: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: normalized discounted cumulative gain of binary relevance (Järvelin and Kekäläinen,
    2002).

    A target at rank r gains 1 / log2(r + 1); the ideal list has targets in all of its first min(k, targets)
    places.
    """
    gain = 1 / np.log2(np.arange(2, k + 2))
    width = min(k, hits.shape[1])
    return hits[:, :width] @ gain[:width] / np.cumsum(gain)[np.minimum(k, n_targets) - 1]


def reciprocal_rank(hits: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: 1 / rank of the first target, 0 if it is not among the first k places."""
    first = np.argmax(hits[:, :k], axis=1)
    return np.where(hits[:, :k].any(axis=1), 1 / (first + 1), 0.0)


def coverage(lists: np.ndarray, n_candidates: int) -> float:
    """Distinct products in the lists over the most there could be: min(places, products the model could
    list).
    """
    possible = min(lists.size, n_candidates)
    return len(np.unique(lists[lists >= 0])) / possible if possible else float("nan")


def popularity_bias(lists: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """float64 ``[s]``: mean degree percentile of the listed products; NaN for an empty list.

    The percentile of a product is the share of products with a training pair that have a smaller degree, plus
    half
    the share with the same: 0.5 is what lists drawn uniformly from these products would have on average.
    """
    present = np.sort(degree[degree > 0])
    below, upto = (np.searchsorted(present, degree, side=side) for side in ("left", "right"))
    percentile = (below + upto) / 2 / max(len(present), 1)
    listed = lists >= 0
    total = np.where(listed, percentile[lists], 0.0).sum(axis=1)
    count = listed.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _task(n_nodes: int, source: np.ndarray, target: np.ndarray, limit: int, seed: int) -> RankingTask:
    sources, n_targets = np.unique(source, return_counts=True)
    if len(sources) > limit:
        chosen = np.sort(np.random.default_rng(seed).choice(len(sources), size=limit, replace=False))
        sources, n_targets = sources[chosen], n_targets[chosen]
    row = np.full(n_nodes, -1, dtype=np.int64)
    row[sources] = np.arange(len(sources))
    wanted = row[source] >= 0
    keys = np.sort(row[source[wanted]] * n_nodes + target[wanted])
    return RankingTask(sources.astype(np.int32), keys, n_targets, n_nodes)
