"""What stands out on a curve: the cliff of precision and recall, the restarts of a learning rate."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.models import MODELS


def foremost_series(points: pd.DataFrame, count: int = 5) -> list[str]:
    """The series ("model · scoring") that are drawn first: of the ``count`` models of the largest F1 the best scoring.

    The first model of all, the floor, is one of them: no curve says much without it.
    """
    best = points.groupby(["model", "scoring"], sort=False)["f1"].max().sort_values(ascending=False).reset_index()
    best = best.drop_duplicates("model")
    floor = best[best["model"] == points["model"].iloc[0]]
    chosen = pd.concat([best.head(count), floor]).drop_duplicates("model")
    return (chosen["model"] + " · " + chosen["scoring"]).tolist()


def first_series_with_cliff(points: pd.DataFrame, series: list[str]) -> int:
    """Place of the series whose thresholds are shown first: a model that learns and has a cliff, else the first.

    The cliff is what no average shows.
    """
    for place, name in enumerate(series):
        model, scoring = name.split(" · ")
        curve = points[(points["model"] == model) & (points["scoring"] == scoring)]
        if model in MODELS and MODELS[model].learns and find_cliff(curve) is not None:
            return place
    return 0


_CLIFF = 0.05
"""Share of the pairs that has to be gained at one threshold to speak of a cliff."""


@dataclass(frozen=True)
class Cliff:
    """A threshold at which many pairs are gained at once.

    Attributes:
        threshold: the score that they share.
        positives, negatives: share of the positive and of the negative pairs gained there.
        before, after: precision just above it and at it.
    """

    threshold: float
    positives: float
    negatives: float
    before: float
    after: float


def find_cliff(curve: pd.DataFrame) -> Cliff | None:
    """The widest step of a curve, or None if no step gains a twentieth of all pairs.

    Curves have a point for every 1 % or less of the pairs, unless pairs share a score: those a model cannot place.
    """
    if len(curve) < 2:
        return None
    steps = curve[["recall", "false_positive_rate"]].diff()
    width = steps.sum(axis="columns").to_numpy()
    place = int(np.argmax(width))
    row, above = curve.iloc[place], curve.iloc[place - 1]
    if width[place] < 2 * _CLIFF or not np.isfinite(row["threshold"]):
        return None
    gained = steps.iloc[place]
    return Cliff(
        float(row["threshold"]),
        float(gained["recall"]),
        float(gained["false_positive_rate"]),
        float(above["precision"]),
        float(row["precision"]),
    )


def find_restarts(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of learning curves at which the learning rate is higher than in the row before, by a hundredth."""
    before = curves.groupby("model", sort=False)["learning_rate"].shift()
    return curves[curves["learning_rate"] > before * 1.01]
