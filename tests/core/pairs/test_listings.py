"""Places in lists: what a listing weighs, what is counted again in a split, and what a split does not give away."""

import json
from collections import defaultdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog import Source, read_catalog
from core.catalog.tables import PRODUCTS, relationships_table
from core.errors import InputError
from core.pairs import PairsConfig, build_pairs
from core.pairs.listings import counted_places
from core.pairs.split import SplitConfig, split_product_pairs, training_pairs
from core.relationships import ADD, KINDS, ONCE
from core.store import Store

WEIGHT = {"bought_together": 1.2, "also_bought": 1.0, "also_viewed": 0.5}
NO_PRODUCTS = PRODUCTS.empty_table()


def table(rows, repeats=ONCE, weight=None):
    """``rows`` of (product1, product2, relationship, place or 0)."""
    ids = sorted({x for row in rows for x in row[:2]})
    first, second = (np.array([ids.index(row[i]) for row in rows], np.int32) for i in (0, 1))
    kinds = np.array([KINDS.index(row[2]) for row in rows], np.int8)
    place = np.array([row[3] for row in rows], np.int32)
    own = None if weight is None else np.array(weight, np.float32)
    return relationships_table(pa.array(ids), first, second, kinds, KINDS, own, repeats, place)


def weights(pairs, source=None, target=None, weight=None):
    """Weight by the two product ids."""
    ids = pairs.products["product_id"].to_pylist()
    columns = (pairs.source, pairs.target, pairs.weight) if source is None else (source, target, weight)
    return {(ids[a], ids[b]): w for a, b, w in zip(*(column.tolist() for column in columns), strict=True)}


def described(listings, source, target, products):
    """(who lists, which product, relationship) → (place, length of the list)."""
    ids = products["product_id"].to_pylist()
    columns = (getattr(listings, name).tolist() for name in ("pair", "backwards", "relationship", "place", "length"))
    rows = zip(*columns, strict=True)
    described = {}
    for pair, backwards, kind, place, length in rows:
        owner, listed = (ids[source[pair]], ids[target[pair]])[:: -1 if backwards else 1]
        described[owner, listed, listings.names[kind]] = place, length
    return described


def lists_as_rows(lists):
    return [(owner, listed, kind, i) for (owner, kind), ids in lists.items() for i, listed in enumerate(ids, 1)]


def test_a_hand_worked_case():
    lists = {("a", "also_bought"): ["b", "c", "a", "b", "d"], ("a", "also_viewed"): ["c"], ("b", "also_bought"): ["a"]}
    pairs = build_pairs(NO_PRODUCTS, table(lists_as_rows(lists)), PairsConfig(place_halving=2))
    # a itself and the second b take no place, so that d is third.
    assert described(pairs.listings, pairs.source, pairs.target, pairs.products) == {
        ("a", "b", "also_bought"): (1, 3), ("a", "c", "also_bought"): (2, 3), ("a", "d", "also_bought"): (3, 3),
        ("a", "c", "also_viewed"): (1, 1), ("b", "a", "also_bought"): (1, 1),
    }  # fmt: skip
    expected = {("a", "b"): 1 / 1.5 + 1 / 1.5, ("a", "c"): 1 / 2 + 0.5 / 1.5, ("a", "d"): 1 / 2.5}
    assert weights(pairs) == pytest.approx(expected, rel=1e-6)
    kinds = {
        name: getattr(pairs.listings, name).dtype for name in ("pair", "relationship", "backwards", "place", "length")
    }
    assert kinds == {"pair": "i4", "relationship": "i1", "backwards": "?", "place": "i4", "length": "i4"}


names = st.sampled_from(["p1", "p2", "p3", "p4", "p5", "p6", "p7"])
catalogues = st.dictionaries(
    st.tuples(names, st.sampled_from(KINDS)), st.lists(names, min_size=1, max_size=9), min_size=1, max_size=9
)


