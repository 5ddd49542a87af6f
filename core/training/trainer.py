"""The interfaces of the training engine: what is trained, towards what, and who takes the steps.

A training has three parts. A *module* holds what is learned (any ``torch.nn.Module``; a :class:`VectorModel` if it has
vectors that can be probed and kept). An *objective* says what is minimized on which data, and builds the *trainer* that
takes the gradient steps. The loop (``core.training.loop``) does the rest: the schedule, the learning curve with its
probes, checkpoints, warm starts, and what to say when a training diverges.
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
    """In what the training's examples are counted: its name, and the words (node occurrences) that make one."""

    name: str
    words: int


WORDS = Unit("words", 1)
PAIRS = Unit("pairs", 2)
EXAMPLES = Unit("examples", 1)


class Tally(NamedTuple):
    """What a trainer reports of some batches.

    Attributes:
        words: examples read, in words (:class:`Unit`).
        loss: summed loss where it was measured; not finite if training diverged.
        measured: by how much to divide it for a mean: pairs, lists or steps.
    """

    words: int
    loss: float
    measured: int


class Trainer(Protocol):
    """Takes the gradient steps of one training on one device, batch by batch, and changes the module in place.

    What it draws must depend on the seed, the epoch and the batch alone, so that an interrupted training goes on as if
    nothing had happened.

    Attributes:
        n_batches: batches of an epoch, at least 1.
    """

    n_batches: int

    def batches(self, epoch: int, first: int, last: int, rate: Callable[[int], float]) -> Iterator[Tally]:
        """Train on batches ``first..last-1`` of an epoch, in this order.

        Args:
            epoch: 1-based.
            rate: learning rate by batch number within the epoch.

        Yields:
            a tally whenever one is at hand, at least one in all.

        Raises:
            InputError: the device's memory does not hold even the smallest step.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """JSON-able facts for people: at least ``backend``, ``device``, ``precision``, ``out_of_memory_halvings``."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """What it has to remember between epochs besides the module; empty if nothing."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what :meth:`state` once gave."""
        ...


class VectorModel(torch.nn.Module, abc.ABC):
    """A module that has vectors of products, which can be probed while it learns and are kept when it has.

    Attributes:
        seen: bool ``[n_nodes]``: the products that it learns something about.
        cosine: whether its vectors are compared by their cosine, or else by their inner product.
    """

    seen: np.ndarray
    cosine = True

    @abc.abstractmethod
    def rows(self, nodes: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray | None]:
        """Center and context vectors of some products, float32 ``[len(nodes), dim]``; no context if it has none."""

    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The vectors of all products: what is kept."""
        return self.rows(slice(None))

    def restore(self, center: np.ndarray, contexts: np.ndarray | None) -> None:
        """Go on from what :meth:`arrays` once gave, for a warm start."""
        raise NotImplementedError


class Objective(abc.ABC):
    """What is minimized and on which data."""

    unit: Unit = EXAMPLES

    @property
    @abc.abstractmethod
    def words(self) -> int:
        """Words that an epoch reads."""

    @abc.abstractmethod
    def trainer(self, name: str, module: Any, config: StepsConfig, context: TrainContext) -> Trainer:
        """Move the module to its device and build the trainer of it.

        Args:
            name: registry name of the model, for errors.
            module: with its start values, on the CPU.
            config: settings; of a warm start those of the shortened training.
            context: circumstances.

        Raises:
            InputError: a device that is not there or whose memory does not hold what must stay there.
        """

    def data(self) -> list[np.ndarray]:
        """Arrays that decide the result besides the settings: a checkpoint of a training on others is not taken up."""
        return []

    def start(self, module: VectorModel, context: TrainContext) -> Start:
        """Where a warm start begins; unless a subclass knows better, nowhere."""
        return Start(None, None, {"warm": False, "why": "this model does not start from earlier vectors"})
