"""What is minimized on walks, each with its compiled and its torch step."""

import abc
import functools
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from core.interfaces import TrainContext
from core.training.compiled import CompiledTrainer, Kernel
from core.training.config import StepsConfig
from core.training.corpus import WalkCorpus
from core.training.devices import find_device, roomy
from core.training.kernels.arguments import Drawing, Tied
from core.training.kernels.factorization_on_pairs import train_pairs
from core.training.kernels.walks import train_walks
from core.training.noise import NoiseTable
from core.training.torch_batches import TorchTrainer, pairs_step, step, tied_step
from core.training.trainer import PAIRS, WORDS, Objective, Trainer, VectorModel
from core.training.warm_start import Start, find_start

_COMPILED_BATCH, _COMPILED_WORDS = 512, 4096
"""Walks (or words, if that is more) per call of the compiled kernel: short enough that threads finish together, long
enough to hide the call."""
_FEWEST_BATCHES = 8
"""Per epoch of a small graph: the learning rate changes between batches only."""
_LONGEST_STEP = 6.0
"""Bound of :meth:`WalkObjective.stable_batch`; measured: on a small dense graph 7 still converged and 10 diverged."""


class TableModel(VectorModel):
    """A module whose tables the steps change in place."""

    @abc.abstractmethod
    def tables(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Center vectors, context vectors (the same tensor if tied) and biases, all trained in place."""


@dataclass(frozen=True)
class WalkObjective(Objective):
    """Negative sampling on walks. A subclass says which loss.

    Attributes:
        corpus: the walks.
        keep: float32 ``[n_nodes]``: chance that an occurrence of a node is trained on.
        noise: the distribution of the negatives.
        window: reach of a center to either side, in nodes.
        dynamic_window: draw each center's reach from 1..window, as word2vec does.
        negatives: negatives per positive pair.
        shared_negatives: negatives drawn for a step, which is a walk or so many pairs; each counts
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
    """Times that a row moves for one occurrence: as a center, or as a center and as a context of one table."""
    unit = WORDS

    @property
    def pairs_per_row(self) -> int:
        """Walks of two nodes that make a step together; 0: a step is a walk."""
        return 0

    @property
    def words(self) -> int:
        return self.corpus.words

    @abc.abstractmethod
    def kernel(self, center: np.ndarray, context: np.ndarray, bias: np.ndarray | None) -> Kernel:
        """The compiled steps on a stretch of the walks; tables float32 ``[n_nodes, dim]``, changed in place.

        Returns:
            function of a stretch that returns words read, summed loss and number of pairs where it was measured.
        """

    @abc.abstractmethod
    def step(
        self, center: Tensor, context: Tensor, bias: Tensor | None, nodes: Tensor, reach: Tensor, noise: Tensor,
        labels: Tensor | None, rate: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """One step in torch on a batch of walks; see ``core.training.torch_batches.step``.

        Args:
            labels: float32 ``[B, 1]``, or ``[B, P]`` of rows of P pairs; None where all are 1.
        """

    def data(self) -> list[np.ndarray]:
        labels = self.corpus.labels
        return [self.corpus.walks] if labels is None else [self.corpus.walks, labels]

    def start(self, module: VectorModel, context: TrainContext) -> Start:
        return find_start(*module.arrays(), self.corpus, context)

    def trainer(self, name: str, module: TableModel, config: StepsConfig, context: TrainContext) -> Trainer:
        """Compiled steps on CPU threads, or torch on whichever device; see ``StepsConfig.backend``."""
        device = find_device(context.device)
        seed = context.seed % 2**64
        if config.backend == "compiled" or (config.backend == "auto" and device.type == "cpu"):
            batch = max(_COMPILED_BATCH, _COMPILED_WORDS // self.corpus.walks.shape[1])
            batch = max(1, min(batch, self.corpus.n_walks // _FEWEST_BATCHES))
            center, contexts, bias = module.tables()
            own = None if bias is None else bias.numpy()
            kernel = self.kernel(center.numpy(), contexts.numpy(), own)
            return CompiledTrainer(kernel, self.corpus.n_walks, batch, seed, context.threads)
        batch = self.stable_batch(config.batch_walks, config.learning_rate)
        with roomy(name, device):
            module.to(device)
            return TorchTrainer(
                functools.partial(self.step, *module.tables()), self.corpus, self.drawing(), batch, seed, device,
                context.precision, self.pairs_per_row,
            )  # fmt: skip

    def stable_batch(self, wished: int, learning_rate: float) -> int:
        """Walks per batch: as wished, or fewer where the most frequent node would take too long a step.

        All gradients of a batch are taken at the same point, so a node that stands in it n times goes n times as far;
        past the point where that holds, the scores swing and training diverges. The step's length is in proportion to
        n, the learning rate and the terms of the loss per occurrence, and their product is kept below a bound.
        """
        reach = self.window + 1 if self.dynamic_window else 2 * self.window
        terms = min(reach, self.corpus.walks.shape[1]) * (1 + self.negatives) * self.roles
        per_walk = int(self.corpus.counts.max()) / self.corpus.n_walks  # times the most frequent node stands in a walk
        return max(1, min(wished, int(_LONGEST_STEP / (learning_rate * terms * per_walk))))

    def drawing(self) -> Drawing:
        """How a step is drawn."""
        noise = self.noise
        return Drawing(self.keep, noise.accept, noise.alias, self.window, self.dynamic_window, self.shared_negatives)

    def _drawing_in_kernels(self) -> Drawing:
        """The same for the kernels, which look no farther than a walk is long."""
        return self.drawing()._replace(window=min(self.window, self.corpus.walks.shape[1]))


@dataclass(frozen=True)
class SkipGramObjective(WalkObjective):
    """Skip-gram with negative sampling; the loss is written out at ``update_walk``."""

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
    """Matrix factorization on walks: one table is both center and context. The loss stands at ``update_tied``.

    Attributes:
        l2: weight of the squared length of each row that a step names.
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
        own = None if labels is None else labels[:, 0]
        return tied_step(center, bias, own, self.l2, nodes, reach, noise, self.negatives, rate)

    def _tied(self, bias: np.ndarray | None) -> Tied:
        none = np.empty(0, np.float32)
        labels = none if self.corpus.labels is None else self.corpus.labels
        return Tied(none if bias is None else bias, labels, np.float32(self.l2))


@dataclass(frozen=True)
class PairFactorization(WalkFactorization):
    """Matrix factorization on pairs, which are walks of two nodes. The loss stands at ``update_pairs``.

    Attributes:
        pairs_per_step: pairs that make a step and share its negatives.
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
