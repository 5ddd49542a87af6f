"""Lists for products, baskets, customers and new products, beside other ways to compute them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


VOTES = np.zeros((N, N))
for source, targets in enumerate(NODES):
    for place, target in enumerate(targets):
        VOTES[source, target] = 1 / (place + 1) / (11 + place)  # the scores that shops.lists_of gives are 1 / rank


@given(basket=st.lists(st.integers(0, N - 1), min_size=1, max_size=6, unique=True))
def test_a_basket_sums_the_votes_of_its_lists(shop, basket):
    found = answers.of_products(shop, "goes_with", basket)
    expected = VOTES[basket].sum(axis=0)
    expected[basket] = 0
    assert set(found.nodes) == set(np.flatnonzero(expected).tolist())
    assert found.scores == pytest.approx(expected[found.nodes].tolist())
    assert np.all(np.diff(found.scores) <= 0)
    for node, cause in zip(found.nodes, found.because, strict=True):
        assert VOTES[cause, node] == max(VOTES[given_, node] for given_ in basket)


@given(history=st.lists(st.integers(0, N - 1), min_size=1, max_size=8, unique=True))
def test_a_customer_counts_later_products_more(shop, history):
    found = answers.of_products(shop, "goes_with", history, recency=0.5)
    expected = 0.5 ** np.arange(len(history)) @ VOTES[history]
    expected[history] = 0
    assert set(found.nodes) == set(np.flatnonzero(expected).tolist())
    assert found.scores == pytest.approx(expected[found.nodes].tolist())


@pytest.mark.parametrize(
    ("scores", "shares"),
    [
        ([4.0, 2.0, 1.0], [1, 0.5, 0.25]),
        ([math.nan, 4.0, math.nan, 2.0], [1, 1, 1, 0.5]),  # a pinned entry first
        ([-1.0, -2.0], [1, 1]),
        ([0.5, -2.0], [1, 1e-6]),
        ([math.nan], [1]),
        ([], []),
    ],
)
def test_shares_of_the_best_score(scores, shares):
    assert answers._relative(scores) == pytest.approx(shares)


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
        "d": cosine["a"] ** 3 / 11,
        "e": cosine["a"] ** 3 / 2 / 12 + cosine["b"] ** 3 / 11,
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
