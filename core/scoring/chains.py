"""Scores that are the entries of a product of sparse matrices, S = chain_0 · chain_1 · ….

No entry may be negative: an entry of S is 0 if and only if no path of nonzero entries leads from i to j.

S is never built: it has up to n_nodes² entries. A row is computed when it is asked for, in a dense accumulator. The
Numba kernels are serial and release the GIL; threads take blocks of fixed size, so that results do not depend on the
number of threads.
"""

import numba as nb
import numpy as np
import scipy.sparse as sp

from core.interfaces import TrainedModel
from core.progress import Progress, silent
from core.scoring.topk import PAIR_BLOCK, SOURCE_BLOCK, blocks, csr_arrays, empty_lists, in_threads, insert, left_out


def chain(trained: TrainedModel, scoring: str, threads: int) -> "ChainScorer":
    """Scores of the square matrices ``chain_0``, ``chain_1``, …: S = chain_0 · chain_1 · ….

    S need not be symmetric: a list for product i is row i of S, while a pair scores (S[i, j] + S[j, i]) / 2.
    """
    matrices = trained.matrices
    return ChainScorer(trained.seen, [matrices[f"chain_{i}"] for i in range(len(matrices))], False, threads)


def gram(trained: TrainedModel, scoring: str, threads: int) -> "ChainScorer":
    """Scores of the matrix ``gram``, B ``[n_nodes, r]``: S = B Bᵀ."""
    matrix = trained.matrices["gram"]
    return ChainScorer(trained.seen, [matrix, matrix.T.tocsr()], True, threads)


class ChainScorer:
    """Scores that are entries of a product of sparse matrices."""

    def __init__(self, seen: np.ndarray, chain: list[sp.csr_matrix], symmetric: bool, threads: int = 2) -> None:
        if any(matrix.nnz and matrix.data.min() < 0 for matrix in chain):
            raise ValueError("the matrices of a sparse model must not have negative entries")
        self.seen = np.array(seen, dtype=bool)
        self._chain = tuple(csr_arrays(matrix) for matrix in chain)
        # A pair's score is (row of all factors but the last) · (column of the last).
        front = chain[:-1] or [sp.identity(len(self.seen), dtype=np.float32, format="csr")]
        self._front = tuple(csr_arrays(matrix) for matrix in front)
        self._last_transposed = csr_arrays(chain[-1].T.tocsr())
        self._symmetric = symmetric
        self._width = max(max(matrix.shape) for matrix in chain)
        self._threads = threads

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        forth = self._directed(source, target)
        if self._symmetric:
            return forth
        return (forth + self._directed(target, source)) / 2

    def _directed(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]``: S[source, target]; pairs are grouped by source, whose row is computed once."""
        order = np.argsort(source, kind="stable")
        source, target = (np.asarray(nodes, dtype=np.int32)[order] for nodes in (source, target))
        scores = np.empty(len(source), dtype=np.float32)
        result = np.empty_like(scores)

        def work(block: slice) -> None:
            _chain_pairs(
                self._front,
                self._last_transposed,
                self._width,
                source[block],
                target[block],
                scores[block],
            )

        in_threads(work, blocks(len(source), PAIR_BLOCK), self._threads)
        result[order] = scores
        return result

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Scorer.top_k``; exact, by the rows of S."""
        sources = np.asarray(sources, dtype=np.int32)
        ids, scores = empty_lists(len(sources), k)

        def work(block: slice) -> None:
            out_row, out_node = left_out(sources[block], mask, block)
            starts = np.searchsorted(out_row, np.arange(block.stop - block.start + 1))
            _chain_top(
                self._chain,
                self._width,
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
def _row_product(chain, node, accumulators, touched):
    """Row ``node`` of the product of ``chain``, sparse, in one of two accumulators.

    Args:
        chain: one or more CSR triples without negative or stored zero entries.
        accumulators: float64 ``[2, width]``, zero on entry. Left nonzero where the row is.
        touched: int32 ``[2, width]``.

    Returns:
        Which accumulator holds the row and how many places of ``touched`` it has.
    """
    now = 0
    accumulators[now, node] = 1.0
    touched[now, 0] = node
    count = 1
    for indptr, indices, data in chain:
        then = 1 - now
        found = 0
        for t in range(count):
            middle = touched[now, t]
            value = accumulators[now, middle]
            accumulators[now, middle] = 0.0
            for e in range(indptr[middle], indptr[middle + 1]):
                end = indices[e]
                if accumulators[then, end] == 0.0:
                    touched[then, found] = end
                    found += 1
                accumulators[then, end] += value * data[e]
        now, count = then, found
    return now, count


@nb.njit(nogil=True, cache=True)
def _chain_pairs(front, last_transposed, width, source, target, scores):
    """Scores of pairs grouped by source: (row of all factors but the last) · (column of the last factor)."""
    accumulators = np.zeros((2, width))
    touched = np.empty((2, width), dtype=np.int32)
    indptr, indices, data = last_transposed
    first = 0
    while first < len(source):
        now, count = _row_product(front, source[first], accumulators, touched)
        pair = first
        while pair < len(source) and source[pair] == source[first]:
            total = 0.0
            for e in range(indptr[target[pair]], indptr[target[pair] + 1]):
                total += accumulators[now, indices[e]] * data[e]
            scores[pair] = total
            pair += 1
        for t in range(count):
            accumulators[now, touched[now, t]] = 0.0
        first = pair


@nb.njit(nogil=True, cache=True)
def _chain_top(chain, width, seen, sources, starts, left_out, ids, scores):
    """Lists ``[s, k]`` for ``sources [s]``; ``left_out[starts[r]:starts[r + 1]]`` stays out of list r."""
    accumulators = np.zeros((2, width))
    touched = np.empty((2, width), dtype=np.int32)
    for row in range(len(sources)):
        if not seen[sources[row]]:
            continue
        now, count = _row_product(chain, sources[row], accumulators, touched)
        for e in range(starts[row], starts[row + 1]):
            accumulators[now, left_out[e]] = 0.0
        for t in range(count):
            node = touched[now, t]
            score = np.float32(accumulators[now, node])
            accumulators[now, node] = 0.0
            if score > 0 and seen[node]:
                insert(ids, scores, row, node, score)
