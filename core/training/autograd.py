"""Training of any torch module that has a loss: torch computes the gradients, and an optimizer takes the steps.

class Bilinear(VectorModel):
    def loss(self, examples: np.ndarray) -> torch.Tensor: ...   # mean loss of the examples with these numbers
    def rows(self, nodes): ...

objective = AutogradObjective([module.loss], len(pairs))
train_vectors("bilinear", module, objective, config, context)
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from core.interfaces import TrainContext
from core.training.config import StepsConfig
from core.training.devices import Halving, explained_out_of_memory, find_device
from core.training.trainer import EXAMPLES, Objective, Tally, Unit

Loss = Callable[[np.ndarray], torch.Tensor]
"""Mean loss (a scalar) of the examples with the given numbers (int64 ``[b]``, b >= 1)."""

Draw = Callable[[int], Iterator[tuple[np.ndarray, ...]]]
"""Epoch (1-based) → its batches in order. A batch holds one array of example numbers for every loss.

The same epoch must always have the same batches. An empty array leaves its loss out of the step.
"""

MakeOptimizer = Callable[[Sequence[torch.nn.Parameter]], torch.optim.Optimizer]


@dataclasses.dataclass(frozen=True)
class AutogradObjective(Objective):
    """The sum of several losses, minimized by the gradients that torch computes.

    Attributes:
        losses: the losses, whose sum a step minimizes.
        examples: number of examples that an epoch reads: those of the first loss that has any.
        batch: examples per step; the last step may have fewer.
        n_batches: batches per epoch; None derives it from ``examples`` and ``batch``.
        draw: draws the batches; None reads every example once per epoch in random order, for a single loss.
        optimizer: builds the optimizer, whose learning rate is set for every step.
        inputs: arrays that decide the result besides the settings; see ``Objective.data``.
        unit: unit in which examples are counted.
    """

    losses: Sequence[Loss]
    examples: int
    batch: int = 256
    n_batches: int | None = None
    draw: Draw | None = None
    optimizer: MakeOptimizer = torch.optim.AdamW
    inputs: Sequence[np.ndarray] = ()
    unit: Unit = EXAMPLES

    @property
    def words(self) -> int:
        return self.examples * self.unit.words

    def data(self) -> list[np.ndarray]:
        return list(self.inputs)

    def trainer(
        self, name: str, module: torch.nn.Module, config: StepsConfig, context: TrainContext
    ) -> "AutogradTrainer":
        device = find_device(context.device)
        with explained_out_of_memory(name, device):
            module.to(device)
        return AutogradTrainer(name, module, self, context.seed % 2**64, device, context.precision)


class AutogradTrainer:
    """See ``core.training.trainer.Trainer``.

    Args:
        name: registry name of the model, for errors.
        module: on the device, updated in place.
        objective: what to minimize.
        seed: seed of the order of the examples.
        device: device that trains.
        precision: precision of matrix products, only reported.
    """

    def __init__(
        self,
        name: str,
        module: torch.nn.Module,
        objective: AutogradObjective,
        seed: int,
        device: torch.device,
        precision: str = "float32",
    ) -> None:
        self.n_batches = objective.n_batches or max(1, math.ceil(objective.examples / objective.batch))
        self._name, self._objective, self._seed = name, objective, seed
        self._device, self._precision = device, precision
        self._optimizer = objective.optimizer(list(module.parameters()))
        self._halving = Halving(device)
        self._drawn: Iterator[tuple[np.ndarray, ...]] = iter(())

    def batches(self, epoch: int, first: int, last: int, rate: Callable[[int], float]) -> Iterator[Tally]:
        """See ``Trainer``; yields one tally per step with the loss of that step."""
        if first == 0:
            self._drawn = (self._objective.draw or self._shuffled)(epoch)
        for batch in range(first, last):
            examples = next(self._drawn)
            for group in self._optimizer.param_groups:
                group["lr"] = rate(batch)
            loss = self._gradients(examples)
            self._optimizer.step()
            n_examples = next((len(numbers) for numbers in examples if len(numbers)), 0)
            yield Tally(n_examples * self._objective.unit.words, loss, 1)

    def facts(self) -> dict[str, Any]:
        return {
            "backend": "autograd",
            "device": str(self._device),
            "precision": self._precision,
            "out_of_memory_halvings": self._halving.count,
        }

    def state(self) -> dict[str, np.ndarray]:
        """The state of the optimizer: parameter number and name → value."""
        parameters = self._optimizer.state_dict()["state"]
        return {
            f"{number} {name}": torch.as_tensor(value).cpu().numpy()
            for number, values in parameters.items()
            for name, value in values.items()
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        parameters: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in state.items():
            number, name = key.split(" ")
            parameters.setdefault(int(number), {})[name] = torch.from_numpy(value)
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": parameters})

    def _shuffled(self, epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        order = np.random.default_rng([self._seed, epoch]).permutation(self._objective.examples)
        for first in range(0, max(1, len(order)), self._objective.batch):
            yield (order[first : first + self._objective.batch],)

    def _gradients(self, examples: tuple[np.ndarray, ...]) -> float:
        """Compute the gradients of a step in as many parts as the memory requires; returns the loss."""
        while True:
            parts = 1 << self._halving.count

            def compute(parts: int = parts) -> float:
                self._optimizer.zero_grad()
                loss = 0.0
                for part in zip(*(np.array_split(numbers, parts) for numbers in examples), strict=True):
                    part_loss = self._loss(part, examples)
                    if part_loss is not None:
                        torch.autograd.backward(part_loss)
                        loss += float(part_loss.detach())
                return loss

            loss = self._halving.attempt(
                compute,
                divisible=True,
                too_large=f"{self._name}: {self._device} does not have enough memory even for 1/{parts} of a step; "
                f"choose smaller settings of {self._name} or another device",
            )
            if loss is not None:
                return loss

    def _loss(self, part: tuple[np.ndarray, ...], whole: tuple[np.ndarray, ...]) -> torch.Tensor | None:
        """What a part of the examples contributes to the loss of the whole batch; None for an empty part."""
        total: torch.Tensor | None = None
        for loss, part_numbers, all_numbers in zip(self._objective.losses, part, whole, strict=True):
            if len(part_numbers):
                contribution = loss(part_numbers) * (len(part_numbers) / len(all_numbers))
                total = contribution if total is None else total + contribution
        return total
