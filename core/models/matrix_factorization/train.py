"""Matrix factorization: its module, and its training on pairs or on walks.

The models are those of Yan 2020, "Beating the Baseline Recommender with Graph & NLP in PyTorch": one vector per
product, with inner products that separate pairs from other products (after Koren et al. 2009, "Matrix Factorization
Techniques for Recommender Systems", with products on both sides).
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
from core.training.objectives import PairFactorization, TableModel, WalkFactorization, embedding
from core.training.sequences import sequences


class MatrixFactorization(TableModel):
    """One vector, and optionally a bias, for every product. Vectors start normally distributed, biases at zero.

    Args:
        seen: bool ``[n_nodes]``; the rows of other nodes start and stay at zero.
        dim: length of the vectors.
        start: standard deviation of the start values.
        bias: whether products have biases.
        seed: seed of the start values.
    """

    cosine = False

    def __init__(self, seen: np.ndarray, dim: int, start: float, bias: bool, seed: int) -> None:
        super().__init__()
        vectors = np.random.default_rng(seed).standard_normal((len(seen), dim), dtype=np.float32)
        vectors *= np.float32(start)
        vectors[~seen] = 0
        self.seen = seen
        self.vectors = embedding(torch.from_numpy(vectors))
        self.bias = torch.nn.Parameter(torch.zeros(len(seen))) if bias else None

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logits ``[...]`` that ``source`` and ``target`` (int64 ``[...]``) are a pair."""
        logits: torch.Tensor = (self.vectors(source) * self.vectors(target)).sum(-1)
        return logits if self.bias is None else logits + self.bias[source] + self.bias[target]

    def tables(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        vectors = self.vectors.weight.detach()
        return vectors, vectors, None if self.bias is None else self.bias.detach()

    def rows(self, nodes: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray | None]:
        """Vectors whose inner product center[i] . context[j] is the logit.

        Without biases the context equals the center and is None. With biases the two are [v, b, 1] and [v, 1, b].
        """
        vectors = self.vectors.weight.detach()[nodes].cpu().numpy()
        if self.bias is None:
            return vectors, None
        bias, seen = self.bias.detach()[nodes].cpu().numpy(), self.seen[nodes]
        center = np.empty((len(vectors), vectors.shape[1] + 2), np.float32)
        center[:, :-2], center[:, -2], center[:, -1] = vectors, bias, seen
        context = center.copy()
        context[:, -2], context[:, -1] = seen, bias
        return center, context

    def restore(self, center: np.ndarray, contexts: np.ndarray | None) -> None:
        self.vectors.weight.data.copy_(torch.from_numpy(center[:, : self.vectors.embedding_dim]))
        if self.bias is not None:
            self.bias.data.copy_(torch.from_numpy(center[:, -2]))


def train(inputs: Inputs, config: PairsFactorizationConfig, context: TrainContext) -> TrainedModel:
    """One vector per product; logistic(v_i . v_j) is the probability that i and j are a pair of ``inputs.graph``.

    The learning curve counts pairs as examples; its loss is the mean over positive pairs, each with its share of the
    negatives. The result is repeatable bit for bit with one thread on a CPU.

    Raises:
        InputError: there are no pairs, the settings contradict each other, the device does not exist, or training
            diverges with this learning rate.
    """
    return _train_pairs("matrix_factorization", inputs.graph, False, config, context)


def train_bias(inputs: Inputs, config: PairsFactorizationConfig, context: TrainContext) -> TrainedModel:
    """As :func:`train`, with a bias for every product: logistic(v_i . v_j + b_i + b_j)."""
    return _train_pairs("matrix_factorization_bias", inputs.graph, True, config, context)


def train_sequences(inputs: Inputs, config: SequencesFactorizationConfig, context: TrainContext) -> TrainedModel:
    """As :func:`train`, on products that are near each other on walks or sessions; examples are words."""
    rows = sequences(inputs, config.learns_from)
    return _train_walks("matrix_factorization_sequences", rows, inputs.n_nodes, config, context)


def _train_pairs(
    name: str, graph: ProductGraph | None, bias: bool, config: PairsFactorizationConfig, context: TrainContext
) -> TrainedModel:
    """Train on the pairs of a graph; see :func:`train`. A step is a few pairs, whose products share the negatives."""
    check_rates(name, config)
    if graph is None or not graph.n_edges:
        raise InputError(f"{name}: there are no pairs to train on; the training graph needs at least one pair")
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
    """Every pair of the graph as a walk of two nodes, with a label from its weight if ``weighted``.

    The label is the share of pairs whose weight is at most the pair's own. It is in (0, 1], and a few very large
    weights do not change it; as shares of the largest weight most labels would be near 0, like those of the negatives.
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
    """What pairs and walks share: the keep probabilities, which are all 1, and the noise."""
    return np.ones(len(corpus.counts), np.float32), noise_table(corpus.counts, config.noise_power)
