"""The kernel of node2vec's second-order walks.

In node2vec (Grover and Leskovec, KDD 2016, section 3.2.2), a walk that has come from t to v goes to a neighbour x of v
with probability proportional to alpha(t, x) * w(v, x), where alpha is 1/p for x = t, 1 for a common neighbour of t and
v, and 1/q otherwise. A table per pair (t, v) would be exact but takes 35 GB for two million products. Instead, as in
KnightKing (Yang et al., SOSP 2019, section 4), x is proposed with probability proportional to w(v, x) from v's alias
records, and accepted if a dart thrown at a random height below max alpha hits alpha:

* Below the smaller of 1 and 1/q, a proposal is accepted without checking whether it is a common neighbour.
* The return edge is an outlier. If 1/p is the largest alpha, it would lower the acceptance of all others. Therefore
  heights end at Q = max(1, 1/q), and the mass (1/p - Q) * w(v, t) that the return edge loses is appended to the dart
  board: a dart that hits this area returns at once.
* If nearly every proposal is refused (for example with q = 0.001 in a clique), a walk that was refused twice as often
  as it has neighbours computes the distribution of the whole row and draws from it.

All three leave the distribution exact. ``_LANES`` walks advance together, one proposal per round, and every access to a
random memory address (row, record, neighbour set) is announced by a prefetch in the pass before. The passes collect
lists of lanes without branches, because a processor cannot predict where a dart falls.
"""

from typing import Any

import numpy as np
from numba import njit, types

from core.kernels.intrinsics import Int, draw, multiply_wide, prefetch, unit, walk_key
from core.walks.alias import INT32S, WEIGHTED_RECORDS, WEIGHTED_ROWS
from core.walks.neighbour_sets import first_slot, has_neighbour

_LANES = 128

_LANE = np.dtype(
    [
        ("walk", np.int64),  # row of the result
        ("step", np.int64),  # number of nodes written
        ("key", np.uint64),
        ("counter", np.int64),  # number of random numbers used
        ("refusals", np.int64),  # number of refused proposals in this step
        ("node", np.int64),  # v, and its row
        ("offset", np.int64),
        ("degree", np.int64),
        ("previous", np.int64),  # t, and its row; -1 at the start of a walk
        ("previous_offset", np.int64),
        ("previous_degree", np.int64),
        ("previous_weight", np.float64),  # w(t, v)
        ("slot", np.int64),  # the drawn record
        ("fraction", np.uint64),  # position of the draw within the slot
        ("height", np.float64),  # of the dart
        ("proposed", np.int64),  # x
        ("proposed_weight", np.float64),  # w(v, x)
        ("set_slot", np.int64),  # first slot of x in t's neighbour set
    ]
)
"""The state of one walk; an array of structs, since every pass uses most of it."""


