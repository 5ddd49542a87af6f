"""Which of a model's lists represents it."""

from collections.abc import Sequence

from core.interfaces import NATIVE
from core.models import MODELS


def default_scoring(model: str, offered: Sequence[str]) -> str:
    """The first scoring of the model that is among those ``offered``, otherwise the first one offered."""
    preferred = MODELS[model].scorings if model in MODELS else ()
    return next((scoring for scoring in (*preferred, *offered) if scoring in offered), NATIVE)
