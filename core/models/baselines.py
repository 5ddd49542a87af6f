"""Models that learn nothing: popularity and Adamic-Adar, which every trained model has to beat."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from core.graph import ProductGraph
from core.interfaces import Inputs, TrainContext, TrainedModel
from core.settings import setting


@dataclass(frozen=True)
class PopularityConfig:
    """Settings of the popularity baseline."""

    smoothing: float = setting(
        1.0,
        "Number added to every degree, so that a pair with an unseen product is scored by the other product; 0 adds "
        "nothing.",
        ge=0.0,
        le=1_000.0,
    )


@dataclass(frozen=True)
class AdamicAdarConfig:
    """Adamic-Adar has no settings."""


def train_popularity(inputs: Inputs, config: PopularityConfig, context: TrainContext) -> TrainedModel:
    """Score of a pair = (degree(i) + smoothing) * (degree(j) + smoothing), known as preferential attachment.

    Liben-Nowell and Kleinberg, "The link-prediction problem for social networks" (2007), section 3, do not smooth.
    With smoothing, pairs with a product that has no training pair are scored by the other product's degree.

    Returns:
        TrainedModel whose ``gram`` matrix is the smoothed degree as one column, float32 ``[n_nodes, 1]``.
    """
    with context.clock.phase("training"):
        graph = _graph(inputs)
        column = sp.csr_matrix((graph.degree + config.smoothing).astype(np.float32)[:, None])
    return _trained("popularity", graph, column, {"smoothing": config.smoothing})


def train_adamic_adar(inputs: Inputs, config: AdamicAdarConfig, context: TrainContext) -> TrainedModel:
    """Score of a pair = sum over its common neighbours u of 1 / log(degree(u)).

    Adamic and Adar, "Friends and neighbors on the Web" (2003). The sum is entry (i, j) of B Bᵀ with B = A
    diag(1 / sqrt(log degree)) and A the unweighted adjacency. A node of degree 1 is never a common neighbour; its
    weight, 1 / log 1, is set to 0.

    Returns:
        TrainedModel whose ``gram`` matrix is B, float32 ``[n_nodes, n_nodes]``.
    """
    with context.clock.phase("training"):
        graph = _graph(inputs)
        weight = np.zeros(graph.n_nodes, dtype=np.float32)
        shared = graph.degree > 1
        weight[shared] = 1 / np.sqrt(np.log(graph.degree[shared]))
        n = graph.n_nodes
        matrix = sp.csr_matrix((weight[graph.indices], graph.indices, graph.indptr), shape=(n, n), copy=True)
        matrix.eliminate_zeros()
    return _trained("adamic_adar", graph, matrix, {})


def _graph(inputs: Inputs) -> ProductGraph:
    if inputs.graph is None:
        raise ValueError("the baselines need the training graph")
    return inputs.graph


def _trained(model: str, graph: ProductGraph, gram: sp.csr_matrix, config: dict[str, float]) -> TrainedModel:
    return TrainedModel(
        model=model,
        seen=graph.degree > 0,
        matrices={"gram": gram},
        info={"config": config, "device": "cpu"},
    )
