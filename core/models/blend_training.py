"""Training the blend's ranker: the inner split, the models on its training part, examples from its held-out part.

Belongs here: what the ranker is shown. Does not belong here: settings (``core.models.blend``), features
(``core.models.blend_features``) and the networks (``core.models.blend_ranker``).
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from core.evaluation.ranking import cold_task, ranking_task
from core.graph import ProductGraph, build_graph, transition_matrix
from core.models import MODELS
from core.models.base import Embeddings, Inputs, TrainContext
from core.models.blend import BlendConfig
from core.models.blend_features import PairFeatures, described
from core.models.blend_ranker import Examples, train_ranker
from core.models.blend_scorer import Candidates
from core.split import PairSplit, SplitConfig, split_pairs
from core.walks import WalksConfig, random_walks, walk_starts


@dataclass(frozen=True)
class Trained:
    """What is kept: matrices and arrays for scoring, the mean loss of every epoch, and facts for people."""

    matrices: dict[str, sp.csr_matrix]
    arrays: dict[str, np.ndarray]
    losses: list[float]
    facts: dict[str, Any]


def train(inputs: Inputs, config: BlendConfig, context: TrainContext) -> Trained:
    """See :func:`core.models.blend.train`."""
    if inputs.products is None or inputs.graph is None or inputs.walks is None or not inputs.models:
        raise ValueError("blend needs products, the training graph, walks and trained models")
    content, facts = described(inputs.products)
    inner = _inner_split(inputs.graph, inputs.products["has_metadata"].to_numpy(), config, context.seed)
    graph = build_graph(inner.n_nodes, inner.train_source, inner.train_target, inner.train_weight)
    transition = transition_matrix(graph)
    walks = _walks_like(inputs.walks, inputs.graph, transition, context)
    inner_inputs = Inputs(inputs.n_nodes, inputs.products, graph, transition, walks)
    parts = _inner_models(inputs.models, inner_inputs, context)
    features = PairFeatures(graph, content, facts, parts, context.threads)
    examples = _examples(inner, graph, features, config, context)
    losses: list[float] = []

    def done(epoch: int, loss: float) -> None:
        losses.append(loss)
        context.progress("ranker", epoch, config.epochs, "epochs")

    ranker, halvings = train_ranker(
        examples, config.networks, config.hidden, config.epochs, config.learning_rate, context.seed % 2**64, done,
        context.device, context.precision,
    )  # fmt: skip
    return Trained(
        {"pairs": inputs.graph.adjacency(), "content": content},
        {**facts, **{f"ranker.{name}": value for name, value in ranker.items()}},
        losses,
        {
            "lists": len(examples.starts) - 1,
            "pairs": len(examples.pairs),
            "features": examples.pairs.shape[1],
            "precision": context.precision,
            "out_of_memory_halvings": halvings,
        },
    )


def _inner_split(graph: ProductGraph, has_metadata: np.ndarray, config: BlendConfig, seed: int) -> PairSplit:
    """The training pairs, split like the category's pairs but by another seed."""
    source = np.repeat(np.arange(graph.n_nodes, dtype=np.int32), graph.degree)
    once = source < graph.indices
    shares = SplitConfig(validation_share=config.held_back_share, cold_share=config.cold_share)
    return split_pairs(
        graph.n_nodes, source[once], graph.indices[once], graph.weights[once], has_metadata, shares, seed + 1
    )


def _walks_like(walks: np.ndarray, graph: ProductGraph, inner: sp.csr_matrix, context: TrainContext) -> np.ndarray:
    """Walks on the inner graph, as many from a node and as long as those on the whole graph."""
    per_node = max(1, round(len(walks) / max(1, len(walk_starts(graph)))))
    shape = WalksConfig(walks_per_node=per_node, walk_length=walks.shape[1])
    return random_walks(inner, shape, context.seed, context.threads, progress=context.progress)


def _inner_models(models: dict[str, Embeddings], inputs: Inputs, context: TrainContext) -> dict[str, Embeddings]:
    """The blended models, with the settings they were trained with, on the inner training part."""
    quiet = dataclasses.replace(context, probe=None, checkpoints=None)
    return {
        name: MODELS[name].fit(inputs, MODELS[name].config_class(**part.info["config"]), quiet)
        for name, part in models.items()
    }


def _examples(
    inner: PairSplit, graph: ProductGraph, features: PairFeatures, config: BlendConfig, context: TrainContext
) -> Examples:
    rng = np.random.default_rng(context.seed)
    lists, starts, relevant = [], [np.zeros(1, dtype=np.int64)], []
    candidates = Candidates(graph, features, config.candidates, context.threads)
    tasks = [ranking_task(inner, graph, config.lists, context.seed)]
    if len(inner.cold_source):
        tasks.append(cold_task(inner, max(1, config.lists // 10), context.seed))
    for task in tasks:
        row, node = candidates(task.sources, graph.adjacency()[task.sources], 1)
        wanted = task.is_target(row, node)
        useful = np.bincount(row, wanted, minlength=len(task.sources)) > 0
        row, node, wanted = (part[useful[row]] for part in (row, node, wanted))
        lists.append(features.forth(task.sources[row], node))
        starts.append(starts[-1][-1] + np.cumsum(np.bincount(row, minlength=len(task.sources))[useful]))
        relevant.append(wanted)

    related = ((inner.valid_source, inner.valid_target), (inner.cold_source, inner.cold_target))
    matched, uniform = inner.cold_matched_target, inner.cold_uniform_target
    unrelated = (
        (inner.published_source, inner.published_target),
        (inner.matched_source, inner.matched_target),
        (inner.cold_source[matched >= 0], matched[matched >= 0]),
        (inner.cold_source[uniform >= 0], uniform[uniform >= 0]),
    )
    pairs, labels = [], []
    for label, kinds in ((True, related), (False, unrelated)):
        for source, target in kinds:
            chosen = rng.permutation(len(source))[: config.pairs]
            turn = rng.random(len(chosen)) < 0.5
            source, target = source[chosen], target[chosen]
            pairs.append(features.forth(np.where(turn, source, target), np.where(turn, target, source)))
            labels.append(np.full(len(chosen), label))
    return Examples(
        np.concatenate(lists), np.concatenate(starts), np.concatenate(relevant),
        np.concatenate(pairs), np.concatenate(labels),
    )  # fmt: skip
