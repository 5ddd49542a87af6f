"""The objectives that are minimized on walks, each with its compiled and its torch step."""

import abc
import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.interfaces import TrainContext
from core.training.compiled import CompiledTrainer, Kernel
from core.training.config import StepsConfig
from core.training.corpus import WalkCorpus
from core.training.devices import explained_out_of_memory, find_device
from core.training.kernels.arguments import Drawing, Tied
from core.training.kernels.factorization_on_pairs import train_pairs
from core.training.kernels.walks import train_walks
from core.training.noise import NoiseTable
from core.training.torch_batches import TorchTrainer, pairs_step, step, tied_step
from core.training.trainer import PAIRS, WORDS, Objective, Trainer, VectorModel
from core.training.warm_start import Start, find_start

_COMPILED_BATCH, _COMPILED_WORDS = 512, 4096
"""Walks (or words, if that is more) per call of the compiled kernel: few enough that the threads finish together, and
enough that the call costs little in comparison."""
_MIN_BATCHES = 8
"""Minimum number of batches per epoch on a small graph, because the learning rate changes only between batches."""
_MAX_STEP = 6.0
"""Bound of :meth:`WalkObjective.stable_batch`. Measured on a small dense graph: 7 still converged and 10 diverged."""


class TableModel(VectorModel):
    """A module whose tables are changed in place by the steps."""

    @abc.abstractmethod
    def tables(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Center vectors, context vectors (the same tensor if both are one table) and biases, all trained in place."""


def embedding(rows: Tensor) -> torch.nn.Embedding:
    """A trainable table with the given rows, float32 ``[n_nodes, dim]``, whose memory it shares."""
    table: torch.nn.Embedding = torch.nn.Embedding.from_pretrained(rows, freeze=False)  # type: ignore[no-untyped-call]
    return table


@dataclass(frozen=True)
class WalkObjective(Objective):
    """Negative sampling on walks. Subclasses define the loss.

    Attributes:
        corpus: the walks.
        keep: float32 ``[n_nodes]``: the probability that an occurrence of a node is trained on.
        noise: the distribution of the negatives.
        window: reach of a center to either side, in nodes.
        dynamic_window: whether each center's reach is drawn from 1..window, as in word2vec.
        negatives: negatives per positive pair.
        shared_negatives: negatives drawn for a step, which is one walk or several pairs; each counts
            ``negatives / shared_negatives`` per pair.
    """

    corpus: WalkCorpus
    keep: np.ndarray
    noise: NoiseTable
    window: int
    dynamic_window: bool
    negatives: float
    shared_negatives: int

    roles = 1
    """How often a row moves for one occurrence: once as a center, or twice if one table is center and context."""
    unit = WORDS

    @property
    def pairs_per_row(self) -> int:
        """Number of walks of two nodes that make one step together; 0 means that every walk is a step."""
        return 0

    @property
    def words(self) -> int:
        return self.corpus.words

    @abc.abstractmethod
    def kernel(self, center: np.ndarray, context: np.ndarray, bias: np.ndarray | None) -> Kernel:
        """The compiled steps, for tables float32 ``[n_nodes, dim]`` that are changed in place.

        Returns:
            A function of a stretch of walks, as ``core.training.compiled.Kernel`` says.
        """

    @abc.abstractmethod
    def step(
        self, center: Tensor, context: Tensor, bias: Tensor | None, nodes: Tensor, reach: Tensor, noise: Tensor,
        labels: Tensor | None, rate: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """One step in torch on a batch of walks; see ``core.training.torch_batches.step``.

        Args:
            labels: float32 ``[B, 1]``, or ``[B, P]`` for rows of P pairs; None if all labels are 1.
        """

    def data(self) -> list[np.ndarray]:
        labels = self.corpus.labels
        return [self.corpus.walks] if labels is None else [self.corpus.walks, labels]

    def start(self, module: VectorModel, context: TrainContext) -> Start:
        return find_start(*module.arrays(), self.corpus, context)

    def trainer(self, name: str, module: TableModel, config: StepsConfig, context: TrainContext) -> Trainer:
        """Compiled steps on CPU threads, or torch on any device; see ``StepsConfig.backend``."""
        device = find_device(context.device)
        seed = context.seed % 2**64
        if config.backend == "compiled" or (config.backend == "auto" and device.type == "cpu"):
            batch = max(_COMPILED_BATCH, _COMPILED_WORDS // self.corpus.walks.shape[1])
            batch = max(1, min(batch, self.corpus.n_walks // _MIN_BATCHES))
            center, contexts, bias = module.tables()
            kernel = self.kernel(center.numpy(), contexts.numpy(), None if bias is None else bias.numpy())
            return CompiledTrainer(kernel, self.corpus.n_walks, batch, seed, context.threads)
        batch = self.stable_batch(config.batch_walks, config.learning_rate)
        with explained_out_of_memory(name, device):
            module.to(device)
            return TorchTrainer(
                functools.partial(self.step, *module.tables()), self.corpus, self.drawing(), batch, seed, device,
                context.precision, self.pairs_per_row,
            )  # fmt: skip

    def stable_batch(self, maximum: int, learning_rate: float) -> int:
        """Walks per batch: the maximum, or fewer if the step of the most frequent node would be too long.

        All gradients of a batch are computed at the same point, so a node that occurs n times in it moves n times as
        far. If the step is too long for its gradients, the scores oscillate and training diverges. The length of the
        step is proportional to n, the learning rate and the terms of the loss per occurrence; their product is kept
        below a bound.
        """
        reach = self.window + 1 if self.dynamic_window else 2 * self.window
        terms = min(reach, self.corpus.walks.shape[1]) * (1 + self.negatives) * self.roles
        per_walk = int(self.corpus.counts.max()) / self.corpus.n_walks  # occurrences of the most frequent node
        return max(1, min(maximum, int(_MAX_STEP / (learning_rate * terms * per_walk))))

    def drawing(self) -> Drawing:
        """How a step is drawn."""
        noise = self.noise
        return Drawing(self.keep, noise.accept, noise.alias, self.window, self.dynamic_window, self.shared_negatives)

    def _drawing_in_kernels(self) -> Drawing:
        """The same for the kernels, where no window is longer than a walk."""
        return self.drawing()._replace(window=min(self.window, self.corpus.walks.shape[1]))


@dataclass(frozen=True)
class SkipGramObjective(WalkObjective):
    """Skip-gram with negative sampling; ``update_walk`` documents the loss."""

    def kernel(self, center: np.ndarray, context: np.ndarray, bias: np.ndarray | None) -> Kernel:
        walks, drawing, negatives = self.corpus.walks, self._drawing_in_kernels(), np.float32(self.negatives)
        return lambda stretch: train_walks(center, context, walks, drawing, negatives, stretch, None)

    def step(
        self, center: Tensor, context: Tensor, bias: Tensor | None, nodes: Tensor, reach: Tensor, noise: Tensor,
        labels: Tensor | None, rate: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        return step(center, context, nodes, reach, noise, self.negatives, rate)


@dataclass(frozen=True)
class WalkFactorization(WalkObjective):
    """Matrix factorization on walks: one table is both center and context. ``update_tied`` documents the loss.

    Attributes:
        l2: weight of the squared length of each row that a step uses.
    """

    l2: float = 0.0

    roles = 2

    def kernel(self, center: np.ndarray, context: np.ndarray, bias: np.ndarray | None) -> Kernel:
        walks, drawing, negatives, tied = (
            self.corpus.walks,
            self.drawing(),
            np.float32(self.negatives),
            self._tied(bias),
        )
        return lambda stretch: train_walks(center, context, walks, drawing, negatives, stretch, tied)

    def step(
        self, center: Tensor, context: Tensor, bias: Tensor | None, nodes: Tensor, reach: Tensor, noise: Tensor,
        labels: Tensor | None, rate: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        walk_labels = None if labels is None else labels[:, 0]
        return tied_step(center, bias, walk_labels, self.l2, nodes, reach, noise, self.negatives, rate)

    def _tied(self, bias: np.ndarray | None) -> Tied:
        none = np.empty(0, np.float32)
        labels = none if self.corpus.labels is None else self.corpus.labels
        return Tied(none if bias is None else bias, labels, np.float32(self.l2))


@dataclass(frozen=True)
class PairFactorization(WalkFactorization):
    """Matrix factorization on pairs, which are walks of two nodes. ``update_pairs`` documents the loss.

    Attributes:
        pairs_per_step: pairs that make one step and share its negatives.
    """

    pairs_per_step: int = 1

    unit = PAIRS

    @property
    def pairs_per_row(self) -> int:
        return self.pairs_per_step

    def kernel(self, center: np.ndarray, context: np.ndarray, bias: np.ndarray | None) -> Kernel:
        walks, drawing, negatives, tied = (
            self.corpus.walks,
            self.drawing(),
            np.float32(self.negatives),
            self._tied(bias),
        )
        per_step = self.pairs_per_step
        return lambda stretch: train_pairs(center, walks, drawing, per_step, negatives, stretch, tied)

    def step(
        self, center: Tensor, context: Tensor, bias: Tensor | None, nodes: Tensor, reach: Tensor, noise: Tensor,
        labels: Tensor | None, rate: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        return pairs_step(center, bias, labels, self.l2, nodes, noise, self.negatives, rate)
