"""Skip-gram with negative sampling, compiled: gradient steps straight on the int32 walks and the model's own memory.

Belongs here: the Numba kernels and the threads that run them. Does not belong here: what the settings mean and the
training loop (``core.models.skipgram_training``), or the batched form for accelerators (``core.models.sgns_torch``).

The threads write to the same two tables without locks (Hogwild, Recht et al. 2011): with one thread a run is
repeatable bit for bit, with more it is not. The random numbers are a function of (seed, epoch, walk) alone.

One step is one walk: its center rows and context rows and its ``noise`` negative rows, the latter shared by the
whole walk, meet in three small matrix products (scores, center gradients, context gradients). That is what makes it
fast: word2vec's pair-by-pair form reads a row for every number it computes. The loops below keep four rows at a time
in registers, and are written so that LLVM turns each inner loop over ``dim`` into SIMD code.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import float32, int64, njit, uint64

from core.models.corpus import Objective, WalkCorpus, walk_order
from core.walks.intrinsics import draw, prefetch, unit, walk_key

_MEASURED_WALKS = 20_000
"""Walks of an epoch on which the loss is measured, spread evenly: it is as dear as the rest of a walk's arithmetic."""

# Reassociation is what lets a float32 sum be vectorized; NaN and infinity keep their meaning (no "nnan", no "ninf"),
# since they are how a learning rate that is too high shows.
_FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}
_compiled = njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")


class CompiledTrainer:
    """Runs the kernels over ranges of walks.

    Args:
        center, context: float32 ``[n_nodes, dim]``, updated in place.
        corpus: the walks.
        objective: what is minimized.
        batch_walks: walks per call of the kernel; the learning rate changes between calls.
        seed: seed of all draws.
        threads: number of threads.
    """

    def __init__(
        self,
        center: np.ndarray,
        context: np.ndarray,
        corpus: WalkCorpus,
        objective: Objective,
        batch_walks: int,
        seed: int,
        threads: int,
    ) -> None:
        self.batch_walks = batch_walks
        noise = objective.noise
        self._tables = (center, context, corpus.walks, objective.keep, noise.accept, noise.alias)
        window = min(objective.window, corpus.walks.shape[1])
        self._settings = (window, objective.dynamic_window, objective.shared_negatives)
        self._negatives = np.float32(objective.negatives)
        self._n_walks = corpus.n_walks
        self._measure_every = max(1, corpus.n_walks // _MEASURED_WALKS)
        self._seed = seed
        self._threads = threads
        self._train(0, 0, 0, np.float32(0))  # compiles, so that the first batch's time is training time

    def batches(
        self, epoch: int, first: int, last: int, rate: Callable[[int], float]
    ) -> Iterator[tuple[int, float, int]]:
        """Train on batches ``first..last-1`` of an epoch, several at a time; yields each one's tally in order.

        Args:
            epoch: 1-based.
            rate: learning rate by batch number within the epoch.

        Yields:
            words read, summed loss and number of pairs of the walks on which the loss was measured.
        """
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="skipgram")
        try:
            yield from pool.map(
                lambda batch: self._train(
                    epoch,
                    batch * self.batch_walks,
                    min((batch + 1) * self.batch_walks, self._n_walks),
                    np.float32(rate(batch)),
                ),
                range(first, last),
            )
        finally:  # also when the caller stops reading: an error must not wait for the rest of the epoch
            pool.shutdown(wait=True, cancel_futures=True)

    def _train(self, epoch: int, first: int, last: int, rate: np.float32) -> tuple[int, float, int]:
        order = walk_order(self._n_walks, self._seed, epoch)
        key = np.uint64(np.random.SeedSequence([self._seed, epoch]).generate_state(1, np.uint64)[0])
        return train_walks(
            *self._tables,
            *self._settings,
            self._negatives,
            rate,
            key,
            first,
            last,
            order.stride,
            order.offset,
            self._measure_every,
        )


@_compiled
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
):
    """One SGD step per walk on the walks at positions ``first..last-1`` of the order ``(stride, offset)``."""
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
                _fetch_row(flat_center, nodes[new, t], dim)
                _fetch_row(flat_context, nodes[new, t], dim)
            for k in range(shared):
                _fetch_row(flat_context, noise[new, k], dim)
        now = (position + 1) % 2
        if position > first and counts[now] > 1:
            walk_nodes = nodes[now][: counts[now]]
            measure = position % measure_every == 0
            walk_loss, walk_pairs = update_walk(
                center, context, walk_nodes, reach[now], noise[now], negatives, rate, scratch, measure
            )
            loss += walk_loss
            pairs += walk_pairs
    return words, loss, pairs


@_compiled
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
            reach[t] = 1 + _below(draw(stream, drawn), window)
    for k in range(len(noise)):
        drawn += 1
        bits = draw(stream, drawn)
        slot = _below(bits, len(accept))  # from the upper half; the coin below from the lower half
        noise[k] = slot if unit(bits << uint64(32)) < accept[slot] else alias[slot]
    return words, count


