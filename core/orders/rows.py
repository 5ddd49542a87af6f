"""Rows of different lengths that stand one after the other, and the array they become."""

import numpy as np


def row_lengths(starts: np.ndarray) -> np.ndarray:
    """int64: the number of products of each row; every value of ``starts`` belongs to a row."""
    lengths: np.ndarray = np.diff(np.append(np.flatnonzero(starts), len(starts)))
    return lengths


def padded(node: np.ndarray, starts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """int32 ``[len(chosen), length]``: the chosen rows in this order, padded with -1; at least two columns.

    Args:
        node, starts: the products of all rows, one row after the other, and where rows start.
        chosen: int64, the numbers of the rows.
    """
    lengths = row_lengths(starts)
    first = np.flatnonzero(starts)[chosen]
    lengths = lengths[chosen]
    rows = np.full((len(chosen), max(int(lengths.max(initial=0)), 2)), -1, np.int32)
    for column in range(rows.shape[1]):  # a column at a time, so that no index as large as the array is made
        reaches = np.flatnonzero(lengths > column)
        rows[reaches, column] = node[first[reaches] + column]
    return rows
