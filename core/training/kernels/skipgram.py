"""One gradient step of skip-gram with negative sampling on one walk.

The center rows, the context rows and the ``noise`` rows, which the whole walk shares, are multiplied in three small
matrix products (scores, center gradients, context gradients). This makes the step fast: word2vec goes pair by pair and
reads a row for every number that it computes.
"""

import numpy as np
from numba import float32

from core.kernels.intrinsics import Int
from core.training.kernels.rows import (
    Float,
    Scratch,
    apply,
    blank,
    compiled,
    fours,
    gather_and_score,
    sigmoid,
    softplus,
)


@compiled
def update_walk(
    center: np.ndarray,
    context: np.ndarray,
    nodes: np.ndarray,
    reach: np.ndarray,
    noise: np.ndarray,
    negatives: np.float32,
    rate: np.float32,
    scratch: Scratch,
    measure: bool,
) -> tuple[Float, Int]:
    """One SGD step on the loss of one walk; all gradients are computed before any update.

    With nodes v_1..v_m, reaches r_t and K noise nodes n_k the loss is

        - sum_t sum_{0 < |j - t| <= r_t} [ log s(c(v_t) . x(v_j)) + negatives / K sum_k log s(-c(v_t) . x(n_k)) ]

    where c and x are rows of ``center`` and ``context`` and s is the logistic function. This is equation 4 of Mikolov
    et al. 2013, with the expectation over the noise estimated from K draws that all pairs of the walk share.

    Args:
        center, context: float32 ``[n_nodes, dim]``, updated in place.
        nodes: int64 ``[m]``, m >= 1.
        reach: int64 ``[>= m]``.
        noise: int64 ``[K]``.
        negatives, rate: float32.
        scratch: from :func:`make_scratch`.
        measure: whether to compute the loss.

    Returns:
        The loss before the step and its number of positive pairs; zeros unless ``measure``.
    """
    score = scratch[2]
    m = len(nodes)
    shared = len(noise)
    start = fours(m)
    widest = gather_and_score(center, context, nodes, reach, noise, scratch)
    loss: Float = 0.0
    pairs: Int = 0
    for t in range(m):
        low = max(0, t - reach[t])
        high = min(m, t + reach[t] + 1)
        positives = high - low - 1
        weight = float32(positives) * negatives / float32(shared)
        if measure:
            pairs += positives
            for j in range(low, high):
                if j != t:
                    loss += softplus(-score[t, j])
            for k in range(start, start + shared):
                loss += weight * softplus(score[t, k])
        for j in range(low, high):
            score[t, j] = rate * sigmoid(-score[t, j])
        score[t, t] = float32(0)
        for k in range(start, start + shared):
            score[t, k] = -rate * weight * sigmoid(score[t, k])
        blank(score, t, low, high, m, shared)
    apply(center, context, nodes, noise, widest, scratch)
    return loss, pairs