@njit(nogil=True)
def _begin(lane: Any, walk: Int, starts: np.ndarray, walks_per_node: Int, seed_key: np.uint64, out: np.ndarray) -> None:
    """Put a lane at the start of a walk."""
    start = starts[walk // walks_per_node]
    lane.walk = walk
    lane.step = 1
    lane.key = walk_key(seed_key, start, walk % walks_per_node)
    lane.counter = 0
    lane.refusals = 0
    lane.node = start
    lane.previous = -1
    lane.previous_offset = 0
    lane.previous_degree = 0
    lane.previous_weight = 0.0
    out[walk, 0] = start


@njit(nogil=True)
def _propose(lanes: np.ndarray, rows: np.ndarray, records: np.ndarray, p: float, q: float) -> None:
    """Throw the dart of every lane and prefetch the record that it proposes."""
    cap = max(1.0, 1.0 / q)  # Q above
    excess = max(1.0 / p - cap, 0.0)
    for i in range(len(lanes)):
        lane = lanes[i]
        row = rows[lane.node]
        lane.offset = row.offset
        lane.degree = row.degree
        board = cap + excess * lane.previous_weight / row.strength
        lane.height = unit(draw(lane.key, lane.counter)) * board
        position, fraction = multiply_wide(draw(lane.key, lane.counter + 1), np.uint64(row.degree))
        lane.counter += 2
        lane.fraction = fraction
        lane.slot = np.int64(row.offset) + np.int64(position)
        prefetch(records, lane.slot)


@njit(nogil=True)
def _draw_exactly(lane: Any, records: np.ndarray, sets: np.ndarray, p: float, q: float) -> None:
    """Draw the proposal from the exact distribution over the whole row; costs O(degree)."""
    total = 0.0
    for sweep in range(2):  # the first sweep adds up the masses, the second one draws
        target = unit(draw(lane.key, lane.counter)) * total
        total = 0.0
        for e in range(lane.offset, lane.offset + lane.degree):
            neighbour = np.int64(records[e].neighbour)
            weight = records[e].neighbour_weight
            slot = first_slot(neighbour, lane.previous_degree)
            if neighbour == lane.previous:
                total += weight / p
            elif has_neighbour(sets, lane.previous_offset, lane.previous_degree, slot, neighbour):
                total += weight
            else:
                total += weight / q
            if sweep == 1:
                lane.proposed = neighbour
                lane.proposed_weight = weight
                if total > target:
                    break
    lane.counter += 1


@njit(nogil=True)
def _examine(
    lanes: np.ndarray,
    records: np.ndarray,
    sets: np.ndarray,
    p: float,
    q: float,
    unclear: np.ndarray,
    accepted: np.ndarray,
) -> tuple[Int, Int]:
    """Decide the proposals that need no neighbour set; list the lanes that accept and those that remain unclear.

    Returns the lengths of the lists ``unclear`` and ``accepted``.
    """
    cap, always = max(1.0, 1.0 / q), min(1.0, 1.0 / q)  # bounds of alpha but for the return edge
    return_height = min(1.0 / p, cap)
    n_unclear: Int = 0
    n_accepted: Int = 0
    for i in range(len(lanes)):
        lane = lanes[i]
        if lane.refusals >= 2 * lane.degree:
            _draw_exactly(lane, records, sets, p, q)
            accepted[n_accepted] = i
            n_accepted += 1
            continue
        record = records[lane.slot]
        if lane.fraction < record.threshold:
            candidate, weight = np.int64(record.neighbour), record.neighbour_weight
        else:
            candidate, weight = np.int64(record.alias), record.alias_weight
        returns = lane.height >= cap  # the appended area, which is empty at the start of a walk
        is_back = candidate == lane.previous
        is_unclear = (lane.height >= always) & (lane.previous >= 0) & (not is_back) & (not returns)
        accepts = returns | ((not is_unclear) & ((not is_back) | (lane.height < return_height)))
        lane.proposed = lane.previous if returns else candidate
        lane.proposed_weight = lane.previous_weight if returns else weight
        lane.set_slot = first_slot(candidate, lane.previous_degree)
        prefetch(sets, (2 * lane.previous_offset + lane.set_slot) * np.int64(is_unclear))
        lane.refusals += 1  # an accepted step sets it to 0
        unclear[n_unclear] = i
        n_unclear += np.int64(is_unclear)
        accepted[n_accepted] = i
        n_accepted += np.int64(accepts)
    return n_unclear, n_accepted


@njit(nogil=True)
def _decide_unclear(
    lanes: np.ndarray, sets: np.ndarray, q: float, unclear: np.ndarray, accepted: np.ndarray, n_accepted: Int
) -> Int:
    """Decide the unclear lanes by the neighbour sets; returns the new length of ``accepted``."""
    common_wins = q > 1.0  # an unclear dart hits either the common neighbours or the others
    for k in range(len(unclear)):
        lane = lanes[unclear[k]]
        common = has_neighbour(sets, lane.previous_offset, lane.previous_degree, lane.set_slot, lane.proposed)
        accepted[n_accepted] = unclear[k]
        n_accepted += np.int64(common == common_wins)
    return n_accepted


@njit(nogil=True)
def _move(
    lanes: np.ndarray,
    rows: np.ndarray,
    walk_length: int,
    accepted: np.ndarray,
    ended: np.ndarray,
    out: np.ndarray,
) -> Int:
    """Write the accepted nodes and move there; returns the number of lanes in ``ended``, whose walk is complete."""
    n_ended: Int = 0
    for k in range(len(accepted)):
        lane = lanes[accepted[k]]
        out[lane.walk, lane.step] = lane.proposed
        lane.step += 1
        lane.refusals = 0
        lane.previous = lane.node
        lane.previous_offset = lane.offset
        lane.previous_degree = lane.degree
        lane.previous_weight = lane.proposed_weight
        lane.node = lane.proposed
        prefetch(rows, lane.node)
        ended[n_ended] = accepted[k]
        n_ended += np.int64(lane.step == walk_length)
    return n_ended


@njit(
    types.void(
        WEIGHTED_ROWS,
        WEIGHTED_RECORDS,
        types.Array(types.int32, 1, "C"),
        INT32S,
        types.int64,
        types.uint64,
        types.float64,
        types.float64,
        types.Array(types.int32, 2, "C"),
    ),
    cache=True,
    nogil=True,
)
def walk_second_order(
    rows: np.ndarray,
    records: np.ndarray,
    sets: np.ndarray,
    starts: np.ndarray,
    walks_per_node: int,
    seed_key: np.uint64,
    p: float,
    q: float,
    out: np.ndarray,
) -> None:
    """Walk ``walks_per_node`` times from every start; row ``i * walks_per_node + k`` is pass k from starts[i].

    Args:
        rows: ``WEIGHTED_ROW`` ``[n_nodes]`` of a symmetric graph.
        records: ``WEIGHTED_RECORD`` ``[n_edges]``.
        sets: int32 ``[2 * n_edges]`` from :func:`core.walks.neighbour_sets.fill_sets`.
        starts: int32 ``[s]`` nodes with at least one neighbour.
        walks_per_node: number of walks from every start.
        seed_key: hashed seed.
        p, q: return and in-out parameters.
        out: int32 ``[s * walks_per_node, walk_length]``, overwritten; walk_length at least 2.
    """
    n_walks, walk_length = out.shape
    state = np.empty(_LANES, _LANE)
    unclear = np.empty(_LANES, np.int64)
    accepted = np.empty(_LANES, np.int64)
    ended = np.empty(_LANES, np.int64)
    active = min(_LANES, n_walks)
    for i in range(active):
        _begin(state[i], i, starts, walks_per_node, seed_key, out)
    next_walk = active
    while active > 0:
        lanes = state[:active]
        _propose(lanes, rows, records, p, q)
        n_unclear, n_accepted = _examine(lanes, records, sets, p, q, unclear, accepted)
        n_accepted = _decide_unclear(lanes, sets, q, unclear[:n_unclear], accepted, n_accepted)
        n_ended = _move(lanes, rows, walk_length, accepted[:n_accepted], ended, out)
        for k in range(n_ended):
            if next_walk < n_walks:
                _begin(lanes[ended[k]], next_walk, starts, walks_per_node, seed_key, out)
                next_walk += 1
            else:
                lanes[ended[k]].walk = -1
        if n_ended > 0 and next_walk == n_walks:  # close the gaps of lanes that have no further walk
            kept = 0
            for i in range(active):
                if lanes[i].walk >= 0:
                    lanes[kept] = lanes[i]
                    kept += 1
            active = kept
