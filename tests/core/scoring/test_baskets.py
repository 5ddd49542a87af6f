"""Basket lists against the definition of reciprocal rank fusion."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.pairs.held_out_orders import ProductSets
from core.scoring.baskets import combine, fused_ranks, lists_of_sets

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


class _Lists:
    """A scorer with fixed lists."""

    def __init__(self, lists):
        self.lists = np.array(lists, np.int32)
        self.seen = np.ones(len(self.lists), bool)

    def top_k(self, sources, k, progress=None, mask=None):
        return self.lists[sources, :k], np.zeros((len(sources), k), np.float32)


def test_lists_of_sets_are_the_fused_lists_of_each_set():
    rng = np.random.default_rng(5)
    lists = np.array([rng.permutation(np.setdiff1d(np.arange(-1, 30), [i]))[:8] for i in range(30)])
    sets = [rng.choice(30, size=size, replace=False) for size in (1, 3, 2, 5, 4)]
    given = ProductSets(np.concatenate([[0], np.cumsum([len(s) for s in sets])]), np.concatenate(sets).astype(np.int32))
    got = lists_of_sets(fused_ranks(_Lists(lists), given.nodes, depth=6), given, 10)
    for row, basket in zip(got, sets, strict=True):
        fused = combine([lists[i, :6] for i in basket], basket, 10)
        # Sums that differ by rounding may change places.
        expected = dict(zip(fused.nodes.tolist(), np.round(fused.scores, 12), strict=True))
        everything = combine([lists[i, :6] for i in basket], basket, 100)
        scores = dict(zip(everything.nodes.tolist(), np.round(everything.scores, 12), strict=True))
        assert [scores[node] for node in row[row >= 0]] == sorted(expected.values(), reverse=True)
        assert len(row[row >= 0]) == len(expected)


def test_the_lists_of_older_products_count_less_and_more_can_be_left_out():
    lists = np.array([[2, 3, 4], [4, 3, 2], *[[-1] * 3] * 3])
    given = ProductSets(np.array([0, 2, 4]), np.array([0, 1, 1, 0], np.int32))
    ranks = fused_ranks(_Lists(lists), given.nodes)
    assert lists_of_sets(ranks, given, 3, recency=0.1).tolist() == [[2, 3, 4], [4, 3, 2]]
    left_out = ProductSets(np.array([0, 1, 2]), np.array([2, 3], np.int32))
    assert lists_of_sets(ranks, given, 3, recency=0.1, left_out=left_out).tolist() == [[3, 4, -1], [4, 2, -1]]
    nothing = ProductSets(np.array([0, 0]), np.empty(0, np.int32))
    assert lists_of_sets(fused_ranks(_Lists(lists), nothing.nodes), nothing, 2).tolist() == [[-1, -1]]
