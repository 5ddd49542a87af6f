"""The interfaces of the training engine: the module, the objective and the trainer.

A training has three parts. A *module* holds what is learned (any ``torch.nn.Module``; a :class:`VectorModel` if it has
vectors that can be probed and kept). An *objective* defines what is minimized on which data, and builds the *trainer*
that takes the gradient steps. The loop (``core.training.loop``) does the rest: the schedule, the learning curve with
its probes, checkpoints, warm starts, and the error when a training diverges.
"""

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from core.interfaces import TrainContext
from core.training.config import StepsConfig
from core.training.warm_start import Start


@dataclass(frozen=True)
class Unit:
    """The unit in which a training counts its examples: a name, and the words (node occurrences) per example."""

    name: str
    words: int


WORDS = Unit("words", 1)
PAIRS = Unit("pairs", 2)
EXAMPLES = Unit("examples", 1)


class Tally(NamedTuple):
    """A trainer's report on one or more batches.

    Attributes:
        words: examples read, in words (:class:`Unit`).
        loss: summed loss of the part on which it was measured; not finite if training diverged.
        measured: number of pairs, lists or steps in that part; the loss divided by it is the mean.
    """

    words: int
    loss: float
    measured: int


class Trainer(Protocol):
    """Takes the gradient steps of one training on one device, batch by batch, and changes the module in place.

    Its random draws must depend only on the seed, the epoch and the batch, so that an interrupted training continues
    as if nothing had happened.

    Attributes:
        n_batches: batches per epoch, at least 1.
    """

    n_batches: int

    def batches(self, epoch: int, first: int, last: int, rate: Callable[[int], float]) -> Iterator[Tally]:
        """Train on batches ``first..last-1`` of an epoch, in this order.

        Args:
            epoch: number of the epoch, from 1.
            first, last: range of batch numbers within the epoch.
            rate: learning rate by batch number within the epoch.

        Yields:
            Tallies, at least one.

        Raises:
            InputError: the device's memory does not hold even the smallest step.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """JSON-serializable facts: at least ``backend``, ``device``, ``precision``, ``out_of_memory_halvings``."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """The state that it keeps between epochs besides the module; empty if there is none."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a state that :meth:`state` returned."""
        ...


class VectorModel(torch.nn.Module, abc.ABC):
    """A module with vectors of products, which are probed during the training and kept afterwards.

    Attributes:
        seen: bool ``[n_nodes]``: the products that it learns something about.
        cosine: True if its vectors are compared by their cosine, False if by their inner product.
    """

    seen: np.ndarray
    cosine = True

    @abc.abstractmethod
    def rows(self, nodes: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray | None]:
        """Center and context vectors of some products, float32 ``[len(nodes), dim]``; no context if it has none."""

    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The vectors of all products, which are kept after the training."""
        return self.rows(slice(None))

    def restore(self, center: np.ndarray, contexts: np.ndarray | None) -> None:
        """Continue from vectors that :meth:`arrays` returned, for a warm start."""
        raise NotImplementedError


class Objective(abc.ABC):
    """What is minimized, and on which data."""

    unit: Unit = EXAMPLES

    @property
    @abc.abstractmethod
    def words(self) -> int:
        """Number of words that an epoch reads."""

    @abc.abstractmethod
    def trainer(self, name: str, module: Any, config: StepsConfig, context: TrainContext) -> Trainer:
        """Move the module to its device and build its trainer.

        Args:
            name: registry name of the model, for errors.
            module: the module on the CPU, with its start values.
            config: settings; for a warm start those of the shortened training.
            context: circumstances of the run.

        Raises:
            InputError: the device does not exist, or its memory does not hold what must stay there.
        """

    def data(self) -> list[np.ndarray]:
        """Arrays that decide the result besides the settings: a training on other arrays never resumes from here."""
        return []

    def start(self, module: VectorModel, context: TrainContext) -> Start:
        """Where a warm start begins. Subclasses that support warm starts override this."""
        return Start(None, None, {"warm": False, "why": "this model does not start from earlier vectors"})
