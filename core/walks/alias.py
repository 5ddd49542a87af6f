"""Alias tables: one record per directed edge, from which a neighbour is drawn in constant time.

In Walker's alias method (1977), a row of d neighbours is cut into d slots of equal mass. Slot e belongs to its own
neighbour up to ``threshold`` and to one other neighbour, ``alias``, above it. A draw takes one random slot and one
comparison. The rows are filled by the sweep of Hübschle-Schneider and Sanders ("Parallel Weighted Random Sampling", ESA
2019, section 4.1), which needs no scratch memory: one pointer moves over the light neighbours, one over the heavy ones.

Entry sizes are powers of two and tables start at a cache line, so that no entry spans two lines. A prefetch fetches one
line, and waiting for a second one made walks up to three times slower.
"""

import numpy as np
from numba import from_dtype, njit, types

ROW = np.dtype([("offset", np.uint32), ("degree", np.uint32)])
"""8 bytes: start and length of the row of a node; this limits a graph to ``MAX_EDGES`` directed edges."""

RECORD = np.dtype([("neighbour", np.int32), ("alias", np.int32), ("threshold", np.uint64)])
"""16 bytes: the alias record of an edge; the unit of the threshold is 2**-64 of a slot."""

WEIGHTED_ROW = np.dtype([*ROW.descr, ("strength", np.float64)])
"""16 bytes: a row and the sum of its edge weights."""

WEIGHTED_RECORD = np.dtype([*RECORD.descr, ("neighbour_weight", np.float64), ("alias_weight", np.float64)])
"""32 bytes: a record and the weights of both edges; node2vec needs the weight of the edge of the last step."""

MAX_EDGES = 2**32 - 1

ZERO_WEIGHTS, BAD_WEIGHTS, BAD_NODES = 1, 2, 4
"""Bits for defects of edges: weights of 0; negative weights, or a row whose sum is not finite; neighbours that are not
nodes. Filling the tables reports them, which saves further passes over all edges."""

INT32S = types.Array(types.int32, 1, "C", readonly=True)
INT64S = types.Array(types.int64, 1, "C", readonly=True)
FLOAT32S = types.Array(types.float32, 1, "C", readonly=True)
_FLOAT64S = types.Array(types.float64, 1, "C", readonly=True)
ROWS = types.Array(from_dtype(ROW), 1, "C")
RECORDS = types.Array(from_dtype(RECORD), 1, "C")
WEIGHTED_ROWS = types.Array(from_dtype(WEIGHTED_ROW), 1, "C")
WEIGHTED_RECORDS = types.Array(from_dtype(WEIGHTED_RECORD), 1, "C")

_CACHE_LINE = 64
_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_TWO_64 = 2.0**64


def empty_table(length: int, dtype: np.dtype) -> np.ndarray:
    """An uninitialized array ``[length]`` that starts at a cache line."""
    raw = np.empty(length * dtype.itemsize + _CACHE_LINE, np.uint8)
    skip = -raw.ctypes.data % _CACHE_LINE
    return raw[skip : skip + length * dtype.itemsize].view(dtype)


def add_the_end(rows: np.ndarray, records: np.ndarray) -> None:
    """Turn the last row into a node whose only record leads back to it.

    Walks go there after a dead end and stay there, so the kernel needs no branch for dead ends.
    """
    end = len(rows) - 1
    rows[end] = (len(records) - 1, 1)
    records[-1] = (end, end, 0)


