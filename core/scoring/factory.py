"""Makes the scorer that a model's registry entry names.

A source that the model has not seen gets an empty list.
"""

from core.interfaces import Model, Scorer, TrainedModel, import_target


def scorer(model: Model, trained: TrainedModel, scoring: str, threads: int = 2) -> Scorer:
    """Make the scorer for one of the model's scorings.

    Raises:
        ValueError: the model does not support the scoring, or it lacks the vectors that the scoring needs.
    """
    if scoring not in model.scorings:
        raise ValueError(f"{model.name} scores by {', '.join(model.scorings)}, not by {scoring}")
    built: Scorer = import_target(model.scorer)(trained, scoring, threads)
    return built
