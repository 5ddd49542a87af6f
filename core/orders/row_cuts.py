"""Cutting rows of products so that no row holds two products whose pair is held out."""

import numpy as np
from numba import njit

from core.arrays import run_starts
from core.orders.rows import padded, row_lengths
from core.pairs.split import PairSplit


def cut_at_held_out(node: np.ndarray, starts: np.ndarray, split: PairSplit) -> np.ndarray:
    """Where rows start after the cuts: bool ``[m]``.

    A row is read from its start. Before the first product that has a held-out pair with a product of the row so far,
    a new row starts. A row without such a pair stays whole.

    Args:
        node: int32 ``[m]``: the products of all rows, one row after the other.
        starts: bool ``[m]``: where rows start.
        split: its validation pairs are held out; its cold products must not be in the rows.
    """
    held_out = split.validation
    source = np.concatenate([held_out.source, held_out.target])
    target = np.concatenate([held_out.target, held_out.source])
    order = np.lexsort((target, source))
    first = np.zeros(split.n_nodes + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=split.n_nodes), out=first[1:])
    cut: np.ndarray = _cut(node, starts, first, target[order])
    return cut


def without_held_out(rows: np.ndarray, split: PairSplit) -> np.ndarray:
    """The rows without the cold products of a split and cut at its held-out pairs: int32 ``[rows, length]``.

    Args:
        rows: int32 ``[rows, length]``, padded with -1.
        split: see :func:`cut_at_held_out`.
    """
    is_cold = np.zeros(split.n_nodes, bool)
    is_cold[split.cold] = True
    row, column = np.nonzero(rows >= 0)
    node = rows[row, column]
    kept = ~is_cold[node]
    row, node = row[kept], node[kept]
    starts = run_starts(row)
    repeated = ~starts & (node == np.concatenate([node[:1], node[:-1]]))
    node, starts = node[~repeated], starts[~repeated]
    starts = cut_at_held_out(node, starts, split)
    return padded(node, starts, np.flatnonzero(row_lengths(starts) >= 2))


@njit(nogil=True, cache=True)
def _cut(node: np.ndarray, starts: np.ndarray, first: np.ndarray, partners: np.ndarray) -> np.ndarray:
    cut = starts.copy()
    start = 0
    for i in range(len(node)):
        if cut[i]:
            start = i
            continue
        low, high = first[node[i]], first[node[i] + 1]
        if low == high:
            continue
        for j in range(start, i):
            place = low + np.searchsorted(partners[low:high], node[j])
            if place < high and partners[place] == node[j]:
                cut[i] = True
                start = i
                break
    return cut
