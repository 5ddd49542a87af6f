"""The lists that a shop loads: models trained on all pairs, under the shop's rules."""

from core.recommendations.form import (
    BOUGHT_TOGETHER,
    GOES_WITH,
    RECOMMENDATIONS,
    SIMILAR,
    SLOTS,
    SOURCES,
    FinalModels,
    Recommendations,
)

__all__ = [
    "BOUGHT_TOGETHER",
    "GOES_WITH",
    "RECOMMENDATIONS",
    "SIMILAR",
    "SLOTS",
    "SOURCES",
    "FinalModels",
    "Recommendations",
]
