"""Lists of whole catalogues: every product has a full list, from the model first and from popularity last."""

import dataclasses

import numpy as np
import pytest

from core.models import MODELS
from core.orders.history import HISTORY
from core.pairs.split import SplitConfig, split_product_pairs
from core.recommendations import build
from core.recommendations.build import build_recommendations
from core.recommendations.choice import Choice
from core.recommendations.config import FinalModelsConfig, RecommendationsConfig
from core.recommendations.final import train_final, with_candidates
from core.recommendations.lists_checks import check_lists
from core.recommendations.price import recall_price
from core.recommendations.rules import apply
from core.recommendations.rules.apply import SlotRules
from core.recommendations.rules.book import RuleBook, Rules
from core.recommendations.rules.pins import Pins
from core.recommendations.rules.product_facts import pair_popularity, product_facts
from core.recommendations.rules.stock import Stock, no_stock
from core.recommendations.search import Candidates, Search
from core.scoring.factory import scorer
from tests.core.recommendations.catalogues import pairs_of, product_table

N = 120


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(3)
    brands = [None if i % 7 == 0 else f"brand {i % 5}" for i in range(N - 1)] + [None]
    categories = [[] if i % 11 == 0 else ["root", f"kind {i % 6}"] for i in range(N - 1)] + [[]]
    products = product_table([f"p{i:03}" for i in range(N)], brands=brands, categories=categories)
    edges = {(int(a), int(b)) for a, b in rng.integers(0, N - 20, (300, 2)) if a < b}  # 20 products have no pair
    pairs = pairs_of(products, [(a, b, 1.0) for a, b in edges])
    choices = {"goes_with": Choice("rp3beta", "native"), "similar": Choice("matrix_factorization", "center_center")}
    settings = {"matrix_factorization": {"dim": 8, "epochs": 2}}
    return train_final(choices, pairs, HISTORY.empty_table(), settings, device="cpu"), pairs


CONFIG = RecommendationsConfig(k=10)


def test_every_product_has_a_full_list_that_follows_the_model(shop):
    final, pairs = shop
    lists = build_recommendations(final, pairs, CONFIG)
    facts = product_facts(pairs.products, pair_popularity(pairs))
    for slot, choice in final.slots.items():
        nodes, sources, scores = lists.neighbours[slot], lists.sources[slot], lists.scores[slot]
        assert (nodes >= 0).all() and nodes.dtype == np.int32
        assert (np.diff(sources.astype(int), axis=1) >= 0).all()  # model, then content, then popular
        model = scorer(MODELS[choice["model"]], final.models[choice["model"]], choice["scoring"])
        ids, values = model.top_k(np.arange(N, dtype=np.int32), 10)
        of_model = sources == apply.MODEL
        assert (of_model == (ids >= 0)).all()
        assert (nodes[of_model] == ids[of_model]).all() and (scores[of_model] == values[of_model]).all()
        assert np.isnan(scores[~of_model]).all()
        rules = SlotRules(Rules(), facts, no_stock(N))
        assert all(finding.passed for finding in check_lists(lists, dict.fromkeys(final.slots, rules)))
    assert lists.info["by_source"]["goes_with"]["popular"] > 0 and lists.info["by_source"]["goes_with"]["content"] > 0
    assert sum(lists.info["by_source"]["similar"].values()) == N * 10 and lists.info["short_lists"]["similar"] == 0


def test_blocks_do_not_change_the_lists(shop, monkeypatch):
    final, pairs = shop
    book = RuleBook(common=Rules(diversity=0.4, max_per_brand=2))
    whole = build_recommendations(final, pairs, CONFIG, book)
    monkeypatch.setattr(build, "_BLOCK", 7)
    parts = build_recommendations(final, pairs, CONFIG, book)
    for slot in whole.slots:
        assert (whole.neighbours[slot] == parts.neighbours[slot]).all()
        assert (whole.sources[slot] == parts.sources[slot]).all()


@pytest.mark.parametrize("kept", [1, 12, 60])
@pytest.mark.parametrize("rules", [Rules(), Rules(brand="same", max_per_brand=3), Rules(price_to=1, brand="other")])
def test_kept_candidates_give_the_lists_of_the_model_without_asking_it(shop, kept, rules):
    final, pairs = shop
    book, stock = RuleBook(common=rules), Stock(np.ones(N, bool), np.arange(N) % 4 == 0, None, {"rows": N})
    plain = build_recommendations(final, pairs, CONFIG, book, stock)
    with_kept = with_candidates(final, FinalModelsConfig(candidates=kept))
    assert with_kept.candidates["similar"].shape == (N, kept)
    lists = build_recommendations(with_kept, pairs, CONFIG, book, stock)
    for slot in plain.slots:
        assert (lists.neighbours[slot] == plain.neighbours[slot]).all()
        assert (lists.sources[slot] == plain.sources[slot]).all()
        assert np.allclose(lists.scores[slot], plain.scores[slot], rtol=1e-5, equal_nan=True)
    if rules == Rules() and kept == 60:
        assert [model["asked_again"] for model in lists.info["models"].values()] == [0, 0]


