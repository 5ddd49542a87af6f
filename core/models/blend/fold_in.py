"""The blend for the products and pairs of today: its parts are folded in, and its networks stay as they are."""

import dataclasses

import numpy as np

from core.interfaces import Inputs, TrainContext, TrainedModel
from core.models.blend.features import described


def fold_in(trained: TrainedModel, known: np.ndarray, inputs: Inputs, context: TrainContext) -> TrainedModel:
    """Take paths, degrees and metadata from today's graph and products; the networks judge them as they learned to.

    Args:
        trained: what was learned, in the order of today's products.
        known: not used; the parts know it.
        inputs: with ``graph``, ``products`` and ``models``, the parts, which are folded in already.
        context: circumstances of the run.
    """
    if inputs.products is None or inputs.graph is None or not inputs.models:
        raise ValueError("blend needs products, the graph and the models that it is built of")
    with context.clock.phase("training"):
        content, facts = described(inputs.products)
    networks = {name: value for name, value in trained.arrays.items() if name.startswith("ranker.")}
    return dataclasses.replace(
        trained,
        seen=np.logical_or.reduce([part.seen for part in inputs.models.values()]),
        parts=inputs.models,
        matrices={"pairs": inputs.graph.adjacency(), "content": content},
        arrays={**facts, **networks},
    )
