"""The kernel that draws the steps from the walks and takes them one after the other."""

import numpy as np
from numba import float32, int64

from core.kernels.intrinsics import Int, draw, unit, walk_key
from core.training.kernels.arguments import Drawing, Stretch, Tied
from core.training.kernels.draws import below, draw_noise
from core.training.kernels.factorization_on_walks import update_tied
from core.training.kernels.rows import Float, compiled, fetch_row, make_scratch
from core.training.kernels.skipgram import update_walk


@compiled
def train_walks(
    center: np.ndarray,
    context: np.ndarray,
    walks: np.ndarray,
    drawing: Drawing,
    negatives: np.float32,
    stretch: Stretch,
    tied: Tied | None,
) -> tuple[int, float, int]:
    """One SGD step per walk on a stretch of the walks.

    Args:
        center, context: float32 ``[n_nodes, dim]``, updated in place; the same table for matrix factorization.
        walks: int32 ``[n_walks, length]``, -1 after a walk's end.
        drawing: how the steps are drawn.
        negatives: negatives per positive pair in the objective.
        stretch: the walks to train on.
        tied: None for the step of skip-gram, a ``Tied`` for that of matrix factorization. Numba compiles both apart.

    Returns:
        The number of words read, and the summed loss and the number of positive pairs of the measured steps.
    """
    first, last, stride, offset = stretch.first, stretch.last, stretch.stride, stretch.offset
    rate, shared = stretch.rate, drawing.shared
    n_walks, length = walks.shape
    dim = center.shape[1]
    flat_center, flat_context = center.reshape(-1), context.reshape(-1)
    # There are two of each: while one walk is trained on, the next is drawn and its rows are fetched from memory.
    nodes = np.empty((2, length), np.int64)
    reach = np.empty((2, length), np.int64)
    noise = np.empty((2, shared), np.int64)
    counts = np.zeros(2, np.int64)
    scratch = make_scratch(length, shared, dim)
    words = 0
    loss: Float = 0.0
    pairs: Int = 0
    for position in range(first, last + 1):
        if position < last:
            new = position % 2
            walk = (int64(position) * stride + offset) % n_walks
            read, count = _draw(walks, walk, drawing, stretch.key, nodes[new], reach[new], noise[new])
            words += read
            counts[new] = count
            for t in range(count):
                fetch_row(flat_center, nodes[new, t], dim)
                fetch_row(flat_context, nodes[new, t], dim)
            for k in range(shared):
                fetch_row(flat_context, noise[new, k], dim)
        now = (position + 1) % 2
        if position > first and counts[now] > 1:
            walk_nodes = nodes[now][: counts[now]]
            measure = position % stretch.measure_every == 0
            if tied is None:
                walk_loss, walk_pairs = update_walk(
                    center, context, walk_nodes, reach[now], noise[now], negatives, rate, scratch, measure
                )
            else:
                labels = tied.labels
                trained = (int64(position - 1) * stride + offset) % n_walks
                label = labels[trained] if len(labels) > 0 else float32(1)
                walk_loss, walk_pairs = update_tied(
                    center, tied.bias, walk_nodes, reach[now], label, noise[now], negatives, tied.l2, rate, scratch,
                    measure,
                )  # fmt: skip
            loss += walk_loss
            pairs += walk_pairs
    return words, float(loss), int(pairs)


@compiled
def _draw(
    walks: np.ndarray,
    walk: Int,
    drawing: Drawing,
    key: np.uint64,
    nodes: np.ndarray,
    reach: np.ndarray,
    noise: np.ndarray,
) -> tuple[int, int]:
    """Draw the step of one walk: fill ``nodes`` (those that subsampling keeps), ``reach`` and ``noise``.

    Returns:
        The number of nodes in the walk, and the number of kept nodes.
    """
    keep, window = drawing.keep, drawing.window
    stream = walk_key(key, walk, 0)
    drawn = 0
    words = 0
    count = 0
    for t in range(walks.shape[1]):
        node = walks[walk, t]
        if node < 0:
            break
        words += 1
        if keep[node] < float32(1):
            drawn += 1
            if unit(draw(stream, drawn)) >= keep[node]:
                continue
        nodes[count] = node
        count += 1
    for t in range(count):
        reach[t] = window
        if drawing.dynamic:
            drawn += 1
            reach[t] = 1 + below(draw(stream, drawn), window)
    draw_noise(stream, drawn, drawing.accept, drawing.alias, noise)
    return words, count
