"""Link prediction metrics against scikit-learn, and the intervals against a plain bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score, roc_curve

from core.evaluation.bootstrap import link_intervals, mean_intervals
from core.evaluation.link import average_precision, histogram, operating_points, roc_auc, thresholds
from core.evaluation.metrics import PUBLISHED, of_counts

SCORES = st.lists(st.integers(-3, 3), min_size=1, max_size=40)  # few distinct values: ties everywhere

LINK = of_counts(PUBLISHED)


def arrays(positive: list[int], negative: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    a, b = np.array(positive, dtype=np.float32), np.array(negative, dtype=np.float32)
    return a, b, np.r_[np.ones(len(a)), np.zeros(len(b))], np.r_[a, b]


def normal(n: int, shift: float, seed: int, decimals: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal(n) + shift, rng.standard_normal(n)
    return a.round(decimals).astype(np.float32), b.round(decimals).astype(np.float32)


@settings(deadline=None)
@given(SCORES, SCORES)
def test_auc_and_average_precision_are_sklearns_with_ties(positive, negative):
    a, b, label, score = arrays(positive, negative)
    counts = thresholds(a, b)
    assert roc_auc(counts.true_positives, counts.false_positives) == pytest.approx(roc_auc_score(label, score))
    ap = average_precision(counts.true_positives, counts.false_positives)
    assert ap == pytest.approx(average_precision_score(label, score))


@settings(deadline=None)
@given(SCORES, SCORES)
def test_operating_points_are_sklearns_curves(positive, negative):
    a, b, label, score = arrays(positive, negative)
    points = operating_points(thresholds(a, b), 100)
    fpr, tpr, at = roc_curve(label, score, drop_intermediate=False)
    assert np.allclose(points["false_positive_rate"], fpr)
    assert np.allclose(points["recall"], tpr)
    assert np.isnan(points["threshold"][0]) and np.array_equal(points["threshold"][1:], at[1:])
    precision, recall, at = precision_recall_curve(label, score)
    assert np.allclose(points["precision"][1:], precision[:-1][::-1])
    assert np.allclose(points["recall"][1:], recall[:-1][::-1])
    assert points["precision"][0] == 1
    for threshold, f1 in zip(points["threshold"][1:], points["f1"][1:], strict=True):
        assert f1 == pytest.approx(f1_score(label, score >= threshold))


def test_many_distinct_scores_agree_with_sklearn():
    a, b = normal(50_000, 1.0, 0)
    label, score = np.r_[np.ones(50_000), np.zeros(50_000)], np.r_[a, b]
    counts = thresholds(a, b)
    assert roc_auc(counts.true_positives, counts.false_positives) == pytest.approx(roc_auc_score(label, score))
    ap = average_precision(counts.true_positives, counts.false_positives)
    assert ap == pytest.approx(average_precision_score(label, score))


def test_empty_classes_have_no_value():
    some, none = np.array([1.0, 2.0], dtype=np.float32), np.empty(0, dtype=np.float32)
    for a, b in ((some, none), (none, some), (none, none)):
        counts = thresholds(a, b)
        assert np.isnan(roc_auc(counts.true_positives, counts.false_positives))
        assert all(len(column) == 0 for column in operating_points(counts, 10).values())
        assert link_intervals(counts, LINK, 10, np.random.default_rng(0)) == {}


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("limit", [10, 200])
def test_thinned_curves_keep_their_shape(shift, limit):
    a, b = normal(20_000, shift, 1)
    counts = thresholds(a, b)
    points = operating_points(counts, limit)
    full = operating_points(counts, 10**9)
    assert len(points["recall"]) <= limit
    assert points["f1"].max() == full["f1"].max()
    for end in (0, -1):
        assert points["recall"][end] == full["recall"][end]
        assert points["false_positive_rate"][end] == full["false_positive_rate"][end]
    # Straight lines between the kept points leave the ROC curve by no more than their spacing allows.
    redrawn = np.interp(full["false_positive_rate"], points["false_positive_rate"], points["recall"])
    area = np.trapezoid(points["recall"], points["false_positive_rate"])
    assert abs(area - float(roc_auc(counts.true_positives, counts.false_positives))) < 2 / limit
    inner = (full["false_positive_rate"] > 0.001) & (full["false_positive_rate"] < 0.999)
    assert np.abs(redrawn - full["recall"])[inner].max() < 3 / limit


def test_histogram_counts_every_score_once():
    for a, b in (normal(1000, 1.0, 2), (np.zeros(5, np.float32), np.zeros(3, np.float32))):
        for heavy in (False, True):
            edges, positive, negative = histogram(np.abs(a), np.abs(b), heavy)
            assert positive.sum() == len(a) and negative.sum() == len(b)
            assert len(edges) == 51 and np.all(np.diff(edges) > 0)
            assert edges[0] <= min(np.abs(a).min(), np.abs(b).min())
            assert edges[-1] >= max(np.abs(a).max(), np.abs(b).max())


def test_heavy_tails_spread_over_the_bins():
    scores = np.random.default_rng(3).pareto(0.8, 10_000).astype(np.float32)
    equal = histogram(scores, scores, heavy_tailed=False)[1]
    spread = histogram(scores, scores, heavy_tailed=True)[1]
    assert equal.max() > 0.9 * len(scores)
    assert spread.max() < 0.3 * len(scores)


def test_histogram_of_nothing_is_empty():
    none = np.empty(0, dtype=np.float32)
    assert [len(part) for part in histogram(none, none, heavy_tailed=False)] == [0, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("decimals", [1, 6])  # heavy ties; all distinct, more than the 4,096 groups
def test_link_intervals_are_those_of_a_plain_bootstrap(decimals):
    a, b = normal(4_000, 0.7, 4, decimals)
    intervals = link_intervals(thresholds(a, b), LINK, 2000, np.random.default_rng(5))
    rng = np.random.default_rng(6)
    label = np.r_[np.ones(4_000), np.zeros(4_000)]
    plain = []
    for _ in range(300):
        score = np.r_[rng.choice(a, 4_000), rng.choice(b, 4_000)]
        plain.append([roc_auc_score(label, score), average_precision_score(label, score)])
    for name, column in zip(("roc_auc", "average_precision"), np.array(plain).T, strict=True):
        low, high = intervals[name]
        width = 2 * 1.96 * column.std()
        assert (high - low) == pytest.approx(width, rel=0.15)
        assert (low + high) / 2 == pytest.approx(column.mean(), abs=0.1 * width)


def test_merging_scores_does_not_move_the_interval():
    """With 60,000 distinct scores the groups hold 15 each; the exact value must lie in the middle all the same."""
    a, b = normal(30_000, 2.0, 7)
    counts = thresholds(a, b)
    intervals = link_intervals(counts, LINK, 1000, np.random.default_rng(8))
    for name, metric in (("roc_auc", roc_auc), ("average_precision", average_precision)):
        low, high = intervals[name]
        value = float(metric(counts.true_positives, counts.false_positives))
        assert abs(value - (low + high) / 2) < 0.15 * (high - low)


def test_interval_of_a_mean():
    """Known answer: the mean of n numbers has the standard error sd / sqrt(n)."""
    rng = np.random.default_rng(9)
    values = np.column_stack([rng.normal(3, 2, 2_000), rng.random(2_000)])
    intervals = mean_intervals(values, 2_000, np.random.default_rng(10))
    assert intervals is not None
    for column, (low, high) in zip(values.T, intervals, strict=True):
        error = column.std() / np.sqrt(2_000)
        assert low == pytest.approx(column.mean() - 1.96 * error, abs=0.3 * error)
        assert high == pytest.approx(column.mean() + 1.96 * error, abs=0.3 * error)


def test_interval_of_a_mean_with_missing_values():
    values = np.array([[1.0, np.nan], [1.0, np.nan], [1.0, np.nan]])
    intervals = mean_intervals(values, 50, np.random.default_rng(11))
    assert intervals is not None
    assert intervals[0] == (1.0, 1.0)
    assert np.isnan(intervals[1]).all()
    some = np.r_[np.full((50, 1), np.nan), np.full((50, 1), 2.0)]
    assert mean_intervals(some, 50, np.random.default_rng(12)) == [(2.0, 2.0)]


def test_no_samples_no_intervals():
    a, b = normal(10, 0.0, 13)
    assert link_intervals(thresholds(a, b), LINK, 0, np.random.default_rng(0)) == {}
    assert mean_intervals(np.ones((3, 1)), 0, np.random.default_rng(0)) is None
    assert mean_intervals(np.ones((0, 1)), 10, np.random.default_rng(0)) is None
