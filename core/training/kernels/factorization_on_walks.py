"""One gradient step of matrix factorization on one walk: skip-gram's step with one table in both roles.

A pair of products is a walk of two nodes.
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
def update_tied(
    table: np.ndarray,
    bias: np.ndarray,
    nodes: np.ndarray,
    reach: np.ndarray,
    label: np.float32,
    noise: np.ndarray,
    negatives: np.float32,
    l2: np.float32,
    rate: np.float32,
    scratch: Scratch,
    measure: bool,
) -> tuple[Float, Int]:
    """One SGD step on the loss of one walk; all gradients are computed before any update.

    With z(i, j) = v_i . v_j + b_i + b_j, nodes u_1..u_m, reaches r_t, K noise nodes n_k and a label y the loss is

        sum_t sum_{0 < |j - t| <= r_t} [ H(y, z(u_t, u_j)) + negatives / K sum_k H(0, z(u_t, n_k)) ]
        + l2 / 2 (sum_t |v_{u_t}|^2 + b_{u_t}^2 + sum_k |v_{n_k}|^2 + b_{n_k}^2)

    where H(y, z) = log(1 + e^z) - y z is the cross-entropy of the logistic function of z with the label; its minimum
    over z is at logistic(z) = y, so the model is fitted to fractional labels. A product is not a pair with itself:
    such terms, of a walk that returns or of a noise node, are left out. l2 affects only the rows of the step.

    Args:
        table: float32 ``[n_nodes, dim]``, updated in place.
        bias: float32 ``[n_nodes]``, updated in place, or ``[0]`` without biases.
        nodes: int64 ``[m]``, m >= 1.
        reach: int64 ``[>= m]``.
        label: float32 in 0..1.
        noise: int64 ``[K]``.
        negatives, l2, rate: float32.
        scratch: from ``core.training.kernels.rows.make_scratch``.
        measure: whether to compute the loss.

    Returns:
        The loss before the step, without its l2 part, and its number of positive pairs; zeros unless ``measure``.
    """
    left, right, score = scratch
    m = len(nodes)
    shared = len(noise)
    start = fours(m)
    widest = gather_and_score(table, table, nodes, reach, noise, scratch)
    if len(bias) > 0:
        _add_biases(score, bias, nodes, reach, noise)

    loss: Float = 0.0
    pairs: Int = 0
    for t in range(m):
        low = max(0, t - reach[t])
        high = min(m, t + reach[t] + 1)
        positives = 0
        for j in range(low, high):
            if nodes[j] == nodes[t]:
                score[t, j] = float32(0)
                continue
            positives += 1
            if measure:
                loss += softplus(score[t, j]) - label * score[t, j]
            score[t, j] = rate * (label - sigmoid(score[t, j]))
        weight = float32(positives) * negatives / float32(shared)
        for k in range(shared):
            r = start + k
            if noise[k] == nodes[t]:
                score[t, r] = float32(0)
                continue
            if measure:
                loss += weight * softplus(score[t, r])
            score[t, r] = -rate * weight * sigmoid(score[t, r])
        if measure:
            pairs += positives
        blank(score, t, low, high, m, shared)

    if len(bias) > 0:
        _update_biases(bias, score, nodes, reach, noise, rate * l2)
    if l2 > 0:
        for t in range(m):
            _shrink(table, nodes[t], left, t, rate * l2)
        for k in range(shared):
            _shrink(table, noise[k], right, start + k, rate * l2)
    apply(table, table, nodes, noise, widest, scratch)
    return loss, pairs


@compiled
def _add_biases(score: np.ndarray, bias: np.ndarray, nodes: np.ndarray, reach: np.ndarray, noise: np.ndarray) -> None:
    """Add the biases of both products to the scores."""
    m = len(nodes)
    start = fours(m)
    for t in range(m):
        center_bias = bias[nodes[t]]
        for j in range(max(0, t - reach[t]), min(m, t + reach[t] + 1)):
            score[t, j] += center_bias + bias[nodes[j]]
        for k in range(len(noise)):
            score[t, start + k] += center_bias + bias[noise[k]]


@compiled
def _update_biases(
    bias: np.ndarray, score: np.ndarray, nodes: np.ndarray, reach: np.ndarray, noise: np.ndarray, shrink: np.float32
) -> None:
    """Shorten the biases of a step by the share ``shrink``, then add their gradient steps, which ``score`` holds."""
    m = len(nodes)
    start = fours(m)
    for t in range(m):
        bias[nodes[t]] -= shrink * bias[nodes[t]]
    for k in range(len(noise)):
        bias[noise[k]] -= shrink * bias[noise[k]]
    for t in range(m):
        for j in range(max(0, t - reach[t]), min(m, t + reach[t] + 1)):
            bias[nodes[t]] += score[t, j]
            bias[nodes[j]] += score[t, j]
        for k in range(len(noise)):
            bias[nodes[t]] += score[t, start + k]
            bias[noise[k]] += score[t, start + k]


@compiled
def _shrink(table: np.ndarray, node: Int, rows: np.ndarray, row: Int, share: np.float32) -> None:
    """Subtract a share of a gathered row from the table's row."""
    for d in range(rows.shape[1]):
        table[node, d] -= share * rows[row, d]