def test_a_model_whose_candidates_are_kept_is_not_even_set_up(shop):
    final, _ = shop
    kept = with_candidates(final, FinalModelsConfig(candidates=15))
    stored = kept.candidates["goes_with"], kept.candidate_scores["goes_with"]
    candidates = Candidates(final.models["rp3beta"], "native", CONFIG, stored)
    ids, _ = candidates.top_k(np.arange(3), 5)
    assert (ids == stored[0][:3, :5]).all() and "_search" not in vars(candidates) and candidates.asked == 0


def test_more_is_fetched_from_the_model_where_rules_leave_out_what_came_first(shop):
    final, pairs = shop
    book = RuleBook(common=Rules(allow_brands=("brand 1",)))
    lists = build_recommendations(final, pairs, CONFIG, book)
    allowed = product_facts(pairs.products, np.zeros(N)).allowed(book.of("similar"))
    model = final.models["matrix_factorization"]
    ids, _ = scorer(MODELS["matrix_factorization"], model, "center_center").top_k(np.arange(N, dtype=np.int32), N)
    for product in range(N):
        expected = [node for node in ids[product].tolist() if node >= 0 and allowed[node]][:10]
        found = lists.neighbours["similar"][product][lists.sources["similar"][product] == apply.MODEL]
        assert found.tolist() == expected
    # With a limit, what is beyond it comes from elsewhere; the list is as full.
    limited = build_recommendations(final, pairs, dataclasses.replace(CONFIG, fetch_limit=30), book)
    assert (limited.neighbours["similar"] >= 0).sum() == (lists.neighbours["similar"] >= 0).sum()
    assert limited.info["by_source"]["similar"]["model"] < lists.info["by_source"]["similar"]["model"]


def test_stock_and_pins_are_kept_in_whole_catalogues(shop):
    final, pairs = shop
    gone = np.arange(N) % 3 == 0
    stock = Stock(np.ones(N, bool), gone, None, {"rows": N})
    pins = Pins({"similar": {5: ((40, 2), (3, None))}}, {"goes_with": np.array([5 * N + 41])}, {"rows": 3})
    lists = build_recommendations(final, pairs, CONFIG, None, stock, pins)
    assert not gone[lists.neighbours["similar"]].any() and not gone[lists.neighbours["goes_with"]].any()
    assert lists.neighbours["similar"][5, 1] == 40 and lists.sources["similar"][5, 1] == apply.PINNED  # 3 is sold out
    assert 41 not in lists.neighbours["goes_with"][5]
    rules = build.slot_rules(lists, RuleBook(), stock, pins)
    assert all(finding.passed for finding in check_lists(lists, rules))


def test_lists_of_a_tiny_category_hold_what_there_is():
    pairs = pairs_of(product_table(["a", "b", "c"]), [(0, 1, 1.0)])
    final = train_final({"goes_with": Choice("popularity", "native")}, pairs, HISTORY.empty_table(), {})
    lists = build_recommendations(final, pairs)
    assert [sorted(row[row >= 0].tolist()) for row in lists.neighbours["goes_with"]] == [[1, 2], [0, 2], [0, 1]]


def test_an_index_gives_nearly_the_same_lists(shop):
    final, _ = shop
    trained, sources = final.models["matrix_factorization"], np.arange(N, dtype=np.int32)
    exact = Search(trained, "center_center", N, 20)
    indexed = Search(trained, "center_center", 0, 20)
    (a, _), (b, scores) = exact.top_k(sources, 20), indexed.top_k(sources, 20)
    assert ((a >= 0).any(axis=1) == (b >= 0).any(axis=1)).all() and (a >= 0).any()
    seen = (a >= 0).any(axis=1)
    shared = [len(set(x) & set(y)) / 20 for x, y in zip(a[seen].tolist(), b[seen].tolist(), strict=True)]
    assert np.mean(shared) > 0.9
    assert np.isnan(scores[b < 0]).all()


def test_the_price_of_rules_is_what_they_leave_out_of_the_measured_lists(shop):
    _, pairs = shop
    split = split_product_pairs(pairs, SplitConfig(validation_share=0.3))
    from core.graph import build_graph
    from core.interfaces import Inputs

    graph = build_graph(N, split.train.source, split.train.target, split.train.weight)
    judged = MODELS["rp3beta"].fit(Inputs(N, graph=graph), MODELS["rp3beta"].config_class())
    facts = product_facts(pairs.products, pair_popularity(pairs))
    free = recall_price(judged, "native", split, SlotRules(Rules(), facts, no_stock(N)), CONFIG)
    assert free["price"] == 0 and free["recall@10"] == free["with_rules"] > 0
    nothing = SlotRules(Rules(allow_brands=("nobody",)), facts, no_stock(N))
    assert recall_price(judged, "native", split, nothing, CONFIG)["with_rules"] == 0
    other = recall_price(judged, "native", split, SlotRules(Rules(max_per_brand=1), facts, no_stock(N)), CONFIG)
    assert other["price"] == pytest.approx(other["recall@10"] - other["with_rules"])
    assert other["low"] <= other["price"] <= other["high"]
