"""Link prediction: how well scores separate positive from negative pairs."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Thresholds:
    """Counts of both classes at every distinct score, from the highest to the lowest.

    Attributes:
        score: float32 ``[t]``, strictly descending.
        true_positives: int64 ``[t]``: number of positives that score at least ``score``.
        false_positives: int64 ``[t]``: number of negatives that score at least ``score``.
    """

    score: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray

    @property
    def positives(self) -> int:
        """Number of all positives."""
        return int(self.true_positives[-1]) if len(self.score) else 0

    @property
    def negatives(self) -> int:
        """Number of all negatives."""
        return int(self.false_positives[-1]) if len(self.score) else 0


def thresholds(positive: np.ndarray, negative: np.ndarray) -> Thresholds:
    """Count both classes at every distinct score; equal scores form one threshold.

    Args:
        positive, negative: finite scores, any lengths.
    """
    score = np.unique(np.concatenate([positive, negative]))[::-1]

    def at_least(scores: np.ndarray) -> np.ndarray:
        return len(scores) - np.searchsorted(np.sort(scores), score, side="left")

    return Thresholds(score, at_least(positive), at_least(negative))


def roc_auc(true_positives: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
    """Area under the ROC curve = P(positive scores higher) + P(tie) / 2 (Hanley and McNeil, 1982).

    Args:
        true_positives, false_positives: ``[..., t]`` cumulative counts by descending score; leading axes are
            independent samples.

    Returns:
        float64 ``[...]``; NaN where a class is empty.
    """
    tp, fp = true_positives.astype(np.float64), false_positives.astype(np.float64)
    height = tp - np.diff(tp, axis=-1, prepend=0.0) / 2
    area = np.sum(np.diff(fp, axis=-1, prepend=0.0) * height, axis=-1)
    return _ratio(area, _last(tp) * _last(fp))


def average_precision(true_positives: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
    """Sum over thresholds of (increase in recall) * precision, without interpolation.

    This is the definition of scikit-learn's ``average_precision_score``. The arguments are those of ``roc_auc``; the
    result is NaN where there are no positives.
    """
    tp, fp = true_positives.astype(np.float64), false_positives.astype(np.float64)
    precision = tp / np.maximum(tp + fp, 1)
    return _ratio(np.sum(np.diff(tp, axis=-1, prepend=0.0) * precision, axis=-1), _last(tp))


def operating_points(counts: Thresholds, limit: int) -> dict[str, np.ndarray]:
    """Columns of ``CURVES`` at no more than ``limit`` (≥ 10) thresholds.

    The thresholds are spread evenly along the ROC curve, measured by recall + false positive rate, so that every part
    of the curve on which the counts change is covered, however narrow its range of scores. The ends of the curve and
    the best F1 are always kept.

    Returns:
        float64 columns ``threshold``, ``precision``, ``recall``, ``f1`` and ``false_positive_rate``. In the first row
        the threshold is NaN and no pair is called related. All columns are empty where a class is empty.
    """
    tp = np.concatenate([[0], counts.true_positives])
    fp = np.concatenate([[0], counts.false_positives])
    if not counts.positives or not counts.negatives:
        tp = fp = np.empty(0)
    recall, false_positive_rate = tp / max(counts.positives, 1), fp / max(counts.negatives, 1)
    f1 = 2 * tp / np.maximum(tp + fp + counts.positives, 1)
    precision = np.where(tp + fp > 0, tp / np.maximum(tp + fp, 1), 1.0)
    threshold = np.concatenate([[np.nan], counts.score.astype(np.float64)])[: len(tp)]
    along = recall + false_positive_rate
    if len(tp) > limit:
        even = np.searchsorted(along, np.linspace(0, along[-1], limit - 1))
        keep = np.union1d(np.minimum(even, len(tp) - 1), np.argmax(f1))
    else:
        keep = np.arange(len(tp))
    columns = {
        "threshold": threshold,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "false_positive_rate": false_positive_rate,
    }
    return {name: column[keep] for name, column in columns.items()}


def histogram(
    positive: np.ndarray, negative: np.ndarray, heavy_tailed: bool, bins: int = 50
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count both classes in the same bins.

    Args:
        positive, negative: finite scores.
        heavy_tailed: whether scores are ≥ 0 without a bound (counts, products of degrees). Bins then are equally wide
            in asinh(score / median of the positive values), which is linear near 0 and logarithmic above the median.
        bins: number of bins.

    Returns:
        float64 edges ``[bins + 1]`` and int64 counts of positives and negatives ``[bins]``; all of them are empty if
        there are no scores.
    """
    scores = np.concatenate([positive, negative]).astype(np.float64)
    if not len(scores):
        return np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    low, high = scores.min(), scores.max()
    if heavy_tailed and high > 0:
        unit = np.median(scores[scores > 0])
        edges = unit * np.sinh(np.linspace(np.arcsinh(low / unit), np.arcsinh(high / unit), bins + 1))
        edges[0], edges[-1] = low, high  # undo rounding, so that the extreme scores fall inside
    else:
        edges = np.linspace(low, high, bins + 1)
    if not np.all(np.diff(edges) > 0):  # there is only one distinct score
        edges = np.linspace(low - 0.5, low + 0.5, bins + 1)
    return edges, np.histogram(positive, edges)[0], np.histogram(negative, edges)[0]


def _last(counts: np.ndarray) -> np.ndarray:
    return counts[..., -1] if counts.shape[-1] else np.zeros(counts.shape[:-1])


def _ratio(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.where(by > 0, value / np.where(by > 0, by, 1), np.nan)
