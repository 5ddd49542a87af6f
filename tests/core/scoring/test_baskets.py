"""Basket lists against the definition of reciprocal rank fusion."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.baskets import combine

lists_of_nodes = st.lists(st.lists(st.integers(-1, 12), max_size=8, unique=True), max_size=5)


@given(lists_of_nodes, st.sets(st.integers(0, 12), max_size=4), st.integers(0, 9))
def test_against_the_definition(lists, basket, k):
    expected = {}
    for one in lists:
        for rank, node in enumerate(one, 1):
            if node >= 0 and node not in basket:
                score, count = expected.get(node, (0.0, 0))
                expected[node] = score + 1 / (60 + rank), count + 1
    order = sorted(expected, key=lambda node: (-round(expected[node][0], 12), node))[:k]
    got = combine([np.array(one, dtype=np.int64) for one in lists], sorted(basket), k)
    assert np.allclose(got.scores, [expected[node][0] for node in order])
    assert sorted(zip(np.round(-got.scores, 12), got.nodes.tolist(), strict=True)) == [
        (round(-expected[node][0], 12), node) for node in order
    ]
    assert got.lists.tolist() == [expected[node][1] for node in got.nodes.tolist()]


def test_two_lists_that_agree_beat_one_that_is_sure():
    first, second = np.array([7, 8, 1, 9]), np.array([6, 5, 4, 3, 1])
    got = combine([first, second], [2], 3)
    assert got.nodes.tolist() == [1, 6, 7] and got.lists.tolist() == [2, 1, 1]


def test_what_is_in_the_basket_is_not_recommended():
    got = combine([np.array([2, 3]), np.array([1, 3, 4])], [1, 2], 10)
    assert got.nodes.tolist() == [3, 4]
    assert len(combine([], [], 5).nodes) == 0
