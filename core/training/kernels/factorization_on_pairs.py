"""Matrix factorization on pairs, compiled: a few pairs make one step and share its negatives.

With negatives of its own, a pair would read and write 2 + 5 rows, and most of the time would go into that. A step of P
pairs and K negatives reads 2 P + K rows and multiplies them in one matrix product, as skip-gram's step does for a walk.
"""

import numpy as np
from numba import float32, int64

from core.kernels.intrinsics import Int, prefetch, walk_key
from core.training.kernels.arguments import Drawing, Stretch, Tied
from core.training.kernels.draws import draw_noise
from core.training.kernels.rows import Float, compiled, copy_row, dot_rows, fetch_row, sigmoid, softplus

PairsScratch = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Working memory of a step: rows of the pairs, rows of the noise, scores of the ones with the others, how strongly the
two products of each pair attract each other, and the biases of both kinds of rows."""


@compiled
def train_pairs(
    table: np.ndarray,
    walks: np.ndarray,
    drawing: Drawing,
    per_step: int,
    negatives: np.float32,
    stretch: Stretch,
    tied: Tied,
) -> tuple[int, float, int]:
    """SGD steps of ``per_step`` pairs each on a stretch of the pairs.

    Args:
        table: float32 ``[n_nodes, dim]``, updated in place.
        walks: int32 ``[n_pairs, 2]``.
        drawing: how the noise is drawn; its other fields are not used.
        per_step: pairs per step; the last step may have fewer.
        negatives: negatives per pair in the objective.
        stretch: the pairs to train on.
        tied: biases, which are updated in place, labels and l2.

    Returns:
        The number of node occurrences read, and the summed loss and the number of positive pairs, counted in both
        directions, of the measured steps.
    """
    first, last = stretch.first, stretch.last
    bias, labels, shared = tied.bias, tied.labels, drawing.shared
    n_pairs = len(walks)
    dim = table.shape[1]
    flat = table.reshape(-1)
    # There are two of each: while one step is taken, the next is drawn and its rows are fetched from memory.
    nodes = np.empty((2, 2 * per_step), np.int64)
    label = np.ones((2, per_step), np.float32)
    noise = np.empty((2, shared), np.int64)
    scratch = make_pairs_scratch(per_step, shared, dim)
    loss: Float = 0.0
    pairs: Int = 0
    n_steps = (last - first + per_step - 1) // per_step
    for step in range(n_steps + 1):
        if step < n_steps:
            new = step % 2
            start = first + step * per_step
            for p in range(min(per_step, last - start)):
                pair = (int64(start + p) * stretch.stride + stretch.offset) % n_pairs
                if p == 0:
                    draw_noise(walk_key(stretch.key, pair, 0), 0, drawing.accept, drawing.alias, noise[new])
                if len(labels) > 0:
                    label[new, p] = labels[pair]
                for side in range(2):
                    nodes[new, 2 * p + side] = walks[pair, side]
                    fetch_row(flat, nodes[new, 2 * p + side], dim)
                    if len(bias) > 0:
                        prefetch(bias, nodes[new, 2 * p + side])
            for k in range(shared):
                fetch_row(flat, noise[new, k], dim)
                if len(bias) > 0:
                    prefetch(bias, noise[new, k])
        if step > 0:
            now = (step + 1) % 2
            start = first + (step - 1) * per_step
            count = min(per_step, last - start)
            measure = start % (stretch.measure_every * per_step) < per_step
            step_loss, step_pairs = update_pairs(
                table, bias, nodes[now][: 2 * count], label[now], noise[now], negatives, tied.l2, stretch.rate, scratch,
                measure,
            )  # fmt: skip
            loss += step_loss
            pairs += step_pairs
    return 2 * (last - first), float(loss), int(pairs)


@compiled
def make_pairs_scratch(per_step: Int, shared: Int, dim: Int) -> PairsScratch:
    """Working memory of :func:`update_pairs` for up to ``per_step`` pairs."""
    return (
        np.zeros((_eights(2 * per_step), dim), np.float32),
        np.zeros((_eights(shared), dim), np.float32),
        np.zeros((_eights(2 * per_step), _eights(shared)), np.float32),
        np.zeros(per_step, np.float32),
        np.zeros(_eights(2 * per_step), np.float32),
        np.zeros(_eights(shared), np.float32),
    )


@compiled
def update_pairs(
    table: np.ndarray,
    bias: np.ndarray,
    nodes: np.ndarray,
    label: np.ndarray,
    noise: np.ndarray,
    negatives: np.float32,
    l2: np.float32,
    rate: np.float32,
    scratch: PairsScratch,
    measure: bool,
) -> tuple[Float, Int]:
    """One SGD step on the loss of a few pairs; all gradients are computed before any update.

    With z(i, j) = v_i . v_j + b_i + b_j, P pairs (u_p, w_p) of labels y_p, K noise nodes n_k and the cross-entropy
    H(y, z) = log(1 + e^z) - y z the loss is

        sum_p [ 2 H(y_p, z(u_p, w_p)) + negatives / K sum_k ( H(0, z(u_p, n_k)) + H(0, z(w_p, n_k)) ) ]
        + l2 / 2 ( sum_p |v_{u_p}|^2 + |v_{w_p}|^2 + negatives P / K sum_k |v_{n_k}|^2 ), and the same for b

    which for one pair is the loss of ``update_tied`` on a walk of two nodes with K = ``negatives``. The expectation
    does not depend on P and K: a noise node stands for negatives P / K draws, and l2 counts it that often. Terms that
    would pair a product with itself are left out.

    Args:
        table: float32 ``[n_nodes, dim]``, updated in place.
        bias: float32 ``[n_nodes]``, updated in place, or ``[0]`` without biases.
        nodes: int64 ``[2 P]``, P >= 1: u_1, w_1, u_2, w_2, …; the two of a pair differ.
        label: float32 ``[>= P]`` in 0..1.
        noise: int64 ``[K]``.
        negatives, l2, rate: float32.
        scratch: from :func:`make_pairs_scratch`.
        measure: whether to compute the loss.

    Returns:
        The loss before the step, without its l2 part, and its number of positive pairs, 2 P; zeros unless ``measure``.
    """
    left, right, score, pull, _, _ = scratch
    m, shared = len(nodes), len(noise)
    _score_pairs(table, bias, nodes, noise, scratch)
    weight = negatives / float32(shared)
    loss = _loss(nodes, label, noise, weight, score, pull) if measure else 0.0
    for p in range(m // 2):
        pull[p] = float32(2) * rate * (label[p] - sigmoid(pull[p]))
    for t in range(m):
        node = nodes[t]
        for k in range(shared):  # without branches, so that it is vectorized
            score[t, k] = -rate * weight * sigmoid(score[t, k]) * float32(noise[k] != node)
        for k in range(shared, _eights(shared)):
            score[t, k] = float32(0)
    for t in range(m, _eights(m)):
        for k in range(shared):
            score[t, k] = float32(0)

    shrink = rate * l2
    shrink_noise = shrink * weight * float32(m // 2)
    if len(bias) > 0:
        _move_biases(bias, nodes, noise, shrink, shrink_noise, scratch)
    for t in range(m):
        _move_row(table, nodes[t], left, t, t ^ 1, pull[t // 2], shrink, right, score, t, _eights(shared))
    for k in range(shared):
        _move_row(table, noise[k], right, k, k, float32(0), shrink_noise, left, score.T, k, _eights(m))
    return loss, (m if measure else 0)


@compiled
def _score_pairs(
    table: np.ndarray, bias: np.ndarray, nodes: np.ndarray, noise: np.ndarray, scratch: PairsScratch
) -> None:
    """Copy the rows and biases of a step; set ``score`` to z of nodes and noise, and ``pull`` to z of the pairs."""
    left, right, score, pull, bias_left, bias_right = scratch
    m, shared, dim = len(nodes), len(noise), table.shape[1]
    for t in range(m):
        copy_row(left, t, table, nodes[t])
    for k in range(shared):
        copy_row(right, k, table, noise[k])
    for t in range(0, m, 2):
        for r in range(0, shared, 4):
            dot_rows(left, t, right, r, score)
        z = float32(0)
        for d in range(dim):
            z += left[t, d] * left[t + 1, d]
        pull[t // 2] = z
    if len(bias) > 0:
        for k in range(shared):
            bias_right[k] = bias[noise[k]]
        for t in range(m):
            bias_left[t] = bias[nodes[t]]
            pull[t // 2] += bias_left[t]
            for k in range(shared):
                score[t, k] += bias_left[t] + bias_right[k]


@compiled
def _loss(
    nodes: np.ndarray, label: np.ndarray, noise: np.ndarray, weight: np.float32, score: np.ndarray, pull: np.ndarray
) -> Float:
    """The loss of a step without its l2 part, from ``score`` and ``pull`` as :func:`_score_pairs` leaves them."""
    loss: Float = 0.0
    for p in range(len(nodes) // 2):
        loss += 2.0 * (softplus(pull[p]) - label[p] * pull[p])
    for t in range(len(nodes)):
        for k in range(len(noise)):
            if noise[k] != nodes[t]:
                loss += weight * softplus(score[t, k])
    return loss


@compiled
def _move_biases(
    bias: np.ndarray,
    nodes: np.ndarray,
    noise: np.ndarray,
    shrink: np.float32,
    shrink_noise: np.float32,
    scratch: PairsScratch,
) -> None:
    """Add the gradient steps of the biases, which ``score`` and ``pull`` hold; l2 shortens them by the given shares."""
    _, _, score, pull, bias_left, bias_right = scratch
    shared = len(noise)
    for k in range(shared):
        bias_right[k] *= -shrink_noise
    for t in range(len(nodes)):
        step = pull[t // 2] - shrink * bias_left[t]
        for k in range(shared):
            step += score[t, k]
            bias_right[k] += score[t, k]
        bias[nodes[t]] += step
    for k in range(shared):
        bias[noise[k]] += bias_right[k]


@compiled
def _move_row(
    table: np.ndarray,
    node: Int,
    rows: np.ndarray,
    own_row: Int,
    partner: Int,
    pull: np.float32,
    shrink: np.float32,
    others: np.ndarray,
    weight: np.ndarray,
    row: Int,
    n: Int,
) -> None:
    """Add the gradient step of row ``node``: from its partner, from l2 and from n others weighted by ``weight[row]``.

    Every pass over a row loads and stores it, so adding eight rows per pass is faster than four as in ``add_rows``.
    """
    w0, w1, w2, w3 = weight[row, 0], weight[row, 1], weight[row, 2], weight[row, 3]
    w4, w5, w6, w7 = weight[row, 4], weight[row, 5], weight[row, 6], weight[row, 7]
    for d in range(table.shape[1]):
        table[node, d] += (
            (pull * rows[partner, d] - shrink * rows[own_row, d])
            + (w0 * others[0, d] + w1 * others[1, d] + w2 * others[2, d] + w3 * others[3, d])
            + (w4 * others[4, d] + w5 * others[5, d] + w6 * others[6, d] + w7 * others[7, d])
        )
    for r in range(8, n, 8):
        w0, w1, w2, w3 = weight[row, r], weight[row, r + 1], weight[row, r + 2], weight[row, r + 3]
        w4, w5, w6, w7 = weight[row, r + 4], weight[row, r + 5], weight[row, r + 6], weight[row, r + 7]
        for d in range(table.shape[1]):
            table[node, d] += (
                w0 * others[r, d] + w1 * others[r + 1, d] + w2 * others[r + 2, d] + w3 * others[r + 3, d]
            ) + (w4 * others[r + 4, d] + w5 * others[r + 5, d] + w6 * others[r + 6, d] + w7 * others[r + 7, d])


@compiled
def _eights(n: Int) -> Int:
    """The next multiple of eight from n on."""
    return (n + 7) // 8 * 8
