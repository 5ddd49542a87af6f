"""The products whose lists are evaluated, and the products that these lists should contain."""

from dataclasses import dataclass

import numpy as np

from core.graph import ProductGraph
from core.pairs.split import PairSplit, in_sorted


@dataclass(frozen=True)
class RankingTask:
    """Products whose lists are evaluated, and the targets that these lists should contain.

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
        """bool ``[s, k]``: which places of the lists (node ids, -1 = empty) contain a target."""
        row = np.broadcast_to(np.arange(len(lists))[:, None], lists.shape)
        return self.is_target(row.ravel(), lists.ravel()).reshape(lists.shape) & (lists >= 0)

    def is_target(self, row: np.ndarray, node: np.ndarray) -> np.ndarray:
        """bool ``[m]``: whether ``node`` is a target of the source in ``row`` of :attr:`sources`."""
        return in_sorted(self.target_keys, row * np.int64(self.n_nodes) + node)


def ranking_task(split: PairSplit, graph: ProductGraph, limit: int, seed: int) -> RankingTask:
    """At most ``limit`` random products with a training and a held-out pair; their held-out partners are the targets.

    A held-out partner without a training pair is a target too, which a model that does not know it will miss.
    """
    source = np.concatenate([split.validation.source, split.validation.target])
    target = np.concatenate([split.validation.target, split.validation.source])
    known = graph.degree[source] > 0
    return _task(split.n_nodes, source[known], target[known], limit, seed)


def cold_task(split: PairSplit, limit: int, seed: int) -> RankingTask:
    """At most ``limit`` random cold products; their partners with a training pair are the targets."""
    return _task(split.n_nodes, split.cold_pairs.source, split.cold_pairs.target, limit, seed)


def _task(n_nodes: int, source: np.ndarray, target: np.ndarray, limit: int, seed: int) -> RankingTask:
    sources, n_targets = np.unique(source, return_counts=True)
    if len(sources) > limit:
        chosen = np.sort(np.random.default_rng(seed).choice(len(sources), size=limit, replace=False))
        sources, n_targets = sources[chosen], n_targets[chosen]
    row = np.full(n_nodes, -1, dtype=np.int64)
    row[sources] = np.arange(len(sources))
    chosen_pair = row[source] >= 0
    keys = np.sort(row[source[chosen_pair]] * n_nodes + target[chosen_pair])
    return RankingTask(sources.astype(np.int32), keys, n_targets, n_nodes)
