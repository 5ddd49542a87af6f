"""Settings of the final models and of a shop's lists."""

from dataclasses import dataclass

from core.interfaces import CENTER_CENTER
from core.models import MODELS
from core.settings import setting

FINAL_VERSION = "1"
"""Raised whenever the same inputs and settings give other final models."""
LISTS_VERSION = "1"
"""Raised whenever the same final models, rules, stock and pins give other lists."""

BEST, NONE = "best", "none"
"""Instead of a model's name: the best by the leaderboard, or no lists for the slot."""

_GOES_WITH = (BEST, NONE, *(name for name, model in MODELS.items() if set(model.scorings) - {CENTER_CENTER}))
_SIMILAR = (BEST, NONE, *(name for name, model in MODELS.items() if CENTER_CENTER in model.scorings))


@dataclass(frozen=True)
class FinalModelsConfig:
    """Which models make a shop's lists. They are trained on all pairs, with the settings that were judged."""

    goes_with: str = setting(
        BEST,
        "Model of the lists of what a customer might choose as well: `best` is the one with the best recall@10, and "
        "`none` makes no such lists.",
        choices=_GOES_WITH,
    )
    similar: str = setting(
        BEST,
        "Model of the lists of what a customer might choose instead: one that compares products by their own vectors.",
        choices=_SIMILAR,
    )
    bought_together: str = setting(
        BEST,
        "Model of the lists of what was in the same orders; only categories with order lines have them. `best` is the "
        "one that finds most of the other products of held-out orders.",
        choices=_GOES_WITH,
    )


@dataclass(frozen=True)
class RecommendationsConfig:
    """A shop's lists. The rules that they keep are in categories.yaml, under `rules`."""

    k: int = setting(20, "Length of the lists.", ge=1, le=1_000)
    fetch: int = setting(
        3, "Number of candidates fetched from a model per place of a list, before the rules are applied.", ge=1, le=100
    )
    fetch_limit: int = setting(
        1_000,
        "Maximum number of candidates fetched per product if the rules leave out so many that a list is not full.",
        ge=1,
        le=100_000,
    )
    exact_up_to: int = setting(
        200_000,
        "Number of products up to which vector search is exact; above it, an IVF index is used.",
        ge=0,
        le=100_000_000,
    )
