"""Personalized PageRank on the training graph: its settings and the matrix that is stored for scoring."""

from dataclasses import asdict, dataclass

from core.interfaces import Inputs, TrainContext, TrainedModel
from core.settings import setting


@dataclass(frozen=True)
class PageRankConfig:
    """Settings of personalized PageRank."""

    damping: float = setting(
        0.85,
        "Probability that the walk continues instead of restarting; lower values stay closer to the product.",
        ge=0.01,
        le=0.99,
    )
    tolerance: float = setting(
        3e-5,
        "Maximum error of a score, per unit of the target's summed pair weights; a tenth of it takes up to ten times "
        "as long.",
        ge=1e-12,
        le=1.0,
    )


def train(inputs: Inputs, config: PageRankConfig, context: TrainContext) -> TrainedModel:
    """Score of a list entry = PageRank of j with all restarts at i.

    Page, Brin, Motwani and Winograd, "The PageRank citation ranking" (1999), section 6; as a series, sum over t of
    (1 - damping) damping**t P**t. A pair scores the mean of both directions.

    Returns:
        TrainedModel whose matrix ``pagerank`` is the adjacency, float32 ``[n_nodes, n_nodes]``.
    """
    if inputs.graph is None:
        raise ValueError("personalized_pagerank needs the training graph")
    return TrainedModel(
        model="personalized_pagerank",
        seen=inputs.graph.degree > 0,
        matrices={"pagerank": inputs.graph.adjacency()},
        info={"config": asdict(config), "device": "cpu"},
    )
