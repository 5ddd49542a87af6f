"""Skip-gram with negative sampling on the walks: the module and its training loop.

Belongs here: the PyTorch module and the loop over epochs with its learning rate, learning curve and checkpoints. Does
not belong here: the settings (``core.models.skipgram``), how pairs are scored, and the gradient steps, which two back
ends take behind one face: ``core.models.sgns_cpu`` on CPUs and ``core.models.sgns_torch`` on accelerators.

The model is that of Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
Compositionality", with products for words and walks for sentences (DeepWalk, Perozzi et al. 2014).
"""

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
from core.models.base import LEARNING_CURVE, Embeddings, TrainContext
from core.models.corpus import Objective, build_corpus, keep_probability, noise_table
from core.models.sgns_cpu import CompiledTrainer
from core.models.sgns_torch import TorchTrainer, stable_batch
from core.models.skipgram import SkipGramConfig

_COMPILED_BATCH = 512
"""Walks per call of the compiled kernel: short enough that threads finish together, long enough to hide the call."""


class SkipGram(torch.nn.Module):
    """Two vectors for every node: one as a center, one as the context of others.

    Centers start uniform in ±1/(2 dim) and contexts at zero, as in word2vec.

    Args:
        seen: bool ``[n_nodes]``; the rows of other nodes start and stay at zero.
        dim: length of the vectors.
        seed: seed of the start values.
    """

    def __init__(self, seen: np.ndarray, dim: int, seed: int) -> None:
        super().__init__()
        start = np.random.default_rng(seed).random((len(seen), dim), dtype=np.float32)
        start -= 0.5
        start /= dim
        start[~seen] = 0
        self.center = torch.nn.Embedding.from_pretrained(torch.from_numpy(start), freeze=False)
        self.context = torch.nn.Embedding.from_pretrained(torch.zeros(len(seen), dim), freeze=False)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logits ``[...]`` that ``target`` (int64 ``[...]``) stands near ``source`` on a walk."""
        return (self.center(source) * self.context(target)).sum(-1)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Center and context vectors, float32 ``[n_nodes, dim]``; on a CPU these share the module's memory."""
        center, context = self.center.weight.detach(), self.context.weight.detach()
        return center.cpu().numpy(), context.cpu().numpy()


