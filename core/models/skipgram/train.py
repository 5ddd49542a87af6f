"""Skip-gram with negative sampling on walks or sessions: its module and its objective.

The model is that of Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
Compositionality", with products instead of words, and walks (DeepWalk, Perozzi et al. 2014) or sessions instead of
sentences.
"""

import numpy as np
import torch

from core.interfaces import Inputs, TrainContext, TrainedModel
from core.models.skipgram.config import SkipGramConfig, SkipGramTrainingConfig
from core.training.corpus import build_corpus, keep_probability
from core.training.loop import check_rates, train_vectors
from core.training.noise import noise_table
from core.training.objectives import SkipGramObjective, TableModel, embedding
from core.training.sequences import sequences


class SkipGram(TableModel):
    """Two vectors for every node: one as a center, one as the context of others.

    Centers start uniformly distributed in ±1/(2 dim) and contexts at zero, as in word2vec.

    Args:
        seen: bool ``[n_nodes]``; the rows of other nodes start and stay at zero.
        dim: length of the vectors.
        seed: seed of the start values.
    """

    def __init__(self, seen: np.ndarray, dim: int, seed: int) -> None:
        super().__init__()
        self.seen = seen
        start = np.random.default_rng(seed).random((len(seen), dim), dtype=np.float32)
        start -= 0.5
        start /= dim
        start[~seen] = 0
        self.center = embedding(torch.from_numpy(start))
        self.context = embedding(torch.zeros(len(seen), dim))

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logits ``[...]`` that ``target`` (int64 ``[...]``) is near ``source`` on a walk."""
        logits: torch.Tensor = (self.center(source) * self.context(target)).sum(-1)
        return logits

    def tables(self) -> tuple[torch.Tensor, torch.Tensor, None]:
        return self.center.weight.detach(), self.context.weight.detach(), None

    def rows(self, nodes: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        """Center and context vectors; on a CPU the vectors of all nodes share the module's memory."""
        center, context = self.center.weight.detach(), self.context.weight.detach()
        return center[nodes].cpu().numpy(), context[nodes].cpu().numpy()

    def restore(self, center: np.ndarray, contexts: np.ndarray | None) -> None:
        self.center.weight.data.copy_(torch.from_numpy(center))
        if contexts is not None:
            self.context.weight.data.copy_(torch.from_numpy(contexts))


def train(inputs: Inputs, config: SkipGramConfig, context: TrainContext) -> TrainedModel:
    """Train on the walks, on the sessions or on both, as ``config.learns_from`` says.

    The learning curve counts words (node occurrences read, before subsampling) as examples; its loss is the mean over
    positive pairs, each with its share of the negatives. The result is repeatable bit for bit with one thread on a CPU.

    Raises:
        InputError: there are no walks, the walks belong to another graph, the settings contradict each other, the
            device does not exist, or training diverges with this learning rate.
    """
    return _train_on_sequences("skipgram", inputs, config, context)


def train_sessions(inputs: Inputs, config: SkipGramConfig, context: TrainContext) -> TrainedModel:
    """As :func:`train`; by default on the sessions."""
    return _train_on_sequences("skipgram_sessions", inputs, config, context)


def train_both(inputs: Inputs, config: SkipGramConfig, context: TrainContext) -> TrainedModel:
    """As :func:`train`; by default on walks and sessions together."""
    return _train_on_sequences("skipgram_both", inputs, config, context)


def train_node2vec(inputs: Inputs, config: SkipGramTrainingConfig, context: TrainContext) -> TrainedModel:
    """As :func:`train` on ``inputs.node2vec_walks``, which makes it node2vec (Grover and Leskovec, KDD 2016)."""
    return train_on_walks("node2vec", inputs.node2vec_walks, inputs.n_nodes, config, context)


def _train_on_sequences(name: str, inputs: Inputs, config: SkipGramConfig, context: TrainContext) -> TrainedModel:
    return train_on_walks(name, sequences(inputs, config.learns_from), inputs.n_nodes, config, context)


def train_on_walks(
    name: str, walks: np.ndarray | None, n_nodes: int, config: SkipGramTrainingConfig, context: TrainContext
) -> TrainedModel:
    """Train on the given walks, or on other sequences in their form; see :func:`train`.

    Args:
        name: registry name of the model, used for progress, errors and checkpoints.
        walks: int32 ``[n_walks, walk_length]``, padded with -1.
        n_nodes: number of products.
        config: settings.
        context: circumstances of the run.
    """
    check_rates(name, config)
    corpus = build_corpus(walks, n_nodes)
    objective = SkipGramObjective(
        corpus,
        keep_probability(corpus.counts, config.subsample),
        noise_table(corpus.counts, config.noise_power),
        config.window,
        config.dynamic_window,
        config.negatives,
        config.shared_negatives,
    )
    model = SkipGram(corpus.seen, config.dim, context.seed % 2**64)
    return train_vectors(name, model, objective, config, context)
