"""What stands out on a curve: the cliff of precision and recall, the restarts of a learning rate."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

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


def cliff(curve: pd.DataFrame) -> Cliff | None:
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


def restarts(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of learning curves at which the learning rate is higher than in the row before, by a hundredth."""
    before = curves.groupby("model", sort=False)["learning_rate"].shift()
    return curves[curves["learning_rate"] > before * 1.01]