@given(catalogues, st.sampled_from([0.0, 0.7, 20.0]), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_weights_are_those_of_a_dictionary_and_do_not_depend_on_the_order_of_lists(lists, halving, random):
    expected, places = defaultdict(float), {}
    for (owner, kind), ids in lists.items():
        counted = [x for x in dict.fromkeys(ids) if x != owner]
        for place, listed in enumerate(counted, 1):
            factor = 1 / (1 + place / halving) if halving else 1.0
            expected[tuple(sorted((owner, listed)))] += WEIGHT[kind] * factor
            places[owner, listed, kind] = place, len(counted)
    if not expected:
        return
    config = PairsConfig(place_halving=halving)
    pairs = build_pairs(NO_PRODUCTS, table(lists_as_rows(lists)), config)
    assert weights(pairs) == pytest.approx(dict(expected), rel=1e-6)
    assert described(pairs.listings, pairs.source, pairs.target, pairs.products) == places
    shuffled = list(lists)
    random.shuffle(shuffled)
    again = build_pairs(NO_PRODUCTS, table(lists_as_rows({key: lists[key] for key in shuffled})), config)
    assert again.weight.tobytes() == pairs.weight.tobytes()


@given(catalogues, st.booleans())
@settings(max_examples=50, deadline=None)
def test_without_places_the_weights_are_the_articles_to_the_last_bit(lists, earlier):
    rows = table([row for row in lists_as_rows(lists) if row[0] != row[1]] or [("p1", "p2", "also_bought", 1)])
    none = rows.set_column(4, rows.schema.field("place"), pa.nulls(rows.num_rows, pa.int32()))
    if earlier:  # the table as the version before stored it
        none = none.drop_columns(["place"])
    without, off = build_pairs(NO_PRODUCTS, none), build_pairs(NO_PRODUCTS, rows, PairsConfig(place_halving=0))
    assert without.listings is None and off.listings is not None
    assert without.weight.tobytes() == off.weight.tobytes()
    assert (off.listings.place > 0).all()
    split = split_product_pairs(off, SplitConfig(cold_share=0))
    assert weights(off, split.train.source, split.train.target, split.train.weight).items() <= weights(off).items()


events = st.lists(
    st.tuples(
        names, names, st.sampled_from(KINDS), st.sampled_from([0, 1, 2, 2, 7, 1_000_000]), st.sampled_from([1, 0.1])
    ),
    min_size=1,
    max_size=30,
)


@given(events, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_rows_of_a_pairs_table_add_up_each_with_its_place(rows, random):
    rows = [row for row in rows if row[0] != row[1]] or [("p1", "p2", "also_bought", 3, 1)]
    in_list = defaultdict(set)
    for owner, _, kind, place, _ in rows:
        in_list[owner, kind] |= {place} - {0}
    expected = defaultdict(float)
    for owner, listed, kind, place, weight in rows:
        rank = sorted(in_list[owner, kind]).index(place) + 1 if place else 0
        expected[tuple(sorted((owner, listed)))] += WEIGHT[kind] * float(np.float32(weight)) / (1 + rank / 20)
    pairs = build_pairs(NO_PRODUCTS, table(rows, ADD, [row[4] for row in rows]), PairsConfig(place_halving=20))
    assert weights(pairs) == pytest.approx(dict(expected), rel=1e-6)
    assert (pairs.listings is None) == (not any(row[3] for row in rows))
    random.shuffle(rows)
    again = build_pairs(NO_PRODUCTS, table(rows, ADD, [row[4] for row in rows]), PairsConfig(place_halving=20))
    assert again.weight.tobytes() == pairs.weight.tobytes()


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0, 1, 2, 3, 9, 2**30])), max_size=40), st.booleans())
@settings(max_examples=100, deadline=None)
def test_places_are_counted_like_pandas_dense_ranks(rows, large):
    lists, place = np.array(rows, np.int64).reshape(-1, 2).T
    lists = lists << 29 if large else lists  # too large for a list, a place and a row in one integer
    frame = pd.DataFrame({"list": lists, "place": np.where(place > 0, place, np.nan)})
    grouped = frame.groupby("list")["place"]
    counted, length = counted_places(lists, place.astype(np.int32))
    assert counted.tolist() == grouped.rank("dense").fillna(0).tolist()
    assert length.tolist() == grouped.transform("count").tolist()


def records(lists, kinds=("also_bought", "also_viewed")):
    """A file's records: ``lists`` of (owner, kind, ids); an owner may come several times."""
    return [{"asin": owner, "related": {kind: ids}} for owner, kind, ids in lists]


def read(folder, name, lines):
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_catalog(Source(name), folder, folder / "cache", 1.0)


