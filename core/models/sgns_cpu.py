"""Skip-gram with negative sampling, compiled: gradient steps straight on the int32 walks and the model's own memory.

Belongs here: the Numba kernel that draws steps, skip-gram's step, and the threads that run them. Does not belong here:
what the settings mean, the training loop (``core.models.training``), the arithmetic on rows
(``core.models.row_kernels``), matrix factorization's steps (``core.models.tied_cpu`` on
walks, ``core.models.pairs_cpu`` on pairs), or the batched form for
accelerators (``core.models.sgns_torch``).

The threads write to the same two tables without locks (Hogwild, Recht et al. 2011): with one thread a run is
repeatable bit for bit, with more it is not. The random numbers are a function of (seed, epoch, walk) alone.

One step is one walk: its center rows and context rows and its ``noise`` negative rows, the latter shared by the
whole walk, meet in three small matrix products (scores, center gradients, context gradients). That is what makes it
fast: word2vec's pair-by-pair form reads a row for every number it computes.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import float32, int64

from core.models.corpus import Objective, WalkCorpus, WalkOrder, walk_order
from core.models.draws import below, draw_noise
from core.models.pairs_cpu import train_pairs
from core.models.row_kernels import (
    apply,
    blank,
    compiled,
    fetch_row,
    fours,
    gather_and_score,
    make_scratch,
    sigmoid,
    softplus,
)
from core.models.tied_cpu import update_tied
from core.walks.intrinsics import draw, unit, walk_key

_MEASURED_WALKS = 20_000
"""Walks of an epoch on which the loss is measured, spread evenly: it is as dear as the rest of a walk's arithmetic."""


class CompiledTrainer:
    """Runs the kernels over ranges of walks.

    Args:
        center, context: float32 ``[n_nodes, dim]``, updated in place; the same array for a tied objective.
        corpus: the walks.
        objective: what is minimized.
        batch_walks: walks per call of the kernel; the learning rate changes between calls.
        seed: seed of all draws.
        threads: number of threads.
        bias: float32 ``[n_nodes]``, updated in place; a tied objective only.
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
        bias: np.ndarray | None = None,
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
        self._pairs_per_step = objective.pairs_per_step
        self._tied: tuple[np.ndarray, np.ndarray, np.float32] | None = None
        if objective.tied:
            none = np.empty(0, np.float32)
            labels = none if corpus.labels is None else corpus.labels
            self._tied = (none if bias is None else bias, labels, np.float32(objective.l2))
        self._train(
            *self._randomness(0), 0, 0, np.float32(0)
        )  # compiles, so that the first batch's time is training time

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
        randomness = self._randomness(epoch)
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="skipgram")
        try:
            yield from pool.map(
                lambda batch: self._train(
                    *randomness,
                    batch * self.batch_walks,
                    min((batch + 1) * self.batch_walks, self._n_walks),
                    np.float32(rate(batch)),
                ),
                range(first, last),
            )
        finally:  # also when the caller stops reading: an error must not wait for the rest of the epoch
            pool.shutdown(wait=True, cancel_futures=True)

    def _randomness(self, epoch: int) -> tuple[WalkOrder, np.uint64]:
        """The order of an epoch and the key of its draws."""
        key = np.random.SeedSequence([self._seed, epoch]).generate_state(1, np.uint64)[0]
        return walk_order(self._n_walks, self._seed, epoch), np.uint64(key)

    def _train(
        self, order: WalkOrder, key: np.uint64, first: int, last: int, rate: np.float32
    ) -> tuple[int, float, int]:
        part = rate, key, first, last, order.stride, order.offset, self._measure_every
        if self._tied is not None and self._pairs_per_step:
            table, _, walks, _, accept, alias = self._tables
            bias, labels, l2 = self._tied
            sizes = self._pairs_per_step, self._settings[-1]
            return train_pairs(table, bias, walks, labels, accept, alias, *sizes, self._negatives, l2, *part)
        return train_walks(*self._tables, *self._settings, self._negatives, *part, self._tied)


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


@compiled
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
    score = scratch[2]
    m = len(nodes)
    shared = len(noise)
    start = fours(m)
    widest = gather_and_score(center, context, nodes, reach, noise, scratch)
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
