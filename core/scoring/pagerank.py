"""Personalized PageRank as a score, computed by forward push when it is needed."""

import numba as nb
import numpy as np
import scipy.sparse as sp

from core.interfaces import TrainedModel
from core.kernels.intrinsics import Int
from core.scoring.row_scorer import RowScorer
from core.scoring.topk import Csr, csr_arrays, insert


def scorer(trained: TrainedModel, scoring: str, threads: int) -> "PageRankScorer":
    """Scores of the matrix ``pagerank``, the weighted adjacency ``[n_nodes, n_nodes]`` of an undirected graph.

    S[i, j] is the personalized PageRank of j with restarts at i, for the ``damping`` and up to the ``tolerance`` of
    ``info["config"]``. The list of product i is row i of S, and the score of a pair is (S[i, j] + S[j, i]) / 2.
    """
    config = trained.info["config"]
    matrix = trained.matrices["pagerank"]
    return PageRankScorer(trained.seen, matrix, config["damping"], config["tolerance"], threads)


class PageRankScorer(RowScorer):
    """Personalized PageRank by forward push, one source at a time.

    S[i, j] = sum over t of (1 - damping) damping**t (P**t)[i, j] is the probability that a walk from i stops at j, if
    it stops before each step with probability 1 - damping. Forward push (Andersen, Chung and Lang, "Local graph
    partitioning using PageRank vectors", FOCS 2006, section 3) underestimates it by at most tolerance * strength(j),
    and its work depends on the tolerance and not on the size of the graph.

    On an undirected graph strength(i) S[i, j] = strength(j) S[j, i], so one direction of a pair gives the other.

    Args:
        seen: bool ``[n_nodes]``.
        adjacency: symmetric CSR with positive weights; the strength of a node is the sum of its row.
        damping: probability that the walk continues, 0 <= damping < 1.
        tolerance: positive; bounds the error as above.
        threads: CPU threads; they do not change the result.
    """

    def __init__(
        self, seen: np.ndarray, adjacency: sp.csr_matrix, damping: float, tolerance: float, threads: int = 2
    ) -> None:
        super().__init__(seen, threads)
        self._graph = csr_arrays(adjacency)
        self._strength = np.asarray(adjacency.sum(axis=1, dtype=np.float64)).ravel()
        self._damping, self._tolerance = float(damping), float(tolerance)

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]``: the mean of both directions."""
        # Push from the stronger end: hubs stand in many pairs, so that there are fewer sources.
        swap = self._strength[source] < self._strength[target]
        return self._scores_by_source(np.where(swap, target, source), np.where(swap, source, target))

    def _fill_pairs(self, source: np.ndarray, target: np.ndarray, scores: np.ndarray) -> None:
        """Write the means of both directions instead of S[source, target]."""
        _push_pairs(self._graph, self._strength, self._damping, self._tolerance, source, target, scores)

    def _fill_lists(
        self, sources: np.ndarray, starts: np.ndarray, left_out: np.ndarray, ids: np.ndarray, scores: np.ndarray
    ) -> None:
        _push_top(
            self._graph, self._strength, self._damping, self._tolerance, self.seen,
            sources, starts, left_out, ids, scores,
        )  # fmt: skip


@nb.njit(nogil=True, cache=True)
def _push(
    graph: Csr,
    strength: np.ndarray,
    damping: float,
    tolerance: float,
    source: Int,
    reserve: np.ndarray,
    residual: np.ndarray,
    queued: np.ndarray,
    queue: np.ndarray,
    touched: np.ndarray,
) -> int:
    """Run a forward push from ``source``.

    Args:
        graph: CSR triple.
        strength: float64 ``[n_nodes]``, row sums.
        reserve, residual: float64 ``[n_nodes]``, zero on entry and nonzero only where touched on return. reserve[j] is
            the probability computed so far that the walk stops at j; residual[j] is the probability that it reaches j
            and has not been followed from there.
        queued: bool ``[n_nodes]``, False on entry and on return.
        queue: int32 ``[n_nodes]``, a ring buffer that contains each node at most once.
        touched: int32 ``[n_nodes]``: the nodes that the push reached.

    Returns:
        Number of nodes touched. The PageRank of j is at least reserve[j] + (1 - damping) residual[j], because a walk
        that is at j stops there with at least that probability.
    """
    indptr, indices, weights = graph
    n_nodes = len(strength)
    residual[source] = 1.0
    touched[0] = source
    count = 1
    queue[0] = source
    queued[source] = True
    head, waiting = 0, 1
    while waiting > 0:
        node = queue[head]
        head = head + 1 if head + 1 < n_nodes else 0
        waiting -= 1
        queued[node] = False
        mass = residual[node]
        if strength[node] == 0.0:  # an isolated source has no neighbour to push to
            continue
        residual[node] = 0.0
        reserve[node] += (1.0 - damping) * mass
        share = damping * mass / strength[node]
        for e in range(indptr[node], indptr[node + 1]):
            end = indices[e]
            if residual[end] == 0.0 and reserve[end] == 0.0:
                touched[count] = end
                count += 1
            residual[end] += share * weights[e]
            if not queued[end] and residual[end] > tolerance * strength[end]:
                queued[end] = True
                position = head + waiting
                queue[position if position < n_nodes else position - n_nodes] = end
                waiting += 1
    return count


@nb.njit(nogil=True, cache=True)
def _push_pairs(
    graph: Csr,
    strength: np.ndarray,
    damping: float,
    tolerance: float,
    source: np.ndarray,
    target: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Write the means of both directions for pairs that are grouped by source."""
    n_nodes = len(strength)
    reserve, residual = np.zeros(n_nodes), np.zeros(n_nodes)
    queued, queue = np.zeros(n_nodes, dtype=np.bool_), np.empty(n_nodes, dtype=np.int32)
    touched = np.empty(n_nodes, dtype=np.int32)
    first = 0
    while first < len(source):
        node = source[first]
        count = _push(graph, strength, damping, tolerance, node, reserve, residual, queued, queue, touched)
        pair = first
        while pair < len(source) and source[pair] == node:
            other = target[pair]
            forth = reserve[other] + (1.0 - damping) * residual[other]
            back = forth * strength[node] / strength[other] if strength[other] > 0.0 else 0.0
            scores[pair] = (forth + back) / 2.0
            pair += 1
        for t in range(count):
            reserve[touched[t]] = residual[touched[t]] = 0.0
        first = pair


@nb.njit(nogil=True, cache=True)
def _push_top(
    graph: Csr,
    strength: np.ndarray,
    damping: float,
    tolerance: float,
    seen: np.ndarray,
    sources: np.ndarray,
    starts: np.ndarray,
    left_out: np.ndarray,
    ids: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Fill the lists of ``RowScorer._fill_lists``."""
    n_nodes = len(strength)
    reserve, residual = np.zeros(n_nodes), np.zeros(n_nodes)
    queued, queue = np.zeros(n_nodes, dtype=np.bool_), np.empty(n_nodes, dtype=np.int32)
    touched = np.empty(n_nodes, dtype=np.int32)
    for row in range(len(sources)):
        if not seen[sources[row]]:
            continue
        count = _push(graph, strength, damping, tolerance, sources[row], reserve, residual, queued, queue, touched)
        for e in range(starts[row], starts[row + 1]):
            reserve[left_out[e]] = residual[left_out[e]] = 0.0
        for t in range(count):
            node = touched[t]
            score = np.float32(reserve[node] + (1.0 - damping) * residual[node])
            reserve[node] = residual[node] = 0.0
            if score > 0 and seen[node]:
                insert(ids, scores, row, node, score)
