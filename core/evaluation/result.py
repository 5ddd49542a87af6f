"""What an evaluation is configured by and what it returns."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from core.settings import setting

TIME = "time"
"""Seconds that the model's training step took, a metric for every phase of ``core.clock.PHASES``; in leaderboards."""

METRICS = pa.schema(
    [
        ("model", pa.string()),
        ("protocol", pa.string()),  # published | degree_matched | ranking | cold_start
        ("subset", pa.string()),  # all | seen
        ("scoring", pa.string()),  # center_center | center_context | native
        ("metric", pa.string()),
        ("value", pa.float64()),  # null where it is undefined (no pair to measure on)
        ("low", pa.float64()),  # 95 % bootstrap interval; null where there is none
        ("high", pa.float64()),
    ]
)

CURVES = pa.schema(
    [
        ("model", pa.string()),
        ("protocol", pa.string()),  # published | degree_matched
        ("subset", pa.string()),
        ("scoring", pa.string()),
        # One row is one operating point: pairs that score at least ``threshold`` are called related. The
        # first row of a curve calls none (threshold null, precision 1 by convention), the last one all. The
        # same rows, in this order, draw the ROC curve (recall over false_positive_rate), the precision-recall
        # curve and precision, recall and F1 by threshold.
        ("threshold", pa.float64()),
        ("precision", pa.float64()),
        ("recall", pa.float64()),
        ("f1", pa.float64()),
        ("false_positive_rate", pa.float64()),
    ]
)

SCORES = pa.schema(
    [
        ("model", pa.string()),
        ("protocol", pa.string()),  # published | degree_matched
        ("scoring", pa.string()),
        ("label", pa.string()),  # positive | negative
        ("low", pa.float64()),  # low <= score < high, in the last bin <= high
        ("high", pa.float64()),
        ("count", pa.int64()),  # pairs the model can place; fill-in scores of the others are left out
    ]
)


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of the evaluation."""

    bootstrap: int = setting(200, "bootstrap samples behind the 95 % intervals; 0 = no intervals", ge=0, le=10_000)
    ranking_sources: int = setting(2000, "products whose top-k lists are judged, drawn at random", ge=1, le=1_000_000)
    curve_points: int = setting(200, "most points kept of a curve", ge=10, le=100_000)


@dataclass(frozen=True)
class Evaluation:
    """One model's metrics on one split.

    Attributes:
        metrics: table of schema ``METRICS``.
        curves: table of schema ``CURVES``.
        scores: histograms, table of schema ``SCORES``.
        info: JSON-able: ``seconds``; ``fallback`` (``median`` or ``own``: how pairs the model cannot place
            are scored); ``pairs``: protocol → subset → numbers of ``positives`` and ``negatives``;
            ``unplaced``: protocol → share of its pairs that the model cannot place; ``sources``: protocol →
            number of lists judged; ``timing``: phase → seconds of the training, if it is known.
    """

    metrics: pa.Table
    curves: pa.Table
    scores: pa.Table
    info: dict[str, Any] = field(default_factory=dict)
