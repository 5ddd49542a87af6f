"""Lists for products, baskets, customers and new products, beside other ways to compute them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pairs.held_out_orders import ProductSets
from core.scoring import baskets
from core.serving import answers
from core.serving.rules import Rules
from tests.core.serving.shops import lists_of, served_shop, table

N, K = 30, 6
IDS = [f"p{i:02d}" for i in range(N)]
RNG = np.random.default_rng(5)
LISTS = {
    IDS[node]: [IDS[other] for other in RNG.permutation([i for i in range(N) if i != node])[: RNG.integers(0, K + 1)]]
    for node in range(N)
}
NODES = [[IDS.index(name) for name in LISTS[product]] for product in IDS]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    products = table({"product_id": name} for name in IDS)
    return served_shop(tmp_path_factory.mktemp("shop"), lists_of(products, LISTS, k=K))


@given(basket=st.lists(st.integers(0, N - 1), min_size=1, max_size=6, unique=True))
def test_a_basket_is_fused_as_the_leaderboard_judges_it(shop, basket):
    found = answers.of_products(shop, "goes_with", basket)
    expected = baskets.combine([np.array(NODES[node]) for node in basket], basket, N)
    assert found.nodes == expected.nodes.tolist()
    assert found.scores == pytest.approx(expected.scores.tolist())
    for node, cause in zip(found.nodes, found.because, strict=True):
        places = {given_: NODES[given_].index(node) for given_ in basket if node in NODES[given_]}
        assert places[cause] == min(places.values())


class Lists:
    """A scorer whose lists are those of the shop."""

    seen = np.ones(N, bool)

    def top_k(self, sources, k, progress):
        nodes = np.full((len(sources), k), -1, np.int32)
        for row, source in enumerate(sources):
            nodes[row, : len(NODES[source])] = NODES[source]
        return nodes, None


@given(history=st.lists(st.integers(0, N - 1), min_size=1, max_size=8, unique=True))
def test_a_customer_counts_later_products_more(shop, history):
    found = answers.of_products(shop, "goes_with", history, recency=0.5)
    ranks = baskets.fused_ranks(Lists(), np.arange(N), depth=K)
    sets = ProductSets(np.array([0, len(history)]), np.array(history))
    [expected] = baskets.lists_of_sets(ranks, sets, N, recency=0.5)
    scores = {node: sum(0.5**p * ranks[given_, node] for p, given_ in enumerate(history)) for node in range(N)}
    assert found.scores == pytest.approx([scores[node] for node in found.nodes])
    assert set(found.nodes) == set(expected[expected >= 0].tolist())


def test_a_stored_list_is_given_as_it_is(tmp_path):
    products = table({"product_id": name} for name in "abcd")
    shop = served_shop(tmp_path, lists_of(products, {"a": [("c", "pinned"), "b", ("d", "popular")]}))
    found = answers.of_product(shop, "goes_with", 0)
    assert (found.nodes, found.sources, found.because) == ([2, 1, 3], [0, 1, 3], None)
    assert found.scores[:2] == [1.0, 0.5] and math.isnan(found.scores[2])
    assert answers.of_product(shop, "goes_with", 1).nodes == []


def test_fillings_have_no_vote_and_fill_again(tmp_path):
    products = table({"product_id": name, "price": ord(name)} for name in "abcdef")
    fill = [("f", "popular"), ("e", "popular")]
    lists = {"a": [*fill], "b": [("c", "content"), *fill], "d": ["c", "f"]}
    shop = served_shop(tmp_path, lists_of(products, lists))
    found = answers.of_products(shop, "goes_with", [0, 1])
    assert found.nodes == [2]  # although f and e are in two lists
    filled = answers.chosen(shop, found, Rules(), math.nan, 3)
    assert (filled.nodes, filled.sources, filled.because) == ([2, 5, 4], [2, 3, 3], [1, -1, -1])
    cheap = answers.chosen(shop, found, Rules(price_from=ord("d")), math.nan, 3)
    assert cheap.nodes == [5, 4]
    assert answers.chosen(shop, answers.of_product(shop, "goes_with", 2), Rules(), math.nan, 3).nodes == []
    own = answers.chosen(shop, answers.of_products(shop, "goes_with", [4, 0]), Rules(), math.nan, 9)
    assert own.nodes == [5, 2]  # neither of the basket


def test_the_best_source_of_a_fused_entry(tmp_path):
    products = table({"product_id": name} for name in "abcd")
    lists = {"a": [("c", "content"), ("d", "content")], "b": [("c", "pinned")]}
    found = answers.of_products(served_shop(tmp_path, lists_of(products, lists)), "goes_with", [0, 1])
    assert dict(zip(found.nodes, found.sources, strict=True)) == {2: 0, 3: 2}


SHELVES = {"a": ["X"], "b": ["X", "Y"], "c": ["Y"], "d": ["Z"], "e": []}


@pytest.fixture
def shelved(tmp_path):
    products = table(
        {"product_id": name, "categories": SHELVES[name], "title": f"{name}{name} comb"} for name in SHELVES
    )
    lists = {"a": ["d", "e"], "b": ["e"], "c": ["a"], "d": ["b"]}
    return served_shop(tmp_path, lists_of(products, lists, similar=lists))


def test_a_new_product_gets_the_partners_of_similar_ones(shelved):
    found = answers.of_description(shelved, "goes_with", None, ["X", "new"], None)
    x, y = math.log(4 / 2), math.log(4 / 2)  # four products have a category, two of them X
    cosine = {"a": 1.0, "b": x * x / (x * math.hypot(x, y))}
    expected = {
        "d": cosine["a"] ** 3 / 61,
        "e": cosine["a"] ** 3 / 62 + cosine["b"] ** 3 / 61,
    }
    names = dict(zip(["abcde"[node] for node in found.nodes], found.scores, strict=True))
    assert names == pytest.approx(expected) and list(names) == sorted(expected, key=expected.get, reverse=True)
    assert found.sources == [2, 2]
    assert ["abcde"[node] for node in found.because] == ["a", "a"]
    alike = answers.of_description(shelved, "similar", None, ["X"], None)
    assert ["abcde"[node] for node in alike.nodes] == ["a", "b"]
    assert alike.scores == pytest.approx(list(cosine.values()))


def test_titles_count_where_nothing_else_is_shared(shelved):
    by_title = answers.of_description(shelved, "similar", "nobody", ["new"], "A dd!")
    assert ["abcde"[node] for node in by_title.nodes] == ["d"]
    nothing = answers.of_description(shelved, "goes_with", None, [], None)
    assert nothing.nodes == []
    filled = answers.chosen(shelved, nothing, Rules(), math.nan, 2)
    assert ["abcde"[node] for node in filled.nodes] == ["e", "a"] and filled.sources == [3, 3]