@njit(nogil=True)
def _fill_row(weights: np.ndarray, lo: int, hi: int, records: np.ndarray) -> tuple[float, int]:
    """Fill threshold and alias of the slots lo..hi-1; aliases are positions within the row.

    Returns the sum of the row's weights, and the bits of their defects.
    """
    total, smallest = 0.0, np.inf
    for e in range(lo, hi):
        total += weights[e]
        smallest = min(smallest, np.float64(weights[e]))
        records[e].alias = e - lo
        records[e].threshold = _FULL
    mean = total / max(hi - lo, 1)

    light = lo
    while light < hi and weights[light] > mean:
        light += 1
    heavy = lo
    while heavy < hi and weights[heavy] <= mean:
        heavy += 1
    rest = np.float64(weights[heavy]) if heavy < hi else 0.0  # mass that the heavy neighbour still has to place
    while heavy < hi:
        if rest > mean:  # fill up the next light neighbour's slot
            if light == hi:
                break  # only rounding is left
            share = weights[light] / mean
            if share < 1.0:
                records[light].threshold = np.uint64(share * _TWO_64)
                records[light].alias = heavy - lo
                rest -= mean - weights[light]
            light += 1
            while light < hi and weights[light] > mean:
                light += 1
        else:  # the rest is light itself now, and the next heavy neighbour fills its slot up
            following = heavy + 1
            while following < hi and weights[following] <= mean:
                following += 1
            if following == hi:
                break  # only rounding is left
            share = rest / mean
            if share < 1.0:
                records[heavy].threshold = np.uint64(max(share, 0.0) * _TWO_64)
                records[heavy].alias = following - lo
            rest += weights[following] - mean
            heavy = following
    defects = ZERO_WEIGHTS if smallest == 0 else 0
    if smallest < 0 or not np.isfinite(total):
        defects = BAD_WEIGHTS
    return total, defects


@njit(
    [types.int64(INT64S, INT32S, w, types.int64, types.int64, ROWS, RECORDS) for w in (_FLOAT64S, FLOAT32S)],
    cache=True,
    nogil=True,
)
def fill_records(
    indptr: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    first: int,
    last: int,
    rows: np.ndarray,
    records: np.ndarray,
) -> int:
    """Fill the rows first..last-1 of a CSR matrix with non-negative weights, and their records.

    A dead end leads to the node after the last one; see :func:`add_the_end`. The tables may be used only if the result
    is 0. An edge of weight 0 counts as a defect because rounding could lead a walk along it.

    Args:
        indptr, indices, weights: CSR, int64 ``[n_nodes + 1]``, int32 ``[n_edges]`` and float ``[n_edges]``.
        first, last: the rows to fill.
        rows: ``ROW`` ``[n_nodes + 1]``.
        records: ``RECORD`` ``[n_edges + 1]``.

    Returns:
        The defects of the edges: ``ZERO_WEIGHTS``, ``BAD_WEIGHTS`` and ``BAD_NODES`` or-ed, or 0.
    """
    defects = 0
    for node in range(first, last):
        lo, hi = indptr[node], indptr[node + 1]
        rows[node].offset = lo if hi > lo else len(records) - 1
        rows[node].degree = max(hi - lo, 1)
        _, row_defects = _fill_row(weights, lo, hi, records)
        defects |= row_defects
        for e in range(lo, hi):
            records[e].neighbour = indices[e]
            records[e].alias = indices[lo + records[e].alias]
            if not 0 <= indices[e] < len(rows) - 1:
                defects |= BAD_NODES
    return defects


@njit(
    types.int64(INT64S, INT32S, FLOAT32S, types.int64, types.int64, WEIGHTED_ROWS, WEIGHTED_RECORDS),
    cache=True,
    nogil=True,
)
def fill_weighted_records(
    indptr: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    first: int,
    last: int,
    rows: np.ndarray,
    records: np.ndarray,
) -> int:
    """Fill tables of ``WEIGHTED_ROW`` ``[n_nodes]`` and ``WEIGHTED_RECORD`` ``[n_edges]``; weights must be positive.

    Apart from that, see :func:`fill_records`.
    """
    defects = 0
    for node in range(first, last):
        lo, hi = indptr[node], indptr[node + 1]
        rows[node].offset = lo
        rows[node].degree = hi - lo
        rows[node].strength, row_defects = _fill_row(weights, lo, hi, records)
        defects |= row_defects
        for e in range(lo, hi):
            alias = lo + records[e].alias
            records[e].neighbour = indices[e]
            records[e].alias = indices[alias]
            records[e].neighbour_weight = weights[e]
            records[e].alias_weight = weights[alias]
            if not 0 <= indices[e] < len(rows):
                defects |= BAD_NODES
    return defects
