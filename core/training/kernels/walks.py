"""The kernel that draws one step after the other from the walks, and takes it.

Belongs here: subsampling, reach, noise and the order of the walks. Does not belong here: the steps themselves.
"""

import numpy as np
from numba import float32, int64

from core.intrinsics import draw, unit, walk_key
from core.training.kernels.draws import below, draw_noise
from core.training.kernels.factorization_on_walks import update_tied
from core.training.kernels.rows import compiled, fetch_row, make_scratch
from core.training.kernels.skipgram import update_walk


@compiled
def train_walks(
    center,
    context,
    walks,
    keep,
    accept,
    alias,
    window,
    dynamic,
    shared,
    negatives,
    rate,
    key,
    first,
    last,
    stride,
    offset,
    measure_every,
    tied,
):
    """One SGD step per walk on the walks at positions ``first..last-1`` of the order ``(stride, offset)``.

    ``tied`` is None for skip-gram's step, or for matrix factorization's the biases, the labels of the walks (both may
    be empty) and l2. Numba compiles the two apart.
    """
    n_walks, length = walks.shape
    dim = center.shape[1]
    flat_center, flat_context = center.reshape(-1), context.reshape(-1)
    # Two of each: while one walk is trained on, the next is drawn and its rows are on their way from memory.
    nodes = np.empty((2, length), np.int64)
    reach = np.empty((2, length), np.int64)
    noise = np.empty((2, shared), np.int64)
    counts = np.zeros(2, np.int64)
    scratch = make_scratch(length, shared, dim)
    words = 0
    loss = 0.0
    pairs = 0
    for position in range(first, last + 1):
        if position < last:
            new = position % 2
            walk = (int64(position) * stride + offset) % n_walks
            read, count = _draw(
                walks, walk, keep, accept, alias, window, dynamic, key, nodes[new], reach[new], noise[new]
            )
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
            measure = position % measure_every == 0
            if tied is None:
                walk_loss, walk_pairs = update_walk(
                    center, context, walk_nodes, reach[now], noise[now], negatives, rate, scratch, measure
                )
            else:
                bias, labels, l2 = tied
                trained = (int64(position - 1) * stride + offset) % n_walks
                label = labels[trained] if len(labels) > 0 else float32(1)
                walk_loss, walk_pairs = update_tied(
                    center, bias, walk_nodes, reach[now], label, noise[now], negatives, l2, rate, scratch, measure
                )
            loss += walk_loss
            pairs += walk_pairs
    return words, loss, pairs


@compiled
def _draw(walks, walk, keep, accept, alias, window, dynamic, key, nodes, reach, noise):
    """Make the step of one walk: fill ``nodes`` (what subsampling leaves), ``reach`` and ``noise``.

    Returns:
        number of nodes in the walk, and number of them left.
    """
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
        if dynamic:
            drawn += 1
            reach[t] = 1 + below(draw(stream, drawn), window)
    draw_noise(stream, drawn, accept, alias, noise)
    return words, count
