"""Hits and misses of lists, by hand."""

import numpy as np
import pytest

from explorer.baskets.recommendations import Recommendation, why_missed


def listed(model, nodes):
    nodes = np.array(nodes, dtype=np.int64)
    return Recommendation(model, "native", nodes, [f"p{node}" for node in nodes], np.zeros(len(nodes)))


def test_hits_count_in_the_first_ten_places_only():
    one = listed("one", [5, 4, 3, -1, 10, 11, 12, 13, 14, 15, 6])
    asked = np.array([3, 6, 7])
    assert one.hits(asked).tolist() == [False, False, True] + [False] * 7
    assert one.recall(asked) == pytest.approx(1 / 3)
    assert one.ranks(asked) == [3, 11, None]
    assert one.recall(np.arange(5, 105)) == pytest.approx(7 / 10)  # out of ten places, not of a hundred products


def test_a_product_is_missed_for_a_reason():
    lists = [listed("one", [*range(20, 32), 7]), listed("two", [1, *range(40, 60), 7])]
    asked = np.array([1, 31, 7, 2, 3])
    assert why_missed(asked, lists, [False, False, False, True, False]) == [
        "",
        "is further down: place 12 of one",
        "is further down: place 13 of one",
        "has no pair before the cut",
        "is not in the top 50 of any list",
    ]
