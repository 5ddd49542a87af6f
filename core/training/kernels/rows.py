"""What the compiled training steps are made of: rows gathered, multiplied and added four at a time.

A step's rows meet in small matrix products. The loops keep four rows at a time in registers, and are written so that
LLVM turns each inner loop over ``dim`` into SIMD code; padding to a multiple of four costs less than a remainder loop.
"""

import math

import numpy as np
from numba import float32, njit

from core.kernels.intrinsics import prefetch

# Reassociation is what lets a float32 sum be vectorized; NaN and infinity keep their meaning (no "nnan", no "ninf"),
# since they are how a learning rate that is too high shows.
_FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}
compiled = njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")


@compiled
def make_scratch(length, shared, dim):
    """Working memory of a step for walks of up to ``length`` nodes: rows in fours, two spare."""
    rows = fours(length) + fours(shared)
    return (
        np.zeros((fours(length) + 2, dim), np.float32),
        np.zeros((rows, dim), np.float32),
        np.zeros((fours(length) + 2, rows), np.float32),
    )


@compiled
def gather_and_score(center, context, nodes, reach, noise, scratch):
    """Copy the rows of a step and multiply them: every node's center row with the context rows near it and the noise.

    Args:
        center, context: float32 ``[n_nodes, dim]``; may be the same table.
        nodes: int64 ``[m]``, m >= 1.
        reach: int64 ``[>= m]``.
        noise: int64 ``[K]``.
        scratch: from :func:`make_scratch`; ``score[t, r]`` is left for context row r < m, and for noise k at
            r = fours(m) + k. What lies outside the window may hold anything.

    Returns:
        the largest reach.
    """
    left, right, score = scratch
    m = len(nodes)
    start = fours(m)  # noise rows follow the context rows, from a multiple of four
    end = start + fours(len(noise))
    widest = 0
    for t in range(m):
        copy_row(left, t, center, nodes[t])
        copy_row(right, t, context, nodes[t])
        widest = max(widest, reach[t])
    for k in range(len(noise)):
        copy_row(right, start + k, context, noise[k])

    for t in range(0, m, 2):
        for r in range(floor4(max(0, t - widest)), min(m, t + 2 + widest), 4):
            dot_rows(left, t, right, r, score)
        for r in range(start, end, 4):
            dot_rows(left, t, right, r, score)
    return widest


@compiled
def blank(score, t, low, high, m, shared):
    """Zero what row t of the scores holds outside columns ``low..high-1`` and the noise: it counts nothing."""
    start = fours(m)
    for j in range(low):
        score[t, j] = float32(0)
    for j in range(high, start):
        score[t, j] = float32(0)
    for k in range(start + shared, start + fours(shared)):
        score[t, k] = float32(0)


@compiled
def apply(center, context, nodes, noise, widest, scratch):
    """Add each row's gradient step to the tables; ``score`` holds how far each pair of rows pulls together.

    Arguments as of :func:`gather_and_score`; ``widest`` is what that returned.
    """
    left, right, score = scratch
    m = len(nodes)
    start = fours(m)
    end = start + fours(len(noise))
    for t in range(m, start):
        for r in range(end):
            score[t, r] = float32(0)
    for t in range(m):
        for r in range(floor4(max(0, t - widest)), min(m, t + widest + 1), 4):
            add_rows(center, nodes[t], right, r, score[t, r], score[t, r + 1], score[t, r + 2], score[t, r + 3])
        for r in range(start, end, 4):
            add_rows(center, nodes[t], right, r, score[t, r], score[t, r + 1], score[t, r + 2], score[t, r + 3])
    for r in range(m):
        for t in range(floor4(max(0, r - widest)), min(m, r + widest + 1), 4):
            add_rows(context, nodes[r], left, t, score[t, r], score[t + 1, r], score[t + 2, r], score[t + 3, r])
    for k in range(len(noise)):
        r = start + k
        for t in range(0, m, 4):
            add_rows(context, noise[k], left, t, score[t, r], score[t + 1, r], score[t + 2, r], score[t + 3, r])


@compiled
def dot_rows(left, t, right, r, score):
    """Dot products of rows t, t+1 of ``left`` with rows r..r+3 of ``right``."""
    a0, a1, a2, a3 = float32(0), float32(0), float32(0), float32(0)
    b0, b1, b2, b3 = float32(0), float32(0), float32(0), float32(0)
    for d in range(left.shape[1]):
        a, b = left[t, d], left[t + 1, d]
        x0, x1, x2, x3 = right[r, d], right[r + 1, d], right[r + 2, d], right[r + 3, d]
        a0 += a * x0
        a1 += a * x1
        a2 += a * x2
        a3 += a * x3
        b0 += b * x0
        b1 += b * x1
        b2 += b * x2
        b3 += b * x3
    score[t, r], score[t, r + 1], score[t, r + 2], score[t, r + 3] = a0, a1, a2, a3
    score[t + 1, r], score[t + 1, r + 1], score[t + 1, r + 2], score[t + 1, r + 3] = b0, b1, b2, b3


@compiled
def add_rows(table, node, rows, r, g0, g1, g2, g3):
    """Add rows r..r+3 of ``rows``, weighted, to row ``node`` of ``table``."""
    for d in range(rows.shape[1]):
        table[node, d] += g0 * rows[r, d] + g1 * rows[r + 1, d] + g2 * rows[r + 2, d] + g3 * rows[r + 3, d]


@compiled
def copy_row(target, row, table, node):
    for d in range(target.shape[1]):
        target[row, d] = table[node, d]


@compiled
def fours(n):
    return (n + 3) // 4 * 4


@compiled
def floor4(n):
    return n // 4 * 4


@compiled
def sigmoid(x):
    """The logistic function as (1 + tanh(x/2)) / 2, with Eigen's rational approximation of tanh (error < 1e-6).

    exp() would be a call per element; this can be vectorized.
    """
    x = min(max(float32(0.5) * x, float32(-7.9)), float32(7.9))
    y = x * x
    p = float32(-2.76076847742355e-16)
    p = p * y + float32(2.00018790482477e-13)
    p = p * y + float32(-8.60467152213735e-11)
    p = p * y + float32(5.12229709037114e-08)
    p = p * y + float32(1.48572235717979e-05)
    p = p * y + float32(6.37261928875436e-04)
    p = p * y + float32(4.89352455891786e-03)
    q = float32(1.19825839466702e-06)
    q = q * y + float32(1.18534705686654e-04)
    q = q * y + float32(2.26843463243900e-03)
    q = q * y + float32(4.89352518554385e-03)
    return float32(0.5) + float32(0.5) * x * p / q


@compiled
def softplus(x):
    """log(1 + exp(x)) in double precision."""
    x = float(x)
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@compiled
def fetch_row(flat, node, dim):
    """Ask for a row of a table, given as one dimension, without waiting for it."""
    for d in range(0, dim, 16):  # 16 float32 fill a cache line of 64 bytes
        prefetch(flat, node * dim + d)
