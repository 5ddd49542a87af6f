"""Gradient steps on CPU threads, compiled by Numba, straight on the int32 walks and the model's own memory.

Belongs here: the threads that run the kernels. Does not belong here: what the settings mean, the training loop, the
kernels, and the batched form for accelerators.

The threads write to the same tables without locks (Hogwild, Recht et al. 2011): with one thread a run is repeatable
bit for bit, with more it is not. The random numbers are a function of (seed, epoch, walk) alone.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from core.training.corpus import Objective, WalkCorpus, WalkOrder, walk_order
from core.training.kernels.factorization_on_pairs import train_pairs
from core.training.kernels.walks import train_walks

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
