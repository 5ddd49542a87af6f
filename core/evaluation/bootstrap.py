"""Confidence intervals by resampling.

The intervals cover the random choice of the validation pairs (or source products) for this one trained model. They do
not cover training again with another seed or on another split, and they treat pairs as independent although pairs share
products. The true uncertainty is therefore larger than an interval says.
"""

from collections.abc import Mapping

import numpy as np

from core.evaluation.link import Thresholds
from core.evaluation.metrics import CountFormula

_BINS = 4096
_QUANTILES = (2.5, 97.5)

Interval = tuple[float, float]


def link_intervals(
    counts: Thresholds, metrics: Mapping[str, CountFormula], samples: int, rng: np.random.Generator
) -> dict[str, Interval]:
    """Intervals of metrics over counts, such as ROC-AUC; positives and negatives are resampled separately.

    Drawing n pairs with replacement and counting them per score is one multinomial draw. Neighbouring scores are first
    merged into at most 4,096 groups of about equally many pairs, so that 200 samples of a million pairs take tenths of
    a second; the small shift that the merging causes is corrected.

    Returns:
        metric → (low, high); empty if ``samples`` is 0 or a class is empty.
    """
    if not samples or not counts.positives or not counts.negatives:
        return {}
    total = counts.true_positives + counts.false_positives
    ends = np.searchsorted(total, np.linspace(0, total[-1], min(_BINS, len(total)) + 1)[1:])
    ends = np.union1d(np.minimum(ends, len(total) - 1), len(total) - 1)
    if len(total) <= _BINS:
        ends = np.arange(len(total))
    merged_tp, merged_fp = counts.true_positives[ends], counts.false_positives[ends]
    drawn_tp = _resampled(merged_tp, samples, rng)
    drawn_fp = _resampled(merged_fp, samples, rng)
    intervals = {}
    for name, formula in metrics.items():
        shift = formula(counts.true_positives, counts.false_positives) - formula(merged_tp, merged_fp)
        intervals[name] = _percentiles(np.clip(formula(drawn_tp, drawn_fp) + shift, 0, 1))
    return intervals


def mean_intervals(values: np.ndarray, samples: int, rng: np.random.Generator) -> list[Interval] | None:
    """Intervals of the column means of ``values [n, m]`` under resampling of the rows.

    NaN entries do not count in the mean of their column. None if ``samples`` is 0 or there are no rows.
    """
    n = len(values)
    if not samples or not n:
        return None
    present = np.isfinite(values)
    known = np.where(present, values, 0.0)
    means = np.full((samples, values.shape[1]), np.nan)
    for mean in means:
        times = np.bincount(rng.integers(n, size=n), minlength=n)
        count = times @ present
        np.divide(times @ known, count, out=mean, where=count > 0)
    return [_percentiles(column[np.isfinite(column)]) for column in means.T]


def _percentiles(values: np.ndarray) -> Interval:
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, _QUANTILES)
    return float(low), float(high)


def _resampled(cumulative: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """int64 ``[samples, groups]``: cumulative counts after drawing the same number of pairs with replacement."""
    counts = np.diff(cumulative, prepend=0)
    return np.cumsum(rng.multinomial(cumulative[-1], counts / cumulative[-1], size=samples), axis=1)
