"""Shared parts of the top-k searches: empty lists, insertion into a list, and blocks of work in threads."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np
import scipy.sparse as sp

from core.kernels.intrinsics import Int
from core.progress import Progress, silent

Csr = tuple[np.ndarray, np.ndarray, np.ndarray]
"""int64 indptr, int32 indices and float32 data of a CSR matrix."""

PAIR_BLOCK = 16_384
"""Number of pairs that a thread scores at a time."""
SOURCE_BLOCK = 256
"""Number of lists that a thread fills at a time."""


def empty_lists(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """int32 ids filled with -1 and float32 scores filled with -inf, both ``[n, k]``."""
    return np.full((n, k), -1, dtype=np.int32), np.full((n, k), -np.inf, dtype=np.float32)


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of ``size`` that cover 0..n-1; the last one may be shorter."""
    return (slice(first, min(first + size, n)) for first in range(0, n, size))


def in_threads(work: Callable[[slice], None], todo: Iterable[slice], threads: int, progress: Progress = silent) -> None:
    """Run ``work`` on every block; progress is reported in order, from the calling thread."""
    parts = list(todo)
    with ThreadPoolExecutor(threads) as pool:
        for part, _ in zip(parts, pool.map(work, parts), strict=True):
            progress("top-k", part.stop, parts[-1].stop, "products")


def left_out(sources: np.ndarray, mask: sp.csr_matrix | None, block: slice) -> tuple[np.ndarray, np.ndarray]:
    """The nodes that the lists of a block must not contain: int64 row numbers in the block (ascending) and node ids."""
    row, node = np.arange(len(sources)), sources.astype(np.int64)
    if mask is None:
        return row, node
    part = mask[block]
    row = np.concatenate([row, np.repeat(row, np.diff(part.indptr))])
    node = np.concatenate([node, part.indices])
    order = np.argsort(row, kind="stable")
    return row[order], node[order]


def csr_arrays(matrix: sp.csr_matrix) -> Csr:
    """The arrays in the types that the kernels are compiled for, without stored zeros; copies only what differs."""
    if matrix.nnz and matrix.data.min() == 0:
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    dtypes = (np.int64, np.int32, np.float32)
    arrays = zip((matrix.indptr, matrix.indices, matrix.data), dtypes, strict=True)
    indptr, indices, data = (np.require(array, dtype, ["C", "W"]) for array, dtype in arrays)
    return indptr, indices, data


@nb.njit(nogil=True, cache=True)
def insert(ids: np.ndarray, scores: np.ndarray, row: Int, node: Int, score: np.float32) -> None:
    """Insert a node into a descending list if it ranks high enough; of equal scores the smaller id comes first."""
    slot = scores.shape[1] - 1
    if score < scores[row, slot] or (score == scores[row, slot] and node > ids[row, slot]):
        return
    while slot > 0 and (
        scores[row, slot - 1] < score or (scores[row, slot - 1] == score and ids[row, slot - 1] > node)
    ):
        scores[row, slot] = scores[row, slot - 1]
        ids[row, slot] = ids[row, slot - 1]
        slot -= 1
    scores[row, slot] = score
    ids[row, slot] = node
