"""Neighbour sets that tell in one memory access whether x is a neighbour of t, for node2vec.

The set of a row that starts at ``offset`` and has ``degree`` neighbours occupies the ``2 * degree`` slots from
``2 * offset`` on, half of them empty (-1), so it needs no table of offsets. A node belongs in one of a pair of slots;
if both are taken, it goes into the next free slot after them. A pair never spans two cache lines, because the array
starts at one, and the pair alone answers most queries. A binary search in the sorted row would touch several lines one
after the other.
"""

import numpy as np
from numba import njit, types

from core.kernels.intrinsics import Int, mix
from core.walks.alias import FLOAT32S, INT32S, INT64S

EMPTY = -1
_S32 = np.uint64(32)


@njit(cache=True, nogil=True)
def first_slot(node: Int, degree: Int) -> Int:
    """The first slot of the pair to which a node belongs in a set of 2 * ``degree`` slots."""
    return np.int64(2) * np.int64(((mix(np.uint64(node)) >> _S32) * np.uint64(degree)) >> _S32)


@njit(
    types.void(INT64S, INT32S, types.int64, types.int64, types.Array(types.int32, 1, "C")),
    cache=True,
    nogil=True,
)
def fill_sets(indptr: np.ndarray, indices: np.ndarray, first: int, last: int, sets: np.ndarray) -> None:
    """Write the sets of the rows first..last-1 into ``sets``, int32 ``[2 * n_edges]``."""
    for node in range(first, last):
        lo, hi = indptr[node], indptr[node + 1]
        base, size = 2 * lo, 2 * (hi - lo)
        sets[base : base + size] = EMPTY
        for e in range(lo, hi):
            slot = first_slot(indices[e], hi - lo)
            while sets[base + slot] != EMPTY:
                slot += 1
                if slot == size:
                    slot = 0
            sets[base + slot] = indices[e]


@njit(cache=True, nogil=True)
def has_neighbour(sets: np.ndarray, offset: Int, degree: Int, slot: Int, node: Int) -> bool:
    """Whether the row at ``offset`` with ``degree`` neighbours has ``node``, whose :func:`first_slot` is ``slot``."""
    base = 2 * offset
    # Both slots are compared at once, because a processor mispredicts a loop with a random number of iterations.
    first, second = sets[base + slot], sets[base + slot + 1]
    if (first == node) | (second == node):
        return True
    if (first == EMPTY) | (second == EMPTY):
        return False
    slot += 2
    while True:
        if slot == 2 * degree:
            slot = 0
        if sets[base + slot] == node:
            return True
        if sets[base + slot] == EMPTY:
            return False
        slot += 1


@njit(types.uint64(INT64S, INT32S, FLOAT32S, types.int64, types.int64), cache=True, nogil=True)
def asymmetry(indptr: np.ndarray, indices: np.ndarray, weights: np.ndarray, first: int, last: int) -> np.uint64:
    """A checksum of the rows first..last-1; the checksums of all rows of a symmetric graph add up to 0.

    Every edge adds a hash of its two nodes and its weight, with opposite signs in its two directions. A graph that has
    an edge in one direction only, or with two different weights, passes with a probability of 2**-64. A row that is not
    strictly ascending or has a self loop adds a constant of its own.
    """
    total = np.uint64(0)
    for node in range(first, last):
        for e in range(indptr[node], indptr[node + 1]):
            other = indices[e]
            ends = (np.uint64(min(node, other)) << _S32) | np.uint64(max(node, other))
            edge = mix(mix(ends) + np.uint64(weights[e : e + 1].view(np.uint32)[0]))
            if node < other:
                total += edge
            else:
                total -= edge
            if other == node or (e > indptr[node] and indices[e - 1] >= other):
                total += mix(np.uint64(e))
    return total
