"""The two questions that lists answer, and which of a model's lists represents it."""

from collections.abc import Sequence

from core.interfaces import CENTER_CENTER, NATIVE
from core.models import MODELS

GOES_WITH, SIMILAR_TO = "Goes with", "Similar to"
QUESTIONS = (GOES_WITH, SIMILAR_TO)
"""What a customer might choose as well, and what a customer might choose instead."""


def default_scoring(model: str, offered: Sequence[str]) -> str:
    """The first scoring of the model that is among those ``offered``, otherwise the first one offered."""
    preferred = MODELS[model].scorings if model in MODELS else ()
    return next((scoring for scoring in (*preferred, *offered) if scoring in offered), NATIVE)


def answers(scoring: str) -> str:
    """The question that lists with a scoring answer; see ``core.recommendations.choice``."""
    return SIMILAR_TO if scoring == CENTER_CENTER else GOES_WITH


def scoring_for(question: str, model: str, offered: Sequence[str]) -> str | None:
    """The scoring with which a model answers a question, or None if none of those ``offered`` does."""
    fitting = [scoring for scoring in offered if answers(scoring) == question]
    return default_scoring(model, fitting) if fitting else None