@dataclass
class _State:
    """How far a training is: everything that a checkpoint holds besides the vectors."""

    epoch: int = 0
    batch: int = 0
    words: int = 0
    seconds: float = 0.0
    curve: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def train(
    name: str, walks: np.ndarray | None, n_nodes: int, config: SkipGramConfig, context: TrainContext
) -> Embeddings:
    """Train on whichever walks are given; see :func:`core.models.skipgram.train`.

    Args:
        name: registry name of the model, under which it reports, names its settings and keeps checkpoints.
        walks: int32 ``[n_walks, walk_length]``, padded with -1.
        n_nodes: number of products.
        config: settings.
        context: circumstances.
    """
    if config.min_learning_rate > config.learning_rate:
        raise InputError(
            f"{name}.min_learning_rate: {config.min_learning_rate} is above learning_rate {config.learning_rate}"
        )
    corpus = build_corpus(walks, n_nodes)
    seed = context.seed % 2**64
    device = _device(context.device)
    compiled = config.backend == "compiled" or (config.backend == "auto" and device.type == "cpu")
    if compiled:
        device = torch.device("cpu")

    model = SkipGram(corpus.seen, config.dim, seed).to(device)
    key, state = "", _State()
    if context.checkpoints:
        settings = {"model": name, "compiled": compiled, "seed": seed, "n_nodes": n_nodes}
        key = checkpoint.fingerprint(settings | dataclasses.asdict(config), corpus.walks)
        if found := checkpoint.load(context.checkpoints, key):
            state = _State(**found.meta)
            model.load_state_dict({name: torch.from_numpy(array) for name, array in found.arrays.items()})

    objective = Objective(
        keep_probability(corpus.counts, config.subsample),
        noise_table(corpus.counts, config.noise_power),
        config.window,
        config.dynamic_window,
        config.negatives,
        config.shared_negatives,
    )
    trainer: CompiledTrainer | TorchTrainer
    if compiled:
        batch_walks = _COMPILED_BATCH
        tables = model.arrays()
        trainer = CompiledTrainer(*tables, corpus, objective, batch_walks, seed, context.threads)
    else:
        batch_walks = stable_batch(config.batch_walks, corpus, objective, config.learning_rate)
        weights = model.center.weight.detach(), model.context.weight.detach()
        trainer = TorchTrainer(*weights, corpus, objective, batch_walks, seed)

    total = corpus.words * config.epochs
    n_batches = -(-corpus.n_walks // batch_walks)
    with _torch_threads(context.threads):
        for epoch in range(state.epoch + 1, config.epochs + 1):
            for first, last in _segments(n_batches, config.probes_per_epoch):
                _train_segment(name, trainer, model, state, epoch, first, last, n_batches, total, config, context)
            state.epoch = epoch
            if context.checkpoints:
                arrays = {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
                checkpoint.save(context.checkpoints, key, checkpoint.Checkpoint(arrays, dataclasses.asdict(state)))

    center, contexts = model.arrays()
    info = {
        "config": dataclasses.asdict(config),
        "backend": "compiled" if compiled else "torch",
        "device": str(device),
        "threads": context.threads,
        "batch_walks": batch_walks,
        "words": state.words,
        "seconds": state.seconds,
        "examples_per_second": state.words / max(state.seconds, 1e-9),
    }
    curve = pa.Table.from_pylist(state.curve, schema=LEARNING_CURVE)
    return Embeddings(name, corpus.seen, center, contexts, learning_curve=curve, info=info)


def _train_segment(
    name: str,
    trainer: CompiledTrainer | TorchTrainer,
    model: SkipGram,
    state: _State,
    epoch: int,
    first: int,
    last: int,
    n_batches: int,
    total: int,
    config: SkipGramConfig,
    context: TrainContext,
) -> None:
    """Train on batches ``first..last-1`` of an epoch and add one row to the learning curve."""
    loss, pairs = 0.0, 0
    started = time.perf_counter()
    for words, batch_loss, batch_pairs in trainer.batches(
        epoch, first, last, lambda batch: config.rate(epoch, batch / n_batches)
    ):
        state.words += words
        loss += batch_loss
        pairs += batch_pairs
        context.progress(name, state.words, total, "words")
    state.seconds += time.perf_counter() - started
    state.batch += last - first
    center, contexts = model.arrays()
    if not (math.isfinite(loss) and np.isfinite(center.sum()) and np.isfinite(contexts.sum())):
        raise InputError(
            f"{name}.learning_rate: training diverged in epoch {epoch} with learning rate {config.learning_rate}; "
            "choose a lower one"
        )
    state.curve.append(
        {
            "epoch": epoch,
            "batch": state.batch,
            "examples": state.words,
            "seconds": state.seconds,
            "learning_rate": config.rate(epoch, (last - 1) / n_batches),
            "loss": loss / pairs if pairs else None,
            "roc_auc": context.probe(center, contexts) if context.probe else None,
        }
    )


def _segments(n_batches: int, parts: int) -> Iterator[tuple[int, int]]:
    """Cut ``n_batches`` batches into at most ``parts`` stretches of nearly equal length, none empty."""
    parts = min(parts, n_batches)
    for part in range(parts):
        yield n_batches * part // parts, n_batches * (part + 1) // parts


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ) as error:  # what torch raises depends on the device and build
        raise InputError(f"device {name!r} cannot be used ({error}); choose cpu") from error
    return device


@contextlib.contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    """Limit torch's CPU threads; the limit is the process's, so it is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
