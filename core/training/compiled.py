"""Gradient steps on CPU threads, compiled by Numba. They work on the int32 walks and the module's memory directly.

The threads write to the same tables without locks (Hogwild, Recht et al. 2011): a run is repeatable bit for bit with
one thread, and not with more. The random numbers depend only on seed, epoch and walk.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from core.training.corpus import WalkOrder, walk_order
from core.training.kernels.arguments import Stretch
from core.training.trainer import Tally

_MEASURED_WALKS = 20_000
"""Number of walks per epoch, spread evenly, on which the loss is measured: it costs as much as the rest of a step."""

Kernel = Callable[[Stretch], tuple[int, float, int]]
"""Trains on a stretch of the walks; returns the words read, and summed loss and number of pairs where measured."""


class CompiledTrainer:
    """Runs a kernel over ranges of walks; see ``core.training.trainer.Trainer``.

    Args:
        kernel: takes the steps.
        n_walks: number of walks.
        batch_walks: walks per call of the kernel; the learning rate changes between calls.
        seed: seed of all draws.
        threads: number of threads.
    """

    def __init__(self, kernel: Kernel, n_walks: int, batch_walks: int, seed: int, threads: int) -> None:
        self.n_batches = math.ceil(n_walks / batch_walks)
        self.batch_walks = batch_walks
        self._kernel = kernel
        self._n_walks = n_walks
        self._measure_every = max(1, n_walks // _MEASURED_WALKS)
        self._seed = seed
        self._threads = threads
        self._train(*self._randomness(0), 0, 0, np.float32(0))  # compiles before the first batch is timed

    def batches(self, epoch: int, first: int, last: int, rate: Callable[[int], float]) -> Iterator[Tally]:
        """See ``Trainer``; several batches run at a time, and their tallies come in order."""
        randomness = self._randomness(epoch)
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="training")
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
        finally:  # also when the caller stops reading, so that an error does not wait for the rest of the epoch
            pool.shutdown(wait=True, cancel_futures=True)

    def facts(self) -> dict[str, Any]:
        return {
            "backend": "compiled",
            "device": "cpu",
            "precision": "float32",
            "batch_walks": self.batch_walks,
            "out_of_memory_halvings": 0,
        }

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        pass

    def _randomness(self, epoch: int) -> tuple[WalkOrder, np.uint64]:
        """The order of an epoch and the key of its draws."""
        key = np.random.SeedSequence([self._seed, epoch]).generate_state(1, np.uint64)[0]
        return walk_order(self._n_walks, self._seed, epoch), np.uint64(key)

    def _train(self, order: WalkOrder, key: np.uint64, first: int, last: int, rate: np.float32) -> Tally:
        stretch = Stretch(rate, key, first, last, order.stride, order.offset, self._measure_every)
        return Tally(*self._kernel(stretch))
