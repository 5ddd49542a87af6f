"""What the makers of exact top-k lists share: empty lists, one insertion, blocks of work in threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np
import scipy.sparse as sp

from core.progress import Progress, silent

PAIR_BLOCK = 16_384
"""Pairs that a thread scores at a time."""
SOURCE_BLOCK = 256
"""Lists that a thread makes at a time."""


def empty_lists(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """int32 ids of -1 and float32 scores of -inf, both ``[n, k]``."""
    return np.full((n, k), -1, dtype=np.int32), np.full((n, k), -np.inf, dtype=np.float32)


def blocks(n: int, size: int) -> Iterator[slice]:
    """0..n-1 in slices of ``size``; the last may be shorter."""
    return (slice(first, min(first + size, n)) for first in range(0, n, size))


def in_threads(work: Callable[[slice], None], todo: Iterator[slice], threads: int, progress: Progress = silent) -> None:
    """Run ``work`` on every block; progress is reported from the calling thread, in order."""
    parts = list(todo)
    with ThreadPoolExecutor(threads) as pool:
        for part, _ in zip(parts, pool.map(work, parts), strict=True):
            progress("top-k", part.stop, parts[-1].stop, "products")


def left_out(sources: np.ndarray, mask: sp.csr_matrix | None, block: slice) -> tuple[np.ndarray, np.ndarray]:
    """What the lists of a block must not hold: row numbers in the block (ascending) and node ids, int64."""
    row, node = np.arange(len(sources)), sources.astype(np.int64)
    if mask is None:
        return row, node
    part = mask[block]
    row = np.concatenate([row, np.repeat(row, np.diff(part.indptr))])
    node = np.concatenate([node, part.indices])
    order = np.argsort(row, kind="stable")
    return row[order], node[order]


def csr_arrays(matrix: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrays of one fixed type for the kernels, which are compiled for it; copies only what differs."""
    if matrix.nnz and matrix.data.min() == 0:
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    wanted = (np.int64, np.int32, np.float32)
    arrays = zip((matrix.indptr, matrix.indices, matrix.data), wanted, strict=True)
    indptr, indices, data = (np.require(a, dtype, ["C", "W"]) for a, dtype in arrays)
    return indptr, indices, data


@nb.njit(nogil=True, cache=True)
def insert(ids, scores, row, node, score):
    """Put a node into one descending list if it belongs there; of equal scores the smaller id comes first."""
    place = scores.shape[1] - 1
    if score < scores[row, place] or (score == scores[row, place] and node > ids[row, place]):
        return
    while place > 0 and (
        scores[row, place - 1] < score or (scores[row, place - 1] == score and ids[row, place - 1] > node)
    ):
        scores[row, place] = scores[row, place - 1]
        ids[row, place] = ids[row, place - 1]
        place -= 1
    scores[row, place] = score
    ids[row, place] = node
