"""RP3β: three steps of a random walk on the training graph, with popular targets damped."""

from dataclasses import asdict, dataclass

import numpy as np
import scipy.sparse as sp

from core.graph import transition_matrix
from core.interfaces import Inputs, TrainContext, TrainedModel
from core.settings import setting

WEIGHT, DEGREE = "weight", "degree"
_SMALLEST, _LARGEST = np.finfo(np.float32).tiny, 1e30
"""Bounds of a damped probability, so that no weight of a source makes a float32 zero or infinite."""


@dataclass(frozen=True)
class RP3BetaConfig:
    """Settings of RP3β."""

    beta: float = setting(
        0.2,
        "Power of the target's popularity by which scores are divided: 0 does not damp popular targets (P3), 1 divides "
        "by the full popularity.",
        ge=0,
        le=2,
    )
    popularity: str = setting(
        WEIGHT,
        "A target's popularity: the sum of the weights of its training pairs (`weight`), or their number (`degree`), "
        "as in the paper.",
        choices=(WEIGHT, DEGREE),
    )


def train(inputs: Inputs, config: RP3BetaConfig, context: TrainContext) -> TrainedModel:
    """Score of a list entry = (P³)[i, j] / popularity(j) ** beta, with P the transition matrix of the training graph.

    Paudel, Christoffel, Newell and Bernstein, "Updatable, Accurate, Diverse, and Scalable Recommendations for
    Interactive Applications" (ACM TiiS, 2016), section 3.2.3. There, three steps lead from a user via an item and
    another user to an item; here they lead from a product via a product that goes with it and one that is like it to
    another product that goes with it.

    Returns:
        TrainedModel with ``chain_0`` = ``chain_1`` = P and ``chain_2`` = P D^-beta, float32 ``[n_nodes, n_nodes]``; D
        has the popularities.
    """
    if inputs.graph is None:
        raise ValueError("rp3beta needs the training graph")
    with context.clock.phase("training"):
        graph = inputs.graph
        step = transition_matrix(graph).astype(np.float32)
        popularity = graph.degree if config.popularity == DEGREE else graph.strength
        # No step leads to products without pairs.
        damping = np.where(popularity > 0, popularity, 1.0)[graph.indices] ** -config.beta
        damped = np.clip(step.data * damping, _SMALLEST, _LARGEST).astype(np.float32)
        last = sp.csr_matrix((damped, graph.indices, graph.indptr), shape=step.shape)
    return TrainedModel(
        model="rp3beta",
        seen=graph.degree > 0,
        matrices={"chain_0": step, "chain_1": step, "chain_2": last},
        info={"config": asdict(config), "device": "cpu"},
    )
