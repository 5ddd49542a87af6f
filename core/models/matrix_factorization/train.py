"""Matrix factorization: its module, and pairs or walks made into what the training loop reads.

The models are those of Yan 2020, "Beating the Baseline Recommender with Graph & NLP in PyTorch": one vector per
product, whose inner products are fitted to what is a pair and what is not (after Koren et al. 2009, "Matrix
Factorization Techniques for Recommender Systems", with products on both sides).
"""

import numpy as np
import torch

from core.errors import InputError
from core.graph import ProductGraph
from core.interfaces import Inputs, TrainContext, TrainedModel
from core.models.matrix_factorization.config import (
    FactorizationConfig,
    PairsFactorizationConfig,
    SequencesFactorizationConfig,
)
from core.training.corpus import WalkCorpus, build_corpus
from core.training.loop import check_rates, train_vectors
from core.training.noise import NoiseTable, noise_table
from core.training.objectives import PairFactorization, TableModel, WalkFactorization


class MatrixFactorization(TableModel):
    """One vector, and a bias if wanted, for every product. Vectors start normally distributed, biases at zero.

    Args:
        seen: bool ``[n_nodes]``; the rows of other nodes start and stay at zero.
        dim: length of the vectors.
        start: standard deviation of the start values.
        bias: whether there are biases.
        seed: seed of the start values.
    """

    cosine = False

    def __init__(self, seen: np.ndarray, dim: int, start: float, bias: bool, seed: int) -> None:
        super().__init__()
        vectors = np.random.default_rng(seed).standard_normal((len(seen), dim), dtype=np.float32)
        vectors *= np.float32(start)
        vectors[~seen] = 0
        self.seen = seen
        self.vectors = torch.nn.Embedding.from_pretrained(torch.from_numpy(vectors), freeze=False)
        self.bias = torch.nn.Parameter(torch.zeros(len(seen))) if bias else None

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logits ``[...]`` that ``source`` and ``target`` (int64 ``[...]``) are a pair."""
        logits = (self.vectors(source) * self.vectors(target)).sum(-1)
        return logits if self.bias is None else logits + self.bias[source] + self.bias[target]

    def tables(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        vectors = self.vectors.weight.detach()
        return vectors, vectors, None if self.bias is None else self.bias.detach()

    def rows(self, nodes: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray | None]:
        """Vectors whose inner product center[i] . context[j] is the logit.

        Without biases the context is None, for it is the center. With biases these are [v, b, 1] and [v, 1, b].
        """
        vectors = self.vectors.weight.detach()[nodes].cpu().numpy()
        if self.bias is None:
            return vectors, None
        bias, one = self.bias.detach()[nodes].cpu().numpy(), self.seen[nodes]
        center = np.empty((len(vectors), vectors.shape[1] + 2), np.float32)
        center[:, :-2], center[:, -2], center[:, -1] = vectors, bias, one
        context = center.copy()
        context[:, -2], context[:, -1] = one, bias
        return center, context

    def restore(self, center: np.ndarray, contexts: np.ndarray | None) -> None:
        self.vectors.weight.data.copy_(torch.from_numpy(center[:, : self.vectors.embedding_dim]))
        if self.bias is not None:
            self.bias.data.copy_(torch.from_numpy(center[:, -2]))


def train(inputs: Inputs, config: PairsFactorizationConfig, context: TrainContext) -> TrainedModel:
    """One vector per product; logistic(v_i . v_j) is the chance that i and j are a pair of ``inputs.graph``.

    The learning curve counts pairs as examples; its loss is the mean over positive pairs, each with its share of the
    negatives. Repeatable bit for bit with one thread on a CPU.

    Raises:
        InputError: no pairs, settings that contradict each other, a device that is not there, or a learning rate at
            which training diverges.
    """
    return _train_pairs("matrix_factorization", inputs.graph, False, config, context)


def train_bias(inputs: Inputs, config: PairsFactorizationConfig, context: TrainContext) -> TrainedModel:
    """The same with a bias for every product: logistic(v_i . v_j + b_i + b_j)."""
    return _train_pairs("matrix_factorization_bias", inputs.graph, True, config, context)


def train_sequences(inputs: Inputs, config: SequencesFactorizationConfig, context: TrainContext) -> TrainedModel:
    """The same without bias on the pairs that stand near each other on ``inputs.walks``; examples are words."""
    return _train_walks("matrix_factorization_sequences", inputs.walks, inputs.n_nodes, config, context)


def _train_pairs(
    name: str, graph: ProductGraph | None, bias: bool, config: PairsFactorizationConfig, context: TrainContext
) -> TrainedModel:
    """Train on the pairs of a graph; see :func:`train`.

    A step is a few pairs, whose products share the negatives.
    """
    check_rates(name, config)
    if graph is None or not graph.n_edges:
        raise InputError(f"{name}: there are no pairs to train on; the training graph needs at least one")
    corpus = pair_corpus(graph, config.labels == "continuous")
    objective = PairFactorization(
        corpus, *_shared(corpus, config), 1, False, config.negatives, config.shared_negatives, config.l2,
        config.pairs_per_step,
    )  # fmt: skip
    module = MatrixFactorization(corpus.seen, config.dim, config.start, bias, context.seed % 2**64)
    return train_vectors(name, module, objective, config, context)


def _train_walks(
    name: str, walks: np.ndarray | None, n_nodes: int, config: SequencesFactorizationConfig, context: TrainContext
) -> TrainedModel:
    """Train on the pairs of walks; see :func:`train_sequences`."""
    check_rates(name, config)
    corpus = build_corpus(walks, n_nodes)
    objective = WalkFactorization(
        corpus, *_shared(corpus, config), config.window, config.dynamic_window, config.negatives,
        config.shared_negatives, config.l2,
    )  # fmt: skip
    module = MatrixFactorization(corpus.seen, config.dim, config.start, False, context.seed % 2**64)
    return train_vectors(name, module, objective, config, context)


def pair_corpus(graph: ProductGraph, weighted: bool) -> WalkCorpus:
    """Every pair of the graph as a walk of two nodes; ``weighted``: labeled by its weight.

    The label is the share of pairs whose weight is at most the pair's own, which is in (0, 1] and unmoved by a few very
    large weights; as a share of the largest weight most labels would be near 0, like those of the negatives.
    """
    source = np.repeat(np.arange(graph.n_nodes, dtype=np.int32), graph.degree)
    once = source < graph.indices
    pairs = np.column_stack([source[once], graph.indices[once]])
    weights = graph.weights[once]
    labels = None
    if weighted:
        labels = (np.searchsorted(np.sort(weights), weights, side="right") / len(weights)).astype(np.float32)
    return WalkCorpus(pairs, graph.degree, labels)


def _shared(corpus: WalkCorpus, config: FactorizationConfig) -> tuple[np.ndarray, NoiseTable]:
    """What is the same on pairs and on walks: every occurrence is trained on, and the noise."""
    return np.ones(len(corpus.counts), np.float32), noise_table(corpus.counts, config.noise_power)
