"""Spreading of counts over similar products, so that rare products have an answer too."""

import numpy as np
import scipy.sparse as sp

from core.arrays import largest_by_row
from core.models.sparse_rows import Rows, matrix_by_blocks
from core.progress import Progress, silent

_BLOCK = 512
_UNSOLD = 0.3
"""What the popularity of a product without events counts as, so that it can still be recommended."""


def spread(
    steps: sp.csr_matrix,
    similar: sp.csr_matrix,
    popularity: np.ndarray,
    *,
    neighbours: int,
    from_similar: float,
    to_similar: float,
    alike: float,
    keep: int,
    threads: int = 2,
    progress: Progress = silent,
) -> sp.csr_matrix:
    """S + from_similar · K S + to_similar · S Kᵀ + alike · c · C, with only the largest entries of each row kept.

    S are the steps; C[i, j] = similar[i, j] · popularity[j] ** 0.5; c makes the Frobenius norm of C that of S; K is the
    largest ``neighbours`` entries of each row of ``similar``, scaled so that a row adds up to 1.

    Args:
        steps: float32 CSR ``[n, n]``, S.
        similar: float32 CSR ``[n, n]``: similarity of products; the diagonal is ignored.
        popularity: ``[n]``.
        neighbours, from_similar, to_similar, alike: see above.
        keep: maximum number of entries of a row of the result.
        threads: CPU threads; they do not change the result.
        progress: told the number of finished rows.

    Returns:
        float32 CSR ``[n, n]`` without a diagonal.
    """
    n_nodes = steps.shape[0]
    similar = without_diagonal(similar)
    popular = (similar @ sp.diags(np.maximum(popularity, _UNSOLD) ** 0.5)).tocsr().astype(np.float32)
    norm_of_steps, norm = (float(np.linalg.norm(matrix.data)) for matrix in (steps, popular))
    scale = np.float32(alike * (norm_of_steps / norm if norm_of_steps and norm else 1.0))
    nearest = matrix_by_blocks(
        n_nodes, _BLOCK, lambda first, last: largest(similar[first:last], neighbours), 1, "similar products", silent
    )
    total = np.asarray(nearest.sum(axis=1)).ravel()
    nearest = (sp.diags(1 / np.where(total > 0, total, 1)) @ nearest).tocsr().astype(np.float32)
    to_nearest = nearest.T.tocsr()

    def rows(first: int, last: int) -> Rows:
        own = steps[first:last]
        block = own + np.float32(to_similar) * (own @ to_nearest) + scale * popular[first:last]
        block = (block + np.float32(from_similar) * (nearest[first:last] @ steps)).tocsr()
        block.data[block.indices == np.repeat(np.arange(first, last), np.diff(block.indptr))] = 0
        return largest(block, keep)

    matrix = matrix_by_blocks(n_nodes, _BLOCK, rows, threads, "next purchases", progress)
    matrix.sort_indices()
    return matrix


def without_diagonal(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The matrix without its diagonal."""
    entries = matrix.tocoo()
    off = entries.row != entries.col
    return sp.csr_matrix((entries.data[off], (entries.row[off], entries.col[off])), matrix.shape)


def largest(block: sp.csr_matrix, keep: int) -> Rows:
    """The largest positive entries of each row, at most ``keep``; among equals those of smaller columns."""
    row, column, value, _ = largest_by_row(block, keep)
    return np.bincount(row, minlength=block.shape[0]).astype(np.int64), column, value.astype(np.float32)