def random_lists(seed, n=24, repeated=True):
    """Lists of skewed length over ``n`` products; some products come twice, and some lists name a product twice."""
    rng = np.random.default_rng(seed)
    owners = [*range(n // 2), *(range(3) if repeated else ())]
    return [
        (f"p{owner:02d}", kind, [f"p{i:02d}" for i in rng.integers(0, n, rng.integers(2, 12))])
        for owner in owners
        for kind in ("also_bought", "also_viewed")
    ]


@pytest.mark.parametrize("seed", range(6))
def test_training_weights_are_those_of_a_file_without_what_is_held_out(tmp_path, seed):
    lists = random_lists(seed)
    catalog = read(tmp_path, "all.json", records(lists))
    pairs = build_pairs(catalog.products, catalog.relationships)
    split = split_product_pairs(pairs, SplitConfig(cold_share=0.1), seed)
    train = weights(pairs, split.train.source, split.train.target, split.train.weight)
    assert len(split.validation) and len(split.cold)

    left = [(o, k, [x for x in ids if tuple(sorted((o, x))) in train or x == o]) for o, k, ids in lists]
    other = read(tmp_path, "train.json", records(left))
    known = build_pairs(other.products, other.relationships)
    assert weights(known) == train
    again = training_pairs(pairs, split.train)
    assert weights(again) == train
    assert described(again.listings, again.source, again.target, again.products) == described(
        known.listings, known.source, known.target, known.products
    )
    # Weights that know the held-out listings differ, or this test would prove nothing.
    assert any(weights(pairs)[pair] != weight for pair, weight in train.items())


def test_pairs_that_were_made_again_since_the_split_are_refused(tmp_path):
    catalog = read(tmp_path, "all.json", records(random_lists(1)))
    pairs = build_pairs(catalog.products, catalog.relationships)
    train = split_product_pairs(pairs, SplitConfig()).train
    with pytest.raises(InputError, match=r"product_pairs does not have all training pairs.*make pair_split"):
        training_pairs(pairs.only(np.arange(len(pairs.source)) % 2 == 0), train)


@pytest.mark.parametrize("seed", range(3))
def test_where_a_held_out_product_stood_in_a_list_is_not_to_be_seen(tmp_path, seed):
    lists = random_lists(seed, repeated=False)
    catalog = read(tmp_path, "one.json", records(lists))
    pairs = build_pairs(catalog.products, catalog.relationships)
    split = split_product_pairs(pairs, SplitConfig(), seed)
    ids = pairs.products["product_id"].to_pylist()
    held_out = {(ids[a], ids[b]) for a, b in zip(split.validation.source, split.validation.target, strict=True)}

    def is_held_out(owner, listed):
        return tuple(sorted((owner, listed))) in held_out

    moved = [(o, k, sorted(ids, key=lambda listed: not is_held_out(o, listed))) for o, k, ids in lists]
    assert moved != lists
    other = read(tmp_path, "two.json", records(moved))
    pairs_moved = build_pairs(other.products, other.relationships)
    again = split_product_pairs(pairs_moved, SplitConfig(), seed)
    assert pairs_moved.weight.tobytes() != pairs.weight.tobytes()
    for name in ("source", "target", "weight"):
        assert getattr(again.train, name).tobytes() == getattr(split.train, name).tobytes()


def test_listings_are_stored_with_the_pairs_and_may_be_missing(tmp_path):
    store = Store(tmp_path)
    pairs = build_pairs(NO_PRODUCTS, table([("a", "b", "also_bought", 1), ("a", "c", "also_viewed", 1)]))
    store.write("product_pairs", "c", pairs, {})
    back = store.read("product_pairs", "c")
    for name in ("pair", "relationship", "backwards", "place", "length", "relationship_weights"):
        assert getattr(back.listings, name).tolist() == getattr(pairs.listings, name).tolist()
    assert (back.listings.names, back.listings.place_halving) == (pairs.listings.names, pairs.listings.place_halving)
    plain = build_pairs(NO_PRODUCTS, table([("a", "b", "also_bought", 0)]))
    manifest = store.write("product_pairs", "d", plain, {})
    assert "listings" not in manifest.fields  # as the version before stored pairs
    assert store.read("product_pairs", "d").listings is None
