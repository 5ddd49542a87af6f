"""Folding in between rebuilds: equal to a rebuild where nothing is learned, and to itself where nothing changed."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from core.errors import InputError
from core.graph import build_graph
from core.interfaces import TrainedModel
from core.orders.history import HISTORY
from core.pairs.product_pairs import product_hashes
from core.recommendations.build import build_recommendations
from core.recommendations.choice import Choice
from core.recommendations.config import FinalModelsConfig, RecommendationsConfig
from core.recommendations.final import train_final, with_candidates
from core.recommendations.fingerprints import pair_fingerprints
from core.recommendations.fold_in import check_foldable, fold_in
from core.recommendations.form import FinalModels
from core.store import Store
from tests.core.recommendations.catalogues import pairs_of, product_table

NOTHING = HISTORY.empty_table()
CONFIG = FinalModelsConfig(candidates=12)
SETTINGS = {"skipgram": {"dim": 8, "epochs": 1}, "walks": {"walks_per_node": 4, "walk_length": 6}}


def catalogue(names, pairs):
    """The pairs among these products, with a weight that depends on the pair alone."""
    names = sorted(names)
    number = {name: i for i, name in enumerate(names)}
    edges = [(number[a], number[b], 1 + (hash_of(a) + 3 * hash_of(b)) % 5) for a, b in pairs if {a, b} <= set(names)]
    brands, categories = [f"brand {hash_of(name) % 4}" for name in names], [[f"c{hash_of(name) % 6}"] for name in names]
    return pairs_of(product_table(names, brands=brands, categories=categories), edges)


def hash_of(name):
    return sum(map(ord, name)) * 7919 % 1009


@pytest.fixture(scope="module")
def shop():
    """Names of 60 products in no order, and random pairs among them."""
    rng = np.random.default_rng(5)
    names = [f"{letter}{i}" for i in range(20) for letter in "kam"]
    pairs = {tuple(sorted((names[i], names[j]))) for i, j in rng.integers(0, 60, (260, 2)) if i != j}
    return names, sorted(pairs)


def trained(pairs, model="rp3beta", scoring="native", settings=SETTINGS):
    final = train_final({"goes_with": Choice(model, scoring)}, pairs, NOTHING, settings, threads=1, device="cpu")
    return with_candidates(final, CONFIG, threads=1)


def folded(final, pairs):
    return fold_in(final, pairs, NOTHING, SETTINGS, CONFIG, threads=1)


def by_name(final, pairs, slot="goes_with"):
    """Product → its candidates by name."""
    names = pairs.products["product_id"].to_pylist()
    return {
        name: [names[node] for node in row if node >= 0]
        for name, row in zip(names, final.candidates[slot], strict=True)
    }


def test_models_that_learn_nothing_are_those_of_a_rebuild(shop):
    names, edges = shop
    before, after = catalogue(names[6:], edges[10:]), catalogue(names[:-2], edges)  # two products are gone again
    final = trained(before)
    now, rebuilt = folded(final, after), trained(after)
    for name, model in rebuilt.models.items():
        for key, matrix in model.matrices.items():
            assert (now.models[name].matrices[key] != matrix).nnz == 0
    ours, theirs, earlier = by_name(now, after), by_name(rebuilt, after), by_name(final, before)
    partners = {name: {p for pair in edges if name in pair for p in pair if p != name} for name in names}
    gone = set(names[-2:])
    for name in names[:-2]:
        was = {p for p in partners[name] - set(names[:6]) if tuple(sorted((name, p))) in edges[10:]}
        if name in names[:6] or was != partners[name] - gone:
            assert ours[name] == theirs[name]
        else:  # nothing about the product itself has changed
            assert ours[name] == (theirs[name] if gone & set(earlier[name]) else earlier[name])
    assert now.folded_in["new_products"] == 6 and now.folded_in["removed_products"] == 2
    assert now.folded_in["products_since_training"] == 6
    lists = build_recommendations(now, after, RecommendationsConfig(k=8), threads=1)
    assert (lists.neighbours["goes_with"] >= 0).all()


def test_nothing_changes_where_nothing_is_new(shop):
    names, edges = shop
    pairs = catalogue(names, edges)
    final = trained(pairs, "skipgram", "center_context")
    now = folded(final, pairs)
    np.testing.assert_array_equal(now.candidates["goes_with"], final.candidates["goes_with"])
    np.testing.assert_array_equal(now.models["skipgram"].center, final.models["skipgram"].center)
    assert set(now.folded_in.values()) == {0}


def test_what_was_folded_in_is_placed_again_from_all_of_its_pairs(shop):
    names, edges = shop
    final = trained(catalogue(names[6:], edges), "skipgram", "center_context")
    some = catalogue(names, [pair for i, pair in enumerate(edges) if i % 2 or not set(pair) & set(names[:6])])
    every = catalogue(names, edges)
    twice, once = folded(folded(final, some), every), folded(final, every)
    np.testing.assert_array_equal(twice.models["skipgram"].center, once.models["skipgram"].center)
    np.testing.assert_array_equal(twice.known, once.known)
    assert twice.folded_in["new_products"] == 0 and twice.folded_in["products_since_training"] == 6
    new = every.products["product_id"].to_pylist().index(names[0])
    assert once.models["skipgram"].seen[new] and once.models["skipgram"].center[new].any() and not once.known[new]


def test_the_networks_of_the_blend_stay_and_judge_the_graph_of_today(shop):
    names, edges = shop
    fast = {"epochs": 1, "dim": 4}
    settings = SETTINGS | {
        "blend": {"epochs": 1, "lists": 50, "pairs": 100},
        "skipgram_side_info_mean": fast, "matrix_factorization_bias": fast,
    }  # fmt: skip
    before, after = catalogue(names[6:], edges[5:]), catalogue(names, edges)
    final = trained(before, "blend", settings=settings)
    now = fold_in(final, after, NOTHING, settings, CONFIG, threads=1)
    ours, theirs = now.models["blend"], final.models["blend"]
    assert ours.matrices["pairs"].nnz == 2 * len(after.source) and len(ours.seen) == len(names)
    assert {name for name in ours.arrays if name.startswith("ranker.")}
    for name in theirs.arrays:
        if name.startswith("ranker."):
            np.testing.assert_array_equal(ours.arrays[name], theirs.arrays[name])
    assert set(ours.parts) == set(theirs.parts) and len(ours.parts["content_knn"].seen) == len(names)
    new = [row for name, row in by_name(now, after).items() if name in names[:6]]
    assert all(len(row) > 3 for row in new)


def test_fingerprints_follow_partners_and_weights_and_not_the_numbering(shop):
    names, edges = shop

    def fingerprints(pairs):
        graph = build_graph(pairs.products.num_rows, pairs.source, pairs.target, pairs.weight)
        ids = pairs.products["product_id"].to_pylist()
        return dict(zip(ids, pair_fingerprints(product_hashes(pairs.products), graph).tolist(), strict=True))

    pairs = catalogue(names, edges)
    prints = fingerprints(pairs)
    numbered_otherwise = fingerprints(catalogue([*names, "b1", "a0"], edges))
    assert all(numbered_otherwise[name] == prints[name] for name in names)
    weights = pairs.weight.copy()
    node = int(np.argmax(np.bincount(np.r_[pairs.source, pairs.target])))
    own = np.flatnonzero((pairs.source == node) | (pairs.target == node))
    one, other = next((i, j) for i in own for j in own if weights[i] != weights[j])
    weights[[one, other]] = weights[[other, one]]  # their sum stays
    swapped = fingerprints(dataclasses.replace(pairs, weight=weights))
    ids = pairs.products["product_id"].to_pylist()
    touched = {ids[i] for pair in (one, other) for i in (pairs.source[pair], pairs.target[pair])}
    assert {name for name in names if swapped[name] != prints[name]} == touched


def test_models_of_an_earlier_version_are_refused(shop, tmp_path):
    names, edges = shop
    pairs = catalogue(names, edges)
    store = Store(tmp_path)
    with pytest.raises(InputError, match="x has no final models yet; run `make materialize CATEGORY=x"):
        check_foldable(store, "x")
    final = trained(pairs)
    store.write("final_models", "x", final)
    check_foldable(store, "x")
    earlier = dataclasses.replace(final, keys=None, known=None, fingerprints=None)
    store.write("final_models", "x", earlier)
    for refused in (lambda: check_foldable(store, "x"), lambda: folded(store.read("final_models", "x"), pairs)):
        with pytest.raises(InputError, match=r"made by an earlier version, .* rebuild them once"):
            refused()


def test_lists_are_not_made_of_models_of_other_products(shop):
    names, edges = shop
    final = trained(catalogue(names, edges))
    for other in (catalogue(names[1:], edges), catalogue([*names[1:], "zz"], edges)):
        with pytest.raises(InputError, match=r"final_models was made for others .*alsobought fold-in"):
            build_recommendations(final, other, threads=1)
    unknown = FinalModels({"content_knn": TrainedModel("content_knn", np.ones(3, bool))})
    with pytest.raises(InputError, match="has 60 products, and final_models was made for others \\(3\\)"):
        build_recommendations(unknown, catalogue(names, edges), threads=1)


def test_metadata_tables_may_be_chunked(shop):
    names, edges = shop
    pairs = catalogue(names, edges)
    half = len(names) // 2
    chunked = pa.concat_tables([pairs.products.slice(0, half), pairs.products.slice(half)])
    np.testing.assert_array_equal(product_hashes(chunked), product_hashes(pairs.products))
