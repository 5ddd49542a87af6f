"""The building blocks of the compiled training steps: rows are gathered, multiplied and added four at a time.

A step multiplies its rows in small matrix products. The loops keep four rows at a time in registers, and are written so
that LLVM turns each inner loop over ``dim`` into SIMD code; padding to a multiple of four costs less than a remainder
loop.
"""

import math
from typing import Any

import numpy as np
from numba import float32, njit

from core.kernels.intrinsics import Int, prefetch

# Reassociation lets LLVM vectorize a sum of float32 numbers. NaN and infinity keep their meaning (no "nnan", no
# "ninf"), because they reveal a learning rate that is too high.
_FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}
compiled = njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")

Float = float | np.floating[Any]
"""A sum in a kernel: compiled, it is float64."""

Scratch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Working memory of a step: its left rows, its right rows, and the scores of the ones with the others."""


@compiled
def make_scratch(length: Int, shared: Int, dim: Int) -> Scratch:
    """Working memory of a step for walks of up to ``length`` nodes: rows in fours, with two spare rows."""
    rows = fours(length) + fours(shared)
    return (
        np.zeros((fours(length) + 2, dim), np.float32),
        np.zeros((rows, dim), np.float32),
        np.zeros((fours(length) + 2, rows), np.float32),
    )


@compiled
def gather_and_score(
    center: np.ndarray, context: np.ndarray, nodes: np.ndarray, reach: np.ndarray, noise: np.ndarray, scratch: Scratch
) -> Int:
    """Copy the rows of a step and multiply every node's center row with the context rows near it and the noise rows.

    Args:
        center, context: float32 ``[n_nodes, dim]``; may be the same table.
        nodes: int64 ``[m]``, m >= 1.
        reach: int64 ``[>= m]``.
        noise: int64 ``[K]``.
        scratch: from :func:`make_scratch`; ``score[t, r]`` is set for context row r < m, and for noise k at
            r = fours(m) + k. Scores outside the window are undefined.

    Returns:
        The largest reach.
    """
    left, right, score = scratch
    m = len(nodes)
    start = fours(m)  # noise rows follow the context rows, from a multiple of four
    end = start + fours(len(noise))
    widest: Int = 0
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
def blank(score: np.ndarray, t: Int, low: Int, high: Int, m: Int, shared: Int) -> None:
    """Set row t of the scores to zero outside columns ``low..high-1`` and the noise, so that the rest has no effect."""
    start = fours(m)
    for j in range(low):
        score[t, j] = float32(0)
    for j in range(high, start):
        score[t, j] = float32(0)
    for k in range(start + shared, start + fours(shared)):
        score[t, k] = float32(0)


@compiled
def apply(
    center: np.ndarray, context: np.ndarray, nodes: np.ndarray, noise: np.ndarray, widest: Int, scratch: Scratch
) -> None:
    """Add each row's gradient step to the tables; ``score`` holds how strongly each pair of rows attracts each other.

    The arguments are those of :func:`gather_and_score`; ``widest`` is its return value.
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
def dot_rows(left: np.ndarray, t: Int, right: np.ndarray, r: Int, score: np.ndarray) -> None:
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
def add_rows(
    table: np.ndarray,
    node: Int,
    rows: np.ndarray,
    r: Int,
    g0: np.float32,
    g1: np.float32,
    g2: np.float32,
    g3: np.float32,
) -> None:
    """Add rows r..r+3 of ``rows``, weighted, to row ``node`` of ``table``."""
    for d in range(rows.shape[1]):
        table[node, d] += g0 * rows[r, d] + g1 * rows[r + 1, d] + g2 * rows[r + 2, d] + g3 * rows[r + 3, d]


@compiled
def copy_row(target: np.ndarray, row: Int, table: np.ndarray, node: Int) -> None:
    """Copy row ``node`` of ``table`` into a row of ``target``."""
    for d in range(target.shape[1]):
        target[row, d] = table[node, d]


@compiled
def fours(n: Int) -> Int:
    """The next multiple of four from n on."""
    return (n + 3) // 4 * 4


@compiled
def floor4(n: Int) -> Int:
    """The last multiple of four up to n."""
    return n // 4 * 4


@compiled
def sigmoid(x: np.float32) -> np.float32:
    """The logistic function as (1 + tanh(x/2)) / 2, with Eigen's rational approximation of tanh (error < 1e-6).

    Unlike exp(), which would be one call per element, it can be vectorized.
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
def softplus(x: np.float32) -> float:
    """log(1 + exp(x)) in double precision."""
    double = float(x)
    return max(double, 0.0) + math.log1p(math.exp(-abs(double)))


@compiled
def fetch_row(flat: np.ndarray, node: Int, dim: Int) -> None:
    """Prefetch a row of a flattened table without waiting for it."""
    for d in range(0, dim, 16):  # 16 float32 fill a cache line of 64 bytes
        prefetch(flat, node * dim + d)
