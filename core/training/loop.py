"""The training loop of every model that learns by gradient steps."""

import dataclasses
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from core.errors import InputError
from core.interfaces import LEARNING_CURVE, TrainContext, TrainedModel
from core.training import checkpoint
from core.training.config import StepsConfig
from core.training.devices import torch_settings
from core.training.trainer import Objective, Trainer, Unit, VectorModel
from core.training.warm_start import shortened

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """The loop's report on a training.

    Attributes:
        curve: table of schema ``LEARNING_CURVE``.
        info: JSON-serializable facts for ``TrainedModel.info``.
    """

    curve: pa.Table
    info: dict[str, Any]


@dataclass
class _State:
    """The progress of a training: what a checkpoint holds besides the state of the module and the trainer."""

    epoch: int = 0
    batch: int = 0
    words: int = 0
    seconds: float = 0.0
    curve: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def check_rates(name: str, config: StepsConfig) -> None:
    """Raise InputError if the learning rate would rise."""
    if text := config.contradiction():
        raise InputError(f"{name}.{text}")


def train_vectors(
    name: str, module: VectorModel, objective: Objective, config: StepsConfig, context: TrainContext
) -> TrainedModel:
    """Train a module that has vectors. See :func:`fit` for arguments and errors."""
    training = fit(name, module, objective, config, context)
    return TrainedModel(name, module.seen, *module.arrays(), learning_curve=training.curve, info=training.info)


def fit(
    name: str, module: torch.nn.Module, objective: Objective, config: StepsConfig, context: TrainContext
) -> Training:
    """Train a module in place.

    Args:
        name: registry name of the model, used for progress, errors and checkpoints.
        module: the module on the CPU, with the values of a cold start.
        objective: what to minimize.
        config: settings; the learning rate is ``config.rate``.
        context: circumstances of the run.

    Raises:
        InputError: the device does not exist, or training diverges with this learning rate.
    """
    start = _start(module, objective, config, context)
    warm = bool(start.get("warm"))
    schedule, share = shortened(config) if warm else (config, 1.0)
    trainer = objective.trainer(name, module, schedule, context)
    checkpoints = _Checkpoints(name, module, trainer, context)
    state = checkpoints.find(config, schedule.epochs, objective, warm)
    resumed = state.epoch
    n_batches = max(1, round(share * trainer.n_batches))  # any stretch of the order is an even sample
    loop = _Loop(
        name, module, trainer, state, n_batches, round(share * objective.words), schedule, context, objective.unit
    )  # fmt: skip
    with torch_settings(context.threads, context.precision):
        for epoch in range(state.epoch + 1, schedule.epochs + 1):
            for first, last in _segments(n_batches, config.probes_per_epoch):
                loop.segment(epoch, first, last)
            loop.check(epoch)
            state.epoch = epoch
            checkpoints.save(state)
    unit = objective.unit
    info: dict[str, Any] = {
        "config": dataclasses.asdict(config),
        "threads": context.threads,
        **trainer.facts(),
        "resumed_after_epoch": resumed,
        unit.name: state.words // unit.words,
        "found_pairs": any(row["loss"] is not None for row in state.curve),
        "seconds": state.seconds,
        "examples_per_second": state.words / unit.words / max(state.seconds, 1e-9),
    }
    if start:
        info["start"] = start
    if warm:
        context.progress(name, info[unit.name], info[unit.name], unit.name)  # until now the total was an estimate
    return Training(pa.Table.from_pylist(state.curve, schema=LEARNING_CURVE), info)


def _start(module: torch.nn.Module, objective: Objective, config: StepsConfig, context: TrainContext) -> dict[str, Any]:
    """Set the module to its warm start, if one is wanted and possible; returns the facts to report about it."""
    if not config.warm_start or not isinstance(module, VectorModel):
        return {}
    start = objective.start(module, context)
    if start.center is not None:
        module.restore(start.center, start.context)
    return start.facts


