"""Settings and results of an evaluation."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from core.settings import setting

TIME = "time"
"""The protocol of a leaderboard whose metrics are the seconds of each phase of a model's training step."""

METRICS = pa.schema(
    [
        ("model", pa.string()),
        ("protocol", pa.string()),  # published | degree_matched | ranking | cold_start
        ("subset", pa.string()),  # all | seen
        ("scoring", pa.string()),  # center_center | center_context | native
        ("metric", pa.string()),
        ("value", pa.float64()),  # null where it is undefined because there are no pairs
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
        # A row is an operating point: pairs that score at least ``threshold`` are called related. At the first row of
        # a curve no pair is called related (threshold null, precision 1 by convention), at the last row all pairs are.
        # The same rows, in this order, draw the ROC curve (recall over false_positive_rate), the precision-recall
        # curve, and precision, recall and F1 by threshold.
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
        ("low", pa.float64()),  # low <= score < high; in the last bin score <= high
        ("high", pa.float64()),
        ("count", pa.int64()),  # pairs that the model can score; others are not counted
    ]
)


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of the evaluation."""

    bootstrap: int = setting(
        200, "Number of bootstrap samples for the 95 % intervals; 0 gives no intervals.", ge=0, le=10_000
    )
    ranking_sources: int = setting(
        2000, "Number of products, drawn at random, whose top-k lists are evaluated.", ge=1, le=1_000_000
    )
    curve_points: int = setting(200, "Maximum number of points kept per curve.", ge=10, le=100_000)


@dataclass(frozen=True)
class Evaluation:
    """One model's metrics on one split.

    Attributes:
        metrics: table of schema ``METRICS``.
        curves: table of schema ``CURVES``.
        scores: histograms, table of schema ``SCORES``.
        info: JSON-able facts: ``seconds``; ``fallback``: how pairs that the model cannot place are scored (``median``
            or ``own``); ``pairs``: protocol → subset → numbers of ``positives`` and ``negatives``; ``unplaced``:
            protocol → share of its pairs that the model cannot place; ``sources``: protocol → number of lists that
            were evaluated; ``timing``: phase → seconds of the training, if they are known; ``untrained``: why the model
            was not trained and nothing measured, only if that is so.
    """

    metrics: pa.Table
    curves: pa.Table
    scores: pa.Table
    info: dict[str, Any] = field(default_factory=dict)
