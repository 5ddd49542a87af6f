"""Small operations on arrays that several parts of core need."""

import numpy as np
import scipy.sparse as sp


def run_starts(ordered: np.ndarray) -> np.ndarray:
    """bool ``[m]``: which values of a sorted array differ from the value before them; the first one does."""
    starts = np.ones(len(ordered), dtype=bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    return starts


def distinct(values: np.ndarray) -> np.ndarray:
    """Sorted distinct values ``[m]``.

    The result is that of ``np.unique``, which hashes integers before it sorts them since NumPy 2.3 and is ten times
    slower on long arrays.
    """
    ordered = np.sort(values)
    unique: np.ndarray = ordered[run_starts(ordered)]
    return unique


def positions(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """int64: the position of each of ``wanted`` in ``keys`` (in any order), or -1."""
    if not len(keys):
        return np.full(len(wanted), -1)
    order = np.argsort(keys)
    position = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    return np.where(keys[position] == wanted, position, -1)


def largest_by_row(matrix: sp.csr_matrix, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The at most ``k`` largest entries above 0 of each row; among equals those of smaller columns.

    Returns:
        Of each of them, by row and place: int64 row, int32 column, value, and int64 place within the row from 0.
    """
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    kept = matrix.data > 0
    for long in np.flatnonzero(np.diff(matrix.indptr) > k) if k else ():
        # Only what is not below the k-th largest is sorted, because sorting takes the most time.
        part = slice(matrix.indptr[long], matrix.indptr[long + 1])
        values = matrix.data[part]
        kept[part] &= values >= np.partition(values, len(values) - k)[len(values) - k]
    row, column, value = row[kept], matrix.indices[kept], matrix.data[kept]
    order = np.lexsort((column, -value, row))
    row = row[order]
    place = np.arange(len(row)) - np.searchsorted(row, np.arange(matrix.shape[0]))[row]
    within = place < k
    order = order[within]
    return row[within], column[order].astype(np.int32), value[order], place[within]