@_compiled
def make_scratch(length, shared, dim):
    """Working memory of :func:`update_walk` for walks of up to ``length`` nodes: rows in fours, two spare."""
    rows = _fours(length) + _fours(shared)
    return (
        np.zeros((_fours(length) + 2, dim), np.float32),
        np.zeros((rows, dim), np.float32),
        np.zeros((_fours(length) + 2, rows), np.float32),
    )


@_compiled
def update_walk(center, context, nodes, reach, noise, negatives, rate, scratch, measure):
    """One SGD step on the loss of one walk, all gradients taken before any update.

    With nodes v_1..v_m, reaches r_t and K noise nodes n_k the loss is

        - sum_t sum_{0 < |j - t| <= r_t} [ log s(c(v_t) . x(v_j)) + negatives / K sum_k log s(-c(v_t) . x(n_k)) ]

    where c, x are rows of ``center``, ``context`` and s is the logistic function: equation 4 of Mikolov et al.
    2013 with the expectation over noise taken over K draws that all pairs of the walk share.

    Args:
        center, context: float32 ``[n_nodes, dim]``, updated in place.
        nodes: int64 ``[m]``, m >= 1.
        reach: int64 ``[>= m]``.
        noise: int64 ``[K]``.
        negatives, rate: float32.
        scratch: from :func:`make_scratch`.
        measure: whether to compute the loss.

    Returns:
        the loss before the step and its number of positive pairs; zeros unless ``measure``.
    """
    left, right, score = scratch
    m = len(nodes)
    shared = len(noise)
    start = _fours(m)  # noise rows follow the context rows, from a multiple of four
    end = start + _fours(shared)
    widest = 0
    for t in range(m):
        _copy(left, t, center, nodes[t])
        _copy(right, t, context, nodes[t])
        widest = max(widest, reach[t])
    for k in range(shared):
        _copy(right, start + k, context, noise[k])

    for t in range(0, m, 2):
        for r in range(_floor4(max(0, t - widest)), min(m, t + 2 + widest), 4):
            _scores(left, t, right, r, score)
        for r in range(start, end, 4):
            _scores(left, t, right, r, score)

    loss = 0.0
    pairs = 0
    for t in range(m):
        low = max(0, t - reach[t])
        high = min(m, t + reach[t] + 1)
        positives = high - low - 1
        weight = float32(positives) * negatives / float32(shared)
        if measure:
            pairs += positives
            for j in range(low, high):
                if j != t:
                    loss += _softplus(-score[t, j])
            for k in range(start, start + shared):
                loss += weight * _softplus(score[t, k])
        for j in range(low, high):
            score[t, j] = rate * _sigmoid(-score[t, j])
        score[t, t] = float32(0)
        for k in range(start, start + shared):
            score[t, k] = -rate * weight * _sigmoid(score[t, k])
        # What lies outside the window was computed (four at a time) or left by an earlier walk: it counts nothing.
        for j in range(low):
            score[t, j] = float32(0)
        for j in range(high, start):
            score[t, j] = float32(0)
        for k in range(start + shared, end):
            score[t, k] = float32(0)
    for t in range(m, start):
        for r in range(end):
            score[t, r] = float32(0)

    for t in range(m):
        for r in range(_floor4(max(0, t - widest)), min(m, t + widest + 1), 4):
            _add_rows(center, nodes[t], right, r, score[t, r], score[t, r + 1], score[t, r + 2], score[t, r + 3])
        for r in range(start, end, 4):
            _add_rows(center, nodes[t], right, r, score[t, r], score[t, r + 1], score[t, r + 2], score[t, r + 3])
    for r in range(m):
        for t in range(_floor4(max(0, r - widest)), min(m, r + widest + 1), 4):
            _add_rows(context, nodes[r], left, t, score[t, r], score[t + 1, r], score[t + 2, r], score[t + 3, r])
    for k in range(shared):
        r = start + k
        for t in range(0, m, 4):
            _add_rows(context, noise[k], left, t, score[t, r], score[t + 1, r], score[t + 2, r], score[t + 3, r])
    return loss, pairs


@_compiled
def _scores(left, t, right, r, score):
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


@_compiled
def _add_rows(table, node, rows, r, g0, g1, g2, g3):
    """Add rows r..r+3 of ``rows``, weighted, to row ``node`` of ``table``."""
    for d in range(rows.shape[1]):
        table[node, d] += g0 * rows[r, d] + g1 * rows[r + 1, d] + g2 * rows[r + 2, d] + g3 * rows[r + 3, d]


@_compiled
def _copy(target, row, table, node):
    for d in range(target.shape[1]):
        target[row, d] = table[node, d]


@_compiled
def _fours(n):
    return (n + 3) // 4 * 4


@_compiled
def _floor4(n):
    return n // 4 * 4


@_compiled
def _sigmoid(x):
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


@_compiled
def _softplus(x):
    """log(1 + exp(x)) in double precision."""
    x = float(x)
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@_compiled
def _fetch_row(flat, node, dim):
    """Ask for a row of a table, given as one dimension, without waiting for it."""
    for d in range(0, dim, 16):  # 16 float32 fill a cache line of 64 bytes
        prefetch(flat, node * dim + d)


@_compiled
def _below(bits, n):
    """An integer in 0..n-1 from the upper 32 bits (n < 2**31)."""
    return int64(((bits >> uint64(32)) * uint64(n)) >> uint64(32))
