"""Personalized PageRank as a score, computed by forward push when it is asked for."""

import numba as nb
import numpy as np
import scipy.sparse as sp

from core.interfaces import TrainedModel
from core.progress import Progress, silent
from core.scoring.topk import PAIR_BLOCK, SOURCE_BLOCK, blocks, csr_arrays, empty_lists, in_threads, insert, left_out


def scorer(trained: TrainedModel, scoring: str, threads: int) -> "PageRankScorer":
    """Scores of the matrix ``pagerank``, the weighted adjacency ``[n_nodes, n_nodes]`` of an undirected graph.

    S[i, j] is the personalized PageRank of j with restarts at i, approximated to ``damping`` and ``tolerance`` of
    ``info["config"]``. Lists and pairs as of a chain.
    """
    config = trained.info["config"]
    matrix = trained.matrices["pagerank"]
    return PageRankScorer(trained.seen, matrix, config["damping"], config["tolerance"], threads)


class PageRankScorer:
    """Personalized PageRank by forward push, one source at a time.

    S[i, j] = sum over t of (1 - damping) damping**t (P**t)[i, j], the chance that a walk from i, stopped after every
    step with probability 1 - damping, stops at j. Forward push (Andersen, Chung and Lang, "Local graph partitioning
    using PageRank vectors", FOCS 2006, section 3) finds values that are too small by at most tolerance * strength(j),
    with work that depends on the tolerance and not on the size of the graph.

    On an undirected graph strength(i) S[i, j] = strength(j) S[j, i], so that one direction of a pair gives both.

    Args:
        seen: bool ``[n_nodes]``.
        adjacency: symmetric CSR with positive weights; the strength of a node is the sum of its row.
        damping: chance to walk on, 0 <= damping < 1.
        tolerance: positive.
        threads: CPU threads; they do not change the result.
    """

    def __init__(
        self, seen: np.ndarray, adjacency: sp.csr_matrix, damping: float, tolerance: float, threads: int = 2
    ) -> None:
        self.seen = np.array(seen, dtype=bool)
        self._graph = csr_arrays(adjacency)
        self._strength = np.asarray(adjacency.sum(axis=1, dtype=np.float64)).ravel()
        self._damping, self._tolerance = float(damping), float(tolerance)
        self._threads = threads

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        source, target = np.asarray(source, dtype=np.int32), np.asarray(target, dtype=np.int32)
        # Push from the stronger end: hubs stand in many pairs, so that there are fewer sources.
        swap = self._strength[source] < self._strength[target]
        source, target = np.where(swap, target, source), np.where(swap, source, target)
        order = np.argsort(source, kind="stable")
        source, target = source[order], target[order]
        scores = np.empty(len(source), dtype=np.float32)

        def work(block: slice) -> None:
            _push_pairs(
                self._graph,
                self._strength,
                self._damping,
                self._tolerance,
                source[block],
                target[block],
                scores[block],
            )

        in_threads(work, blocks(len(source), PAIR_BLOCK), self._threads)
        result = np.empty_like(scores)
        result[order] = scores
        return result

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Scorer.top_k``; exact but for the tolerance."""
        sources = np.asarray(sources, dtype=np.int32)
        ids, scores = empty_lists(len(sources), k)

        def work(block: slice) -> None:
            out_row, out_node = left_out(sources[block], mask, block)
            starts = np.searchsorted(out_row, np.arange(block.stop - block.start + 1))
            _push_top(
                self._graph,
                self._strength,
                self._damping,
                self._tolerance,
                self.seen,
                sources[block],
                starts,
                out_node,
                ids[block],
                scores[block],
            )

        in_threads(work, blocks(len(sources), SOURCE_BLOCK), self._threads, progress)
        return ids, scores


@nb.njit(nogil=True, cache=True)
def _push(graph, strength, damping, tolerance, source, reserve, residual, queued, queue, touched):
    """Forward push from ``source``.

    Args:
        graph: CSR triple.
        strength: float64 ``[n_nodes]``, row sums.
        reserve, residual: float64 ``[n_nodes]``, zero on entry. reserve[j] is the chance found so far that the walk
            stops at j; residual[j] that it is at j and was not followed on. Left nonzero where touched.
        queued: bool ``[n_nodes]``, False on entry and on return.
        queue: int32 ``[n_nodes]``, a ring in which a node stands at most once.
        touched: int32 ``[n_nodes]``.

    Returns:
        Number of nodes touched. PageRank of j >= reserve[j] + (1 - damping) residual[j], for a walk that is at j
        stops there with that chance at least.
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
        if strength[node] == 0.0:  # an isolated source: nowhere to go
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
                place = head + waiting
                queue[place if place < n_nodes else place - n_nodes] = end
                waiting += 1
    return count


@nb.njit(nogil=True, cache=True)
def _push_pairs(graph, strength, damping, tolerance, source, target, scores):
    """Means of both directions for pairs grouped by source."""
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
def _push_top(graph, strength, damping, tolerance, seen, sources, starts, left_out, ids, scores):
    """Lists ``[s, k]`` for ``sources [s]``; ``left_out[starts[r]:starts[r + 1]]`` stays out of list r."""
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
