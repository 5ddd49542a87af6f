"""The training loop of every model that learns from walks by gradient steps, on whichever back end.

Belongs here: epochs, segments, the learning curve, checkpoints and warm starts. Does not belong here: modules and
objectives, settings, and the gradient steps, which two back ends take behind one interface.
"""

import abc
import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from core import checkpoint
from core.errors import InputError
from core.interfaces import LEARNING_CURVE, Embeddings, TrainContext
from core.training.compiled import CompiledTrainer
from core.training.config import StepsConfig
from core.training.corpus import Objective, WalkCorpus
from core.training.devices import find_device, torch_settings
from core.training.torch_batches import TorchTrainer, stable_batch
from core.training.warm_start import find_start, shortened

_COMPILED_BATCH, _COMPILED_WORDS = 512, 4096
"""Walks (or words, if that is more) per call of the compiled kernel: short enough that threads finish together, long
enough to hide the call."""
_FEWEST_BATCHES = 8
"""Per epoch of a small graph: the learning rate changes between batches only."""


class WalkModel(torch.nn.Module, abc.ABC):
    """What the loop needs of a module."""

    cosine = True
    """Whether the probe compares vectors by their cosine, or else by their inner product."""

    @abc.abstractmethod
    def tables(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Center vectors, context vectors (the same tensor if tied) and biases, all trained in place."""

    @abc.abstractmethod
    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """What is kept as :class:`Embeddings`: center and context vectors."""

    @abc.abstractmethod
    def restore(self, center: np.ndarray, contexts: np.ndarray | None) -> None:
        """Go on from what :meth:`arrays` once gave."""


@dataclass
class _State:
    """How far a training is: everything that a checkpoint holds besides the vectors."""

    epoch: int = 0
    batch: int = 0
    words: int = 0
    seconds: float = 0.0
    curve: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Unit:
    """In what the training's examples are counted: its name, and the node occurrences that make one."""

    name: str
    words: int


WORDS = Unit("words", 1)
PAIRS = Unit("pairs", 2)


def check_rates(name: str, config: StepsConfig) -> None:
    """Raise InputError if the learning rate would rise."""
    if text := config.contradiction():
        raise InputError(f"{name}.{text}")


def fit(
    name: str,
    model: WalkModel,
    corpus: WalkCorpus,
    objective: Objective,
    config: StepsConfig,
    context: TrainContext,
    unit: Unit = WORDS,
) -> Embeddings:
    """Train a module in place.

    Args:
        name: registry name of the model, under which it reports, names its settings and keeps checkpoints.
        model: with the values of a cold start, on the CPU.
        corpus: what to train on.
        objective: what to minimize.
        config: settings; the learning rate is ``config.rate``.
        context: circumstances.
        unit: of examples.

    Raises:
        InputError: a device that is not there, or a learning rate at which training diverges.
    """
    seed = context.seed % 2**64
    device = find_device(context.device)
    compiled = config.backend == "compiled" or (config.backend == "auto" and device.type == "cpu")
    if compiled:
        device = torch.device("cpu")
    start = _start(name, model, corpus, config, context)
    warm = bool(start.get("warm"))
    used, part = shortened(config) if warm else (config, 1.0)
    with _roomy(name, device):
        model.to(device)
    key, state = "", _State()
    if context.checkpoints:
        settings = {"model": name, "compiled": compiled, "seed": seed, "n_nodes": len(corpus.counts)}
        data = [corpus.walks] if corpus.labels is None else [corpus.walks, corpus.labels]
        data += [tensor.cpu().numpy() for tensor in model.state_dict().values() if warm]
        key = checkpoint.fingerprint(settings | dataclasses.asdict(config), *data)
        if found := checkpoint.load(context.checkpoints, key):
            state = _State(**found.meta)
            model.load_state_dict({name: torch.from_numpy(array) for name, array in found.arrays.items()})

    center, contexts, bias = model.tables()
    trainer: CompiledTrainer | TorchTrainer
    if compiled:
        batch_walks = max(_COMPILED_BATCH, _COMPILED_WORDS // corpus.walks.shape[1])
        batch_walks = max(1, min(batch_walks, corpus.n_walks // _FEWEST_BATCHES))
        own = None if bias is None else bias.numpy()
        trainer = CompiledTrainer(
            center.numpy(), contexts.numpy(), corpus, objective, batch_walks, seed, context.threads, own
        )
    else:
        batch_walks = stable_batch(config.batch_walks, corpus, objective, used.learning_rate)
        with _roomy(name, device):
            trainer = TorchTrainer(center, contexts, corpus, objective, batch_walks, seed, bias)

    resumed = state.epoch
    n_batches = max(1, round(part * math.ceil(corpus.n_walks / batch_walks)))  # a part of the order is an even sample
    loop = _Loop(name, trainer, model, state, n_batches, round(part * corpus.words), used, context, unit)
    with torch_settings(context.threads, context.precision):
        for epoch in range(state.epoch + 1, used.epochs + 1):
            for first, last in _segments(loop.n_batches, config.probes_per_epoch):
                loop.segment(epoch, first, last)
            state.epoch = epoch
            if context.checkpoints:
                arrays = {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
                checkpoint.save(context.checkpoints, key, checkpoint.Checkpoint(arrays, dataclasses.asdict(state)))

    info: dict[str, Any] = {
        "config": dataclasses.asdict(config),
        "backend": "compiled" if compiled else "torch",
        "device": str(device),
        "threads": context.threads,
        "precision": "float32" if compiled else context.precision,
        "resumed_after_epoch": resumed,
        "batch_walks": batch_walks,
        "out_of_memory_halvings": 0 if isinstance(trainer, CompiledTrainer) else trainer.halvings,
        unit.name: state.words // unit.words,
        "seconds": state.seconds,
        "examples_per_second": state.words / unit.words / max(state.seconds, 1e-9),
    }
    if start:
        info["start"] = start
    if warm:
        context.progress(name, info[unit.name], info[unit.name], unit.name)  # how many these are was a guess till now
    curve = pa.Table.from_pylist(state.curve, schema=LEARNING_CURVE)
    return Embeddings(name, corpus.seen, *model.arrays(), learning_curve=curve, info=info)


def _start(
    name: str, model: WalkModel, corpus: WalkCorpus, config: StepsConfig, context: TrainContext
) -> dict[str, Any]:
    """Move the module to where a warm start begins, if one is wanted and possible; returns what to report of it."""
    if not config.warm_start:
        return {}
    start = find_start(name, *model.arrays(), corpus, context)
    if start.center is not None:
        model.restore(start.center, start.context)
    return start.facts


@dataclass
class _Loop:
    """The parts of one training, and the stretch between two rows of its learning curve."""

    name: str
    trainer: CompiledTrainer | TorchTrainer
    model: WalkModel
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
        loss, pairs = 0.0, 0
        started = time.perf_counter()
        for words, batch_loss, batch_pairs in self.trainer.batches(
            epoch, first, last, lambda batch: config.rate(epoch, batch / self.n_batches)
        ):
            state.words += words
            loss += batch_loss
            pairs += batch_pairs
            context.progress(name, state.words // self.unit.words, total, self.unit.name)
        state.seconds += time.perf_counter() - started
        state.batch += last - first
        tables = {id(table): table for table in self.model.tables() if table is not None}.values()  # tied ones once
        finite = all(np.isfinite(table.cpu().numpy().sum()) for table in tables)
        if not (math.isfinite(loss) and finite):
            raise InputError(
                f"{name}.learning_rate: training diverged in epoch {epoch} with learning rate {config.learning_rate}; "
                "choose a lower one"
            )
        state.curve.append(
            {
                "epoch": epoch,
                "batch": state.batch,
                "examples": state.words // self.unit.words,
                "seconds": state.seconds,
                "learning_rate": config.rate(epoch, (last - 1) / self.n_batches),
                "loss": loss / pairs if pairs else None,
                "roc_auc": self._probe(),
            }
        )

    def _probe(self) -> float | None:
        if self.context.probe is None:
            return None
        center, contexts = self.model.arrays()
        if self.model.cosine:
            return self.context.probe(center, contexts)
        return self.context.probe(*equal_lengths(center, contexts))


def equal_lengths(center: np.ndarray, context: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose cosines are in the order of the inner products of the given ones.

    Every center gets a coordinate of its own, every context another, that fill its length up to the longest: inner
    products between the two stay what they are, and cosines are these over a constant (Bachrach et al. 2014, "Speeding
    up the Xbox recommender system using a Euclidean transformation for inner-product spaces").

    Args:
        center: float32 ``[n, d]``.
        context: the same shape; None means the centers themselves.

    Returns:
        both as float32 ``[n, d + 2]``.
    """
    sides = [center, center if context is None else context]
    squares = [np.einsum("ij,ij->i", side, side) for side in sides]
    longest = max(square.max() for square in squares)
    filled = []
    for place, (side, square) in enumerate(zip(sides, squares, strict=True)):
        extra = np.zeros((len(side), 2), np.float32)
        extra[:, place] = np.sqrt(longest - square)
        filled.append(np.hstack([side, extra]))
    return filled[0], filled[1]


def _segments(n_batches: int, parts: int) -> Iterator[tuple[int, int]]:
    """Cut ``n_batches`` batches into at most ``parts`` stretches of nearly equal length, none empty."""
    parts = min(parts, n_batches)
    for part in range(parts):
        yield n_batches * part // parts, n_batches * (part + 1) // parts


@contextlib.contextmanager
def _roomy(name: str, device: torch.device) -> Iterator[None]:
    """Say what to do when what must stand on the device for the whole training does not fit; no batch size helps."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"{name}: vectors and walks do not fit into the memory of {device}; choose a smaller {name}.dim or the "
            f"device cpu ({error})"
        ) from error
