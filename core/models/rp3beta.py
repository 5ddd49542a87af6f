"""RP3β: three steps of a random walk on the training graph, with popular targets damped."""

from dataclasses import asdict, dataclass

import numpy as np
import scipy.sparse as sp

from core.graph import transition_matrix
from core.interfaces import Inputs, TrainContext, TrainedModel
from core.settings import setting


@dataclass(frozen=True)
class RP3BetaConfig:
    """Settings of RP3β."""

    beta: float = setting(
        0.25,
        "Power of the target's degree by which scores are divided: 0 does not damp popular targets (P3), 1 divides by "
        "the full degree.",
        ge=0,
        le=2,
    )


def train(inputs: Inputs, config: RP3BetaConfig, context: TrainContext) -> TrainedModel:
    """Score of a list entry = (P³)[i, j] / degree(j) ** beta, with P the transition matrix of the training graph.

    Paudel, Christoffel, Newell and Bernstein, "Updatable, Accurate, Diverse, and Scalable Recommendations for
    Interactive Applications" (ACM TiiS, 2016), section 3.2.3. There, three steps lead from a user via an item and
    another user to an item; here they lead from a product via a product that goes with it and one that is like it to
    another product that goes with it.

    Returns:
        TrainedModel with ``chain_0`` = ``chain_1`` = P and ``chain_2`` = P D^-beta, float32 ``[n_nodes, n_nodes]``.
    """
    if inputs.graph is None:
        raise ValueError("rp3beta needs the training graph")
    with context.clock.phase("training"):
        graph = inputs.graph
        step = transition_matrix(graph).astype(np.float32)
        damping = np.maximum(graph.degree, 1.0) ** -config.beta  # no step leads to products of degree 0
        last = sp.csr_matrix(
            ((step.data * damping[graph.indices]).astype(np.float32), graph.indices, graph.indptr), shape=step.shape
        )
    return TrainedModel(
        model="rp3beta",
        seen=graph.degree > 0,
        matrices={"chain_0": step, "chain_1": step, "chain_2": last},
        info={"config": asdict(config), "device": "cpu"},
    )
