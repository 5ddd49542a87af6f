"""What stands out on curves: cliffs, restarts of a learning rate, and the series to draw first."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.evaluation.verdict import FLOOR
from core.models import MODELS

_CLIFF = 0.05
"""Minimum share of the pairs gained at one threshold for it to count as a cliff."""


@dataclass(frozen=True)
class Cliff:
    """A threshold at which many pairs are gained at once.

    Attributes:
        threshold: the score that these pairs share.
        positives, negatives: shares of the positive and of the negative pairs gained there.
        before, after: precision just above the threshold and at it.
    """

    threshold: float
    positives: float
    negatives: float
    before: float
    after: float


def find_cliff(curve: pd.DataFrame) -> Cliff | None:
    """The widest step of a curve, or None if no step gains a twentieth of all pairs.

    Curves have a point for at most every 1 % of the pairs, unless many pairs share a score because the model cannot
    place them.
    """
    if len(curve) < 2:
        return None
    steps = curve[["recall", "false_positive_rate"]].diff()
    width = steps.sum(axis="columns").to_numpy()
    widest = int(np.argmax(width))
    row, above = curve.iloc[widest], curve.iloc[widest - 1]
    if width[widest] < 2 * _CLIFF or not np.isfinite(row["threshold"]):
        return None
    gained = steps.iloc[widest]
    return Cliff(
        float(row["threshold"]),
        float(gained["recall"]),
        float(gained["false_positive_rate"]),
        float(above["precision"]),
        float(row["precision"]),
    )


def find_restarts(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of learning curves whose learning rate is at least 1 % higher than in the previous row."""
    before = curves.groupby("model", sort=False)["learning_rate"].shift()
    return curves[curves["learning_rate"] > before * 1.01]


def foremost_series(points: pd.DataFrame, count: int = 5) -> list[str]:
    """The series selected at first: the better list of the ``count`` models with the largest F1, and popularity.

    Args:
        points: operating points with the columns model, series and f1.
        count: number of models besides popularity.
    """
    best = points.groupby(["model", "series"], sort=False)["f1"].max().sort_values(ascending=False).reset_index()
    best = best.drop_duplicates("model")
    chosen = pd.concat([best[best["model"] != FLOOR].head(count), best[best["model"] == FLOOR]])
    return [str(name) for name in chosen["series"]]


def first_series_with_cliff(points: pd.DataFrame, series: list[str]) -> str:
    """The series whose thresholds are shown first: a model that learns and has a cliff, otherwise the largest F1.

    A cliff is something that no average shows.
    """
    for label in series:
        curve = points[points["series"] == label]
        model = curve["model"].iloc[0]
        if model in MODELS and MODELS[model].learns and find_cliff(curve) is not None:
            return label
    return foremost_series(points)[0]
