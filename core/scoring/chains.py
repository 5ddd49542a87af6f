"""Scores that are the entries of a product of sparse matrices, S = chain_0 · chain_1 · ….

No entry may be negative, so that S[i, j] is 0 if and only if no path of nonzero entries leads from i to j.

S is never built because it has up to n_nodes² entries. A row is computed in a dense accumulator when it is needed.
"""

import numba as nb
import numpy as np
import scipy.sparse as sp

from core.interfaces import TrainedModel
from core.kernels.intrinsics import Int
from core.scoring.row_scorer import RowScorer
from core.scoring.topk import Csr, csr_arrays, insert


def chain(trained: TrainedModel, scoring: str, threads: int) -> "ChainScorer":
    """Scores of the square matrices ``chain_0``, ``chain_1``, …: S = chain_0 · chain_1 · ….

    S need not be symmetric. The list of product i is row i of S, while the score of a pair is (S[i, j] + S[j, i]) / 2.
    """
    matrices = trained.matrices
    return ChainScorer(trained.seen, [matrices[f"chain_{i}"] for i in range(len(matrices))], False, threads)


def gram(trained: TrainedModel, scoring: str, threads: int) -> "ChainScorer":
    """Scores of the matrix ``gram``, B ``[n_nodes, r]``: S = B Bᵀ."""
    matrix = trained.matrices["gram"]
    return ChainScorer(trained.seen, [matrix, matrix.T.tocsr()], True, threads)


class ChainScorer(RowScorer):
    """Scores that are entries of a product of sparse matrices.

    Args:
        seen: bool ``[n_nodes]``.
        chain: the factors, without negative entries; the first has ``n_nodes`` rows, the last ``n_nodes`` columns.
        symmetric: whether S is symmetric.
        threads: CPU threads; they do not change the result.

    Raises:
        ValueError: an entry is negative.
    """

    def __init__(self, seen: np.ndarray, chain: list[sp.csr_matrix], symmetric: bool, threads: int = 2) -> None:
        if any(matrix.nnz and matrix.data.min() < 0 for matrix in chain):
            raise ValueError("the matrices of a sparse model must not have negative entries")
        super().__init__(seen, threads)
        self._chain = tuple(csr_arrays(matrix) for matrix in chain)
        # A pair's score is (row of all factors but the last) · (column of the last).
        front = chain[:-1] or [sp.identity(len(self.seen), dtype=np.float32, format="csr")]
        self._front = tuple(csr_arrays(matrix) for matrix in front)
        self._last_transposed = csr_arrays(chain[-1].T.tocsr())
        self._symmetric = symmetric
        self._width = max(max(matrix.shape) for matrix in chain)

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]``: the mean of both directions."""
        forth = self._scores_by_source(source, target)
        if self._symmetric:
            return forth
        mean: np.ndarray = (forth + self._scores_by_source(target, source)) / 2
        return mean

    def _fill_pairs(self, source: np.ndarray, target: np.ndarray, scores: np.ndarray) -> None:
        _chain_pairs(self._front, self._last_transposed, self._width, source, target, scores)

    def _fill_lists(
        self, sources: np.ndarray, starts: np.ndarray, left_out: np.ndarray, ids: np.ndarray, scores: np.ndarray
    ) -> None:
        _chain_top(self._chain, self._width, self.seen, sources, starts, left_out, ids, scores)


@nb.njit(nogil=True, cache=True)
def _row_product(chain: tuple[Csr, ...], node: Int, accumulators: np.ndarray, touched: np.ndarray) -> tuple[int, int]:
    """Compute row ``node`` of the product of ``chain`` in one of two accumulators.

    Args:
        chain: one or more CSR triples without negative or stored zero entries.
        accumulators: float64 ``[2, width]``, zero on entry; on return one of them holds the row.
        touched: int32 ``[2, width]``: the columns of the nonzero entries of each accumulator.

    Returns:
        Which accumulator holds the row, and the number of its nonzero entries.
    """
    now = 0
    accumulators[now, node] = 1.0
    touched[now, 0] = node
    count = 1
    for indptr, indices, data in chain:
        then = 1 - now
        reached = 0
        for t in range(count):
            middle = touched[now, t]
            value = accumulators[now, middle]
            accumulators[now, middle] = 0.0
            for e in range(indptr[middle], indptr[middle + 1]):
                end = indices[e]
                if accumulators[then, end] == 0.0:
                    touched[then, reached] = end
                    reached += 1
                accumulators[then, end] += value * data[e]
        now, count = then, reached
    return now, count


@nb.njit(nogil=True, cache=True)
def _chain_pairs(
    front: tuple[Csr, ...], last_transposed: Csr, width: int, source: np.ndarray, target: np.ndarray, scores: np.ndarray
) -> None:
    """Score pairs that are grouped by source: (row of all factors but the last) · (column of the last factor)."""
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
def _chain_top(
    chain: tuple[Csr, ...],
    width: int,
    seen: np.ndarray,
    sources: np.ndarray,
    starts: np.ndarray,
    left_out: np.ndarray,
    ids: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Fill the lists of ``RowScorer._fill_lists``."""
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