class _Checkpoints:
    """Saves the state of a training and finds it again, if the context names a folder for it."""

    def __init__(self, name: str, module: torch.nn.Module, trainer: Trainer, context: TrainContext) -> None:
        self._name, self._module, self._trainer, self._context = name, module, trainer, context
        self._key = ""

    def find(self, config: StepsConfig, epochs: int, objective: Objective, warm: bool) -> _State:
        """Resume from the checkpoint of the same training, if there is one."""
        if not self._context.checkpoints:
            return _State()
        values = self._module.state_dict()
        settings = {
            "model": self._name,
            "backend": self._trainer.facts()["backend"],
            "seed": self._context.seed % 2**64,
        }
        settings |= {"shapes": {name: list(value.shape) for name, value in values.items()}}
        start_values = [value.cpu().numpy() for value in values.values() if warm]  # a cold start follows from the seed
        data = [*objective.data(), *start_values]
        self._key = checkpoint.fingerprint(settings | dataclasses.asdict(config), *data)
        saved = checkpoint.load(self._context.checkpoints, self._key)
        if not saved:
            return _State()
        if not _is_state(saved, values, epochs):
            _LOG.warning("The checkpoint of %s does not fit the training, which starts from the beginning.", self._name)
            return _State()
        self._module.load_state_dict({name: torch.from_numpy(saved.arrays[_MODULE + name]) for name in values})
        trainer = {k.removeprefix(_TRAINER): v for k, v in saved.arrays.items() if k.startswith(_TRAINER)}
        self._trainer.restore(trainer)
        return _State(**saved.meta)

    def save(self, state: _State) -> None:
        if not self._context.checkpoints:
            return
        arrays = {_MODULE + name: value.cpu().numpy() for name, value in self._module.state_dict().items()}
        arrays |= {_TRAINER + name: value for name, value in self._trainer.state().items()}
        checkpoint.save(self._context.checkpoints, self._key, checkpoint.Checkpoint(arrays, dataclasses.asdict(state)))


_MODULE, _TRAINER = "module ", "trainer "
"""Prefixes of the names of arrays in a checkpoint, which say whose state they are."""
_STATE = {"epoch": int, "batch": int, "words": int, "seconds": float, "curve": list}


def _is_state(saved: checkpoint.Checkpoint, module: dict[str, torch.Tensor], epochs: int) -> bool:
    """Whether a checkpoint holds exactly a state of the training of this module."""
    meta = saved.meta
    arrays = {name: array for name, array in saved.arrays.items() if not name.startswith(_TRAINER)}
    return (
        set(meta) == set(_STATE)
        and all(type(meta[name]) is kind for name, kind in _STATE.items())
        and all(isinstance(row, dict) and set(row) <= set(LEARNING_CURVE.names) for row in meta["curve"])
        and 0 <= meta["epoch"] <= epochs
        and {name: (array.shape, array.dtype) for name, array in arrays.items()}
        == {_MODULE + name: (tuple(value.shape), value.cpu().numpy().dtype) for name, value in module.items()}
    )


@dataclass
class _Loop:
    """Everything that one training needs to train from one row of the learning curve to the next."""

    name: str
    module: torch.nn.Module
    trainer: Trainer
    state: _State
    n_batches: int
    words_per_epoch: int
    config: StepsConfig
    context: TrainContext
    unit: Unit

    def segment(self, epoch: int, first: int, last: int) -> None:
        """Train on batches ``first..last-1`` of an epoch and add one row to the learning curve."""
        name, state, config, context = self.name, self.state, self.config, self.context
        total = self.words_per_epoch * config.epochs // self.unit.words
        loss, measured = 0.0, 0
        started = time.perf_counter()
        with context.clock.phase("training"):
            for tally in self.trainer.batches(
                epoch, first, last, lambda batch: config.rate(epoch, batch / self.n_batches)
            ):
                state.words += tally.words
                loss += tally.loss
                measured += tally.measured
                context.progress(name, state.words // self.unit.words, total, self.unit.name)
        state.seconds += time.perf_counter() - started
        state.batch += last - first
        if not math.isfinite(loss):
            self._diverged(epoch)
        state.curve.append(
            {
                "epoch": epoch,
                "batch": state.batch,
                "examples": state.words // self.unit.words,
                "seconds": state.seconds,
                "learning_rate": config.rate(epoch, (last - 1) / self.n_batches),
                "loss": loss / measured if measured else None,
                "roc_auc": self._probe(epoch),
            }
        )

    def _probe(self, epoch: int) -> float | None:
        probe = self.context.probe
        if probe is None or not isinstance(self.module, VectorModel):
            return None
        with self.context.clock.phase("probing"):
            center, contexts = self.module.rows(probe.nodes)
            if not (np.isfinite(center).all() and (contexts is None or np.isfinite(contexts).all())):
                self._diverged(epoch)
            return probe(center, contexts, self.module.cosine)

    def check(self, epoch: int) -> None:
        """Check that everything learned is finite, because the probe sees only some of the rows."""
        with torch.no_grad():
            if not all(bool(torch.isfinite(value.sum())) for value in self.module.state_dict().values()):
                self._diverged(epoch)

    def _diverged(self, epoch: int) -> None:
        raise InputError(
            f"{self.name}.learning_rate: training diverged in epoch {epoch} with learning rate "
            f"{self.config.learning_rate}; choose a lower learning rate"
        )


def _segments(n_batches: int, parts: int) -> Iterator[tuple[int, int]]:
    """Cut ``n_batches`` batches into at most ``parts`` stretches of nearly equal length, none empty."""
    parts = min(parts, n_batches)
    for part in range(parts):
        yield n_batches * part // parts, n_batches * (part + 1) // parts
