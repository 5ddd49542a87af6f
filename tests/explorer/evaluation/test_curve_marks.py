"""Cliffs and restarts on curves."""

import numpy as np
import pandas as pd
import pytest

from core.evaluation.link import operating_points, thresholds
from explorer.evaluation import charts, curve_marks


def curve(positive, negative):
    return pd.DataFrame(operating_points(thresholds(positive, negative), 200))


def test_the_cliff_is_where_many_pairs_share_a_score():
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1, 1, 5_000), rng.normal(-1, 1, 5_000)
    assert curve_marks.find_cliff(curve(positive, negative)) is None
    positive[:500], negative[:2_000] = 0.25, 0.25
    cliff = curve_marks.find_cliff(curve(positive, negative))
    assert cliff.threshold == pytest.approx(0.25)
    assert cliff.positives == pytest.approx(0.1, abs=0.01) and cliff.negatives == pytest.approx(0.4, abs=0.01)
    assert cliff.after < cliff.before
    assert (
        "The cliff is at 0.25: 10 % of the held-out and 40 % of the unrelated"
        in charts.threshold_chart(curve(positive, negative)).text
    )


def test_restarts_are_where_the_learning_rate_rises():
    rates = {"a": [0.1, 0.05, 0.1, 0.1, 0.02], "b": [0.2, 0.1, 0.05, 0.01, 0.01]}
    frame = pd.DataFrame(
        [
            {"model": m, "epoch": 1, "batch": i, "examples": i, "seconds": i, "learning_rate": r, "loss": 1 / (i + 1)}
            for m, values in rates.items()
            for i, r in enumerate(values)
        ]
    )
    restarts = curve_marks.find_restarts(frame)
    assert restarts[["model", "batch"]].to_numpy().tolist() == [["a", 2]]
    assert (
        "Restarts of the learning rate, marked by diamonds: a 1."
        in charts.learning_chart(frame, ["a", "b"], "loss", "batch").text
    )
