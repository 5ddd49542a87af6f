"""Training the blend: the inner split, the models on its training part, and the ranker on its held-out part.

The ranker must see scores of pairs that the models were not trained on; otherwise it would learn to trust what they
know by heart. So the training pairs are split once more, like the category's pairs; the models are trained again on the
inner training part, and the inner held-out pairs (and inner cold products) are the ranker's examples. Afterwards the
ranker is applied to the scores of the models that were trained on all training pairs. The held-out pairs of the
category itself are not among its inputs.
"""

import dataclasses
import time
from dataclasses import asdict

import numpy as np
import scipy.sparse as sp

from core.graph import ProductGraph, build_graph, transition_matrix
from core.interfaces import LEARNING_CURVE, WALKS, Inputs, TrainContext, TrainedModel
from core.models import MODELS
from core.models.blend.candidates import Candidates
from core.models.blend.config import BlendConfig
from core.models.blend.features import PairFeatures, described
from core.models.blend.ranker import Examples, train_ranker
from core.orders.row_cuts import without_held_out
from core.pairs.ranking_task import cold_task, ranking_task
from core.pairs.split import PairSplit, SplitConfig, split_pairs, with_training_weights
from core.walks import WalksConfig, random_walks, walk_starts


def train(inputs: Inputs, config: BlendConfig, context: TrainContext) -> TrainedModel:
    """Train the ranker; the header of this module describes how.

    Returns:
        TrainedModel with ``parts``: what the blended models learned from all training pairs; ``matrices``: ``pairs``
        (the adjacency) and ``content``; ``arrays``: ``brand``, ``log_price`` and the networks, ``ranker.*``. ``seen``
        marks the products that any part has seen. The learning curve holds the ranker's loss per epoch.

    Raises:
        InputError: for the same reasons as the blended models.
    """
    if inputs.products is None or inputs.graph is None or inputs.walks is None or not inputs.models:
        raise ValueError("blend needs products, the training graph, walks and trained models")
    started = time.perf_counter()
    content, facts = described(inputs.products)
    inner = inner_split(inputs, config, context.seed)
    graph = build_graph(inner.n_nodes, inner.train.source, inner.train.target, inner.train.weight)
    transition = transition_matrix(graph)
    walks = _walks_like(inputs.walks, inputs.graph, transition, context)
    sessions = _inner_sessions(inputs, inner)
    inner_inputs = Inputs(inputs.n_nodes, inputs.products, graph, transition, walks, sessions=sessions)
    parts = _inner_models(inputs.models, inner_inputs, context)
    features = PairFeatures(graph, content, facts, parts, context.threads)
    examples = _examples(inner, graph, features, config, context)
    ranker, training = train_ranker(examples, config, context)
    return TrainedModel(
        model="blend",
        seen=np.logical_or.reduce([part.seen for part in inputs.models.values()]),
        parts=inputs.models,
        matrices={"pairs": inputs.graph.adjacency(), "content": content},
        arrays={**facts, **{f"ranker.{name}": value for name, value in ranker.items()}},
        learning_curve=training.curve if training else LEARNING_CURVE.empty_table(),
        info={
            "device": context.device,
            "precision": context.precision,
            "out_of_memory_halvings": 0,
            **(training.info if training else {}),
            "threads": context.threads,
            "config": asdict(config),
            "lists": len(examples.starts) - 1,
            "pairs": len(examples.pairs),
            "features": examples.pairs.shape[1],
            "seconds": time.perf_counter() - started,
        },
    )


def inner_split(inputs: Inputs, config: BlendConfig, seed: int) -> PairSplit:
    """The training pairs, split like the category's pairs but with another seed."""
    if inputs.products is None or inputs.graph is None:
        raise ValueError("blend needs products and the training graph")
    has_metadata = inputs.products["has_metadata"].to_numpy()
    shares = SplitConfig(validation_share=config.held_back_share, cold_share=config.cold_share)
    split = split_pairs(inputs.n_nodes, *inputs.graph.edges(), has_metadata, shares, seed + 1)
    return split if inputs.training_pairs is None else with_training_weights(split, inputs.training_pairs())


def _walks_like(walks: np.ndarray, graph: ProductGraph, inner: sp.csr_matrix, context: TrainContext) -> np.ndarray:
    """Walks on the inner graph, with the number per node and the length of those on the whole graph."""
    per_node = max(1, round(len(walks) / max(1, len(walk_starts(graph)))))
    shape = WalksConfig(walks_per_node=per_node, walk_length=walks.shape[1])
    return random_walks(inner, shape, context.seed, context.threads, progress=context.progress)


def _inner_sessions(inputs: Inputs, inner: PairSplit) -> np.ndarray | None:
    """The sessions without what the inner split holds out; None if no blended model learns from them."""
    sources = {part.info["config"].get("learns_from", WALKS) for part in inputs.models.values()}
    if inputs.sessions is None or sources == {WALKS}:
        return None
    return without_held_out(inputs.sessions, inner)


def _inner_models(models: dict[str, TrainedModel], inputs: Inputs, context: TrainContext) -> dict[str, TrainedModel]:
    """The blended models, trained on the inner training part with the same settings."""
    quiet = dataclasses.replace(context, probe=None, checkpoints=None)
    return {
        name: MODELS[name].fit(inputs, MODELS[name].config_class(**part.info["config"]), quiet, context.clock)
        for name, part in models.items()
    }


def _examples(
    inner: PairSplit, graph: ProductGraph, features: PairFeatures, config: BlendConfig, context: TrainContext
) -> Examples:
    rng = np.random.default_rng(context.seed)
    lists, starts, relevant = [], [np.zeros(1, dtype=np.int64)], []
    candidates = Candidates(graph, features, config.candidates, context.threads)
    tasks = [ranking_task(inner, graph, config.lists, context.seed)]
    if len(inner.cold_pairs.source):
        tasks.append(cold_task(inner, max(1, config.lists // 10), context.seed))
    for task in tasks:
        row, node = candidates(task.sources, graph.adjacency()[task.sources], 1)
        is_target = task.is_target(row, node)
        has_target = np.bincount(row, is_target, minlength=len(task.sources)) > 0
        row, node, is_target = (part[has_target[row]] for part in (row, node, is_target))
        lists.append(features.forth(task.sources[row], node))
        starts.append(starts[-1][-1] + np.cumsum(np.bincount(row, minlength=len(task.sources))[has_target]))
        relevant.append(is_target)

    related = ((inner.validation.source, inner.validation.target), (inner.cold_pairs.source, inner.cold_pairs.target))
    matched, uniform = inner.cold_degree_matched, inner.cold_uniform
    unrelated = (
        (inner.uniform_negatives.source, inner.uniform_negatives.target),
        (inner.degree_matched_negatives.source, inner.degree_matched_negatives.target),
        (inner.cold_pairs.source[matched >= 0], matched[matched >= 0]),
        (inner.cold_pairs.source[uniform >= 0], uniform[uniform >= 0]),
    )
    pairs, labels = [], []
    for label, kinds in ((True, related), (False, unrelated)):
        for source, target in kinds:
            chosen = rng.permutation(len(source))[: config.pairs]
            forth = rng.random(len(chosen)) < 0.5
            source, target = source[chosen], target[chosen]
            pairs.append(features.forth(np.where(forth, source, target), np.where(forth, target, source)))
            labels.append(np.full(len(chosen), label))
    return Examples(
        np.concatenate(lists), np.concatenate(starts), np.concatenate(relevant),
        np.concatenate(pairs), np.concatenate(labels),
    )  # fmt: skip
