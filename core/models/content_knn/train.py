"""Cold start by content: a product goes with the partners of products with the same brand and categories."""

from dataclasses import asdict

from core.interfaces import Inputs, TrainContext, TrainedModel
from core.models.content_knn.config import ContentConfig
from core.models.content_knn.similarity import features, similar_products


def train(inputs: Inputs, config: ContentConfig, context: TrainContext) -> TrainedModel:
    """Score of a list entry = sum over products k similar to i of cos(i, k) ** power * w[k, j].

    The cosine is that of brand and categories weighted by inverse document frequency
    (:func:`core.models.content_knn.similarity.features`); w is the weight of the training pair. A product is similar to
    itself with weight 1. So a product without any pair is scored by the pairs of similar products, and a product
    without metadata by its own pairs: k-nearest-neighbour collaborative filtering in which content chooses the
    neighbours.

    Returns:
        TrainedModel with ``chain_0`` = similar products and ``chain_1`` = training pairs, float32
        ``[n_nodes, n_nodes]``. ``seen`` marks the products with a training pair, and those that are similar to one.
    """
    if inputs.products is None or inputs.graph is None:
        raise ValueError("content_knn needs the products and the training graph")
    with context.clock.phase("training"):
        described = features(inputs.products)
        matrix = similar_products(
            described, inputs.graph.degree, config.floor, config.power, config.keep, config.fan_out,
            context.threads, context.progress,
        )  # fmt: skip
        pairs = inputs.graph.adjacency()
    return TrainedModel(
        model="content_knn",
        seen=(matrix.indptr[1:] > matrix.indptr[:-1]),
        matrices={"chain_0": matrix, "chain_1": pairs},
        info={
            "config": asdict(config),
            "device": "cpu",
            "stored": int(matrix.nnz),
            "values": described.shape[1],
        },
    )
