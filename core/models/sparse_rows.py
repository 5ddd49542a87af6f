"""Building a square sparse matrix in threads, one block of rows at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp

from core.progress import Progress

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""int64 lengths of the rows, and the columns and values of all rows, one row after the other."""


def matrix_by_blocks(
    n_nodes: int, size: int, rows: Callable[[int, int], Rows], threads: int, stage: str, progress: Progress
) -> sp.csr_matrix:
    """CSR ``[n_nodes, n_nodes]`` from blocks ``rows(first, last)`` of ``size`` rows; ``threads`` do not change it."""
    blocks = [(first, min(first + size, n_nodes)) for first in range(0, n_nodes, size)]
    lengths, indices, data = [], [], []
    with ThreadPoolExecutor(threads) as pool:
        for (_, last), (length, index, value) in zip(blocks, pool.map(lambda b: rows(*b), blocks), strict=True):
            lengths.append(length)
            indices.append(index)
            data.append(value)
            progress(stage, last, n_nodes, "products")
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return sp.csr_matrix((np.concatenate(data), np.concatenate(indices), indptr), shape=(n_nodes, n_nodes))
