"""The kernel of first-order walks.

A step needs two dependent accesses to random memory addresses: the row of the current node, then one record of that
row. A single walk would wait for both. Therefore ``_LANES`` walks advance in lockstep, and each access is announced by
a prefetch one pass before it is made, so that the waiting times overlap.
"""

import numpy as np
from numba import njit, types

from core.kernels.intrinsics import draw, multiply_wide, prefetch, walk_key
from core.walks.alias import INT32S, RECORDS, ROWS

_LANES = 256


@njit(
    types.void(ROWS, RECORDS, INT32S, types.int64, types.uint64, types.Array(types.int32, 2, "C")),
    cache=True,
    nogil=True,
)
def walk_first_order(
    rows: np.ndarray,
    records: np.ndarray,
    starts: np.ndarray,
    walks_per_node: int,
    seed_key: np.uint64,
    out: np.ndarray,
) -> None:
    """Walk ``walks_per_node`` times from every start; row ``i * walks_per_node + k`` is pass k from starts[i].

    Args:
        rows: ``ROW`` ``[n_nodes + 1]``; the last row is that of :func:`core.walks.alias.add_the_end`.
        records: ``RECORD`` ``[n_edges + 1]``.
        starts: int32 ``[s]`` nodes.
        walks_per_node: number of walks from every start.
        seed_key: hashed seed.
        out: int32 ``[s * walks_per_node, walk_length]``, overwritten; -1 after a dead end.
    """
    n_walks, walk_length = out.shape
    end = np.int32(len(rows) - 1)
    key = np.empty(_LANES, np.uint64)
    node = np.empty(_LANES, np.uint32)  # with unsigned indices Numba does not check for negative ones
    slot = np.empty(_LANES, np.uint64)  # the record drawn
    fraction = np.empty(_LANES, np.uint64)  # position of the draw within the slot
    for block in range(0, n_walks, _LANES):
        part = out[block : block + _LANES]
        for lane in range(len(part)):
            start = starts[(block + lane) // walks_per_node]
            key[lane] = walk_key(seed_key, start, (block + lane) % walks_per_node)
            node[lane] = start
            part[lane, 0] = start
        for step in range(1, walk_length):
            for lane in range(len(part)):
                row = rows[node[lane]]
                # slot and position within the slot are the two halves of (random number) x degree
                position, fraction[lane] = multiply_wide(draw(key[lane], step), np.uint64(row.degree))
                slot[lane] = np.uint64(row.offset) + position
                prefetch(records, slot[lane])
            for lane in range(len(part)):
                record = records[slot[lane]]
                following = record.neighbour if fraction[lane] < record.threshold else record.alias
                prefetch(rows, following)
                node[lane] = following
                part[lane, step] = following if following != end else np.int32(-1)
