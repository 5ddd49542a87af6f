"""Overlap and rank-biased overlap against their definitions, and lists then and now."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.configs import GuardConfig
from core.recommendations.compare import compare_lists, overlap, rank_biased_overlap
from core.recommendations.form import Recommendations
from core.recommendations.lists_checks import check_change
from tests.core.recommendations.catalogues import product_table

P = 0.9
lists = st.lists(st.integers(0, 12), unique=True, max_size=8)


def padded(items, width=9):
    return np.array([items + [-1] * (width - len(items))])


def by_definition(first, second, p):
    """Equation 32 of Webber, Moffat and Zobel (2010), with sets."""
    short, long = sorted((first, second), key=len)
    s, ell = len(short), len(long)
    if not s:
        return 1.0 if not ell else 0.0

    def x(d):
        return len(set(short[:d]) & set(long[:d]))

    total = sum(x(d) / d * p**d for d in range(1, ell + 1))
    total += sum(x(s) * (d - s) / (s * d) * p**d for d in range(s + 1, ell + 1))
    return (1 - p) / p * total + ((x(ell) - x(s)) / ell + x(s) / s) * p**ell


@given(lists, lists)
def test_both_measures_are_as_defined(first, second):
    a, b = padded(first), padded(second, 8)
    assert rank_biased_overlap(a, b, P)[0] == pytest.approx(by_definition(first, second, P))
    longest = max(len(first[:5]), len(second[:5]))
    expected = len(set(first[:5]) & set(second[:5])) / longest if longest else 1.0
    assert overlap(a, b, 5)[0] == pytest.approx(expected)


def test_equal_lists_are_one_and_strangers_zero():
    assert rank_biased_overlap(padded([1, 2, 3]), padded([1, 2, 3]))[0] == pytest.approx(1)
    assert rank_biased_overlap(padded([1, 2]), padded([3, 4]))[0] == 0
    assert rank_biased_overlap(padded([1, 2]), padded([2, 1]), 0.5)[0] == pytest.approx(0.5)  # 0 * 1/2 + 1 * 1/2


def made(ids, nodes, slot="similar"):
    nodes = np.array(nodes, np.int32)
    origins = np.where(nodes >= 0, 1, 0).astype(np.uint8)
    return Recommendations(
        product_table(ids), {slot: nodes}, {slot: np.zeros(nodes.shape, np.float32)}, {slot: origins}
    )


def test_products_are_matched_by_their_ids():
    before = made(["a", "b", "c", "d"], [[1, 2], [0, 3], [0, -1], [-1, -1]])
    # b is gone, and e is new: nodes are a 0, c 1, d 2, e 3.
    now = made(["a", "c", "d", "e"], [[1, 3], [-1, -1], [0, -1], [0, 1]])
    change = compare_lists(before, now)["similar"]
    assert (change.before, change.compared, change.lost, change.gained) == (3, 1, 2, 2)
    assert change.overlap == 0.5  # of a: b, c and then c, e
    assert change.rank_biased_overlap == pytest.approx(by_definition(["b", "c"], ["c", "e"], P))
    assert change.by_source == {"pinned": 0.0, "model": 1.0, "content": 0.0, "popular": 0.0}
    gone = compare_lists(before, made(["a", "b", "c", "d"], [[1]] * 4, "goes_with"))["similar"]
    assert (gone.lost, gone.compared, gone.lost_share) == (3, 0, 1.0)


def change(moved=0.0, lost=0.0):
    numbers = {"before": 100, "lost": int(100 * lost), "compared": 50, "rank_biased_overlap": 0.5}
    return SimpleNamespace(overlap=1 - moved, lost_share=lost, as_dict=lambda: {}, **numbers)


@pytest.mark.parametrize(
    ("changes", "allowed", "passed"),
    [
        (None, False, [True, True]),
        ({"similar": change(0.4, 0.0)}, False, [True, True]),
        ({"similar": change(0.6, 0.0)}, False, [False, True]),
        ({"similar": change(0.0, 0.1)}, False, [False, True]),
        ({"goes_with": change(), "similar": change(0.95)}, False, [False, False]),
        ({"similar": change(0.0, 0.5)}, False, [False, False]),
        ({"similar": change(float("nan"), 1.0)}, False, [False, False]),
        ({"similar": change(0.0, 0.5)}, True, [False, True]),
    ],
)
def test_a_large_change_warns_and_a_larger_one_stops(changes, allowed, passed):
    found = check_change(changes, GuardConfig(allow_change=allowed))
    assert [finding.passed for finding in found] == passed
    if passed == [False, False]:
        assert "guard.allow_change: true" in found[1].sentence
