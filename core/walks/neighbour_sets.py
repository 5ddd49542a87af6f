"""Neighbour sets: "is x a neighbour of t?" in one memory access, for node2vec.

The set of a row that starts at ``offset`` and has ``degree`` neighbours takes the ``2 * degree`` places from
``2 * offset``, half of them empty (-1). So it needs no table of its own offsets. A node belongs into a pair of
places; if both are taken, into the next free place after them. A pair never straddles two cache lines (the array
starts at one), and most questions are answered by the pair alone; a binary search in the sorted row would touch
several lines one after the other.
"""

import numpy as np
from numba import njit, types

from core.kernels.intrinsics import Int, mix
from core.walks.alias import FLOAT32S, INT32S, INT64S

EMPTY = -1
_S32 = np.uint64(32)


@njit(cache=True, nogil=True)
def first_slot(node: Int, degree: Int) -> Int:
    """The first place of the pair in a set of 2 * ``degree`` places where a node belongs."""
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
        base, places = 2 * lo, 2 * (hi - lo)
        sets[base : base + places] = EMPTY
        for e in range(lo, hi):
            place = first_slot(indices[e], hi - lo)
            while sets[base + place] != EMPTY:
                place += 1
                if place == places:
                    place = 0
            sets[base + place] = indices[e]


@njit(cache=True, nogil=True)
def has_neighbour(sets: np.ndarray, offset: Int, degree: Int, place: Int, node: Int) -> bool:
    """Whether the row at ``offset`` with ``degree`` neighbours has ``node``, whose :func:`first_slot` is ``place``."""
    base = 2 * offset
    # both places of the pair at once: a random number of turns of a loop would be mispredicted by the processor
    one, two = sets[base + place], sets[base + place + 1]
    if (one == node) | (two == node):
        return True
    if (one == EMPTY) | (two == EMPTY):
        return False
    place += 2
    while True:
        if place == 2 * degree:
            place = 0
        if sets[base + place] == node:
            return True
        if sets[base + place] == EMPTY:
            return False
        place += 1


@njit(types.uint64(INT64S, INT32S, FLOAT32S, types.int64, types.int64), cache=True, nogil=True)
def asymmetry(indptr: np.ndarray, indices: np.ndarray, weights: np.ndarray, first: int, last: int) -> np.uint64:
    """A checksum of the rows first..last-1 that adds up to 0 over all rows of a symmetric graph.

    Every edge adds the hash of its two nodes and its weight, once with either sign for its two directions. A
    graph with an edge in one direction only, or with two weights, passes with a probability of 2**-64. A row
    that is not strictly ascending, or has a self loop, adds an odd constant of its own.
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
