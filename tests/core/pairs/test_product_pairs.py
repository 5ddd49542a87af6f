"""Pairs: weights, directions, repeats and node ids against a plain dictionary."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import checks
from core.errors import InputError
from core.pairs import PRODUCT_COLUMNS, PairsConfig, build_pairs
from core.relationships import ADD, ONCE, REPEATS, relationship_counts, repeats_add, unknown_counts
from core.store import Store

KINDS = {"bought_together": 1.2, "also_bought": 1.0, "also_viewed": 0.5, "team_rule": 1.0}


def products(*ids, **columns):
    n = len(ids)
    return pa.table(
        {
            "product_id": pa.array(ids, pa.string()),
            "title": pa.array(columns.get("title", [None] * n), pa.string()),
            "brand": pa.array([None] * n, pa.string()),
            "price": pa.array([None] * n, pa.float32()),
            "categories": pa.array([[]] * n, pa.list_(pa.string())),
            "sales_rank": pa.array([None] * n, pa.int64()),
            "image_url": pa.array([None] * n, pa.string()),
        }
    )


def relationships(rows, repeats=None):
    """``rows`` of (product1, product2, relationship, weight or None)."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    ids = pa.dictionary(pa.int32(), pa.string())
    return pa.table(
        {
            "product1": pa.array(columns[0], ids),
            "product2": pa.array(columns[1], ids),
            "relationship": pa.array(columns[2], pa.dictionary(pa.int8(), pa.string())),
            "weight": pa.array(columns[3], pa.float32()),
        }
    ).replace_schema_metadata(None if repeats is None else {REPEATS: repeats})


def test_a_hand_worked_case():
    pairs = build_pairs(
        products("b", "a", title=["Beta", None]),
        relationships(
            [
                ("a", "b", "also_bought", None),
                ("a", "b", "also_bought", None),  # listed twice: counts once
                ("b", "a", "bought_together", None),  # the other direction adds up
                ("a", "c", "also_viewed", None),  # c has no metadata line
                ("c", "c", "also_bought", None),  # itself: ignored
            ]
        ),
    )
    assert pairs.products["product_id"].to_pylist() == ["a", "b", "c"]
    assert pairs.products["title"].to_pylist() == [None, "Beta", None]
    assert pairs.products["has_metadata"].to_pylist() == [True, True, False]
    assert pairs.products["categories"].to_pylist() == [[], [], []]
    assert tuple(pairs.products.column_names) == PRODUCT_COLUMNS
    np.testing.assert_array_equal(pairs.source, [0, 0])
    np.testing.assert_array_equal(pairs.target, [1, 2])
    np.testing.assert_allclose(pairs.weight, [2.2, 0.5], rtol=1e-6)
    assert (pairs.source.dtype, pairs.weight.dtype) == (np.int32, np.float32)


names = st.sampled_from(["p1", "p2", "p3", "p4", "p5", "p10"])
listings = st.lists(
    st.tuples(names, names, st.sampled_from(list(KINDS)), st.one_of(st.none(), st.sampled_from([0.5, 2.0]))),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[:3],
)


@given(listings)
@settings(max_examples=200, deadline=None)
def test_sums_are_those_of_a_dictionary(rows):
    expected = defaultdict(float)
    for a, b, kind, weight in rows:
        if a != b:
            expected[min(a, b), max(a, b)] += KINDS[kind] * (1.0 if weight is None else weight)
    if not expected:
        with pytest.raises(InputError, match="no product pair"):
            build_pairs(products("p1"), relationships(rows))
        return
    pairs = build_pairs(products("p1"), relationships(rows))
    ids = pairs.products["product_id"].to_pylist()
    assert ids == sorted({"p1"} | {x for row in rows for x in row[:2]})
    found = {
        (ids[a], ids[b]): w
        for a, b, w in zip(pairs.source.tolist(), pairs.target.tolist(), pairs.weight.tolist(), strict=True)
    }
    assert found == pytest.approx(dict(expected))
    assert np.all(pairs.source < pairs.target)


def test_a_weight_of_zero_drops_a_relationship():
    rows = relationships([("a", "b", "also_bought", None), ("a", "c", "also_viewed", None)])
    pairs = build_pairs(products("a"), rows, PairsConfig(also_viewed=0.0))
    assert len(pairs.source) == 1
    assert pairs.products.num_rows == 3  # c stays a product of the category


def test_metadata_order_does_not_matter():
    rows = relationships([("a", "b", "also_bought", None)])
    one = build_pairs(products("a", "b", title=["A", "B"]), rows)
    two = build_pairs(products("b", "a", title=["B", "A"]), rows)
    assert one.products.equals(two.products)


def test_relationship_counts():
    rows = relationships([("a", "b", "also_bought", None), ("b", "a", "also_bought", None), ("a", "c", "x", None)])
    assert relationship_counts(rows) == {"also_bought": 2, "x": 1}


def weights(pairs):
    ids = pairs.products["product_id"].to_pylist()
    rows = zip(pairs.source.tolist(), pairs.target.tolist(), pairs.weight.tolist(), strict=True)
    return {(ids[a], ids[b]): weight for a, b, weight in rows}


def test_rows_of_a_pairs_table_add_up_in_either_direction():
    rows = [("A", "B", "pair", 1.0)] * 10 + [("B", "A", "pair", 1.0)] * 3
    rows += [("A", "C", "pair", 1.0), ("D", "E", "pair", 2.0), ("D", "E", "pair", 5.0), ("A", "A", "pair", 9.0)]
    pairs = build_pairs(products("A"), relationships(rows, ADD))
    assert weights(pairs) == {("A", "B"): 13, ("A", "C"): 1, ("D", "E"): 7}
    assert pairs.info == {
        "rows": 17, "self_pairs": 1, "rows_without_weight": 0, "repeated_rows": 0, "merged_rows": 13,
        "paired_products": 5, "paired_with_metadata": 1,
    }  # fmt: skip


def test_the_same_listing_of_a_list_counts_once():
    rows = [("A", "B", "also_bought", None)] * 10 + [("B", "A", "also_bought", None)] * 3
    rows.append(("A", "B", "also_viewed", None))
    pairs = build_pairs(products("A"), relationships(rows, ONCE))
    assert weights(pairs) == {("A", "B"): 2.5}
    assert (pairs.info["rows"], pairs.info["repeated_rows"], pairs.info["merged_rows"]) == (14, 11, 2)


events = st.lists(
    st.tuples(
        names,
        names,
        st.sampled_from(["also_bought", "Also-Viewed", "team_rule", "Team Rule"]),
        st.sampled_from([0.1, 1.7, 3e-5, 1e9]) | st.none(),
    ),
    min_size=1,
    max_size=40,
)


@given(events, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_sums_of_events_are_those_of_a_dictionary_and_do_not_depend_on_order(rows, random):
    expected = defaultdict(float)
    for a, b, kind, weight in rows:
        if a != b:
            per_kind = 0.5 if kind == "Also-Viewed" else 1.0
            expected[min(a, b), max(a, b)] += per_kind * float(np.float32(1.0 if weight is None else weight))
    if not expected:
        return
    pairs = build_pairs(products("p1"), relationships(rows, ADD))
    assert weights(pairs) == pytest.approx(dict(expected))
    shuffled = [(b, a, *rest) if random.random() < 0.5 else (a, b, *rest) for a, b, *rest in rows]
    random.shuffle(shuffled)
    again = build_pairs(products("p1"), relationships(shuffled, ADD))
    assert again.weight.tobytes() == pairs.weight.tobytes()
    info = pairs.info
    assert info["rows"] == len(rows) == info["self_pairs"] + info["merged_rows"] + len(pairs.weight)


@pytest.mark.parametrize(
    ("rows", "add"),
    [
        ([("a", "b", "also_bought", None)], False),
        ([("a", "b", "also_bought", 2.0)], True),
        ([("a", "b", "pair", None)], True),
        ([], False),
    ],
)
def test_a_table_that_does_not_say_is_told_by_its_names_and_weights(rows, add):
    assert repeats_add(relationships(rows)) == add
    assert repeats_add(relationships(rows, ADD)) and not repeats_add(relationships(rows, ONCE))


@pytest.mark.parametrize("rule", [ADD, ONCE])
def test_the_rule_of_repeats_is_stored_with_the_table(tmp_path, rule):
    store = Store(tmp_path)
    store.write("raw_relationships", "c", relationships([("a", "b", "also_bought", None)], rule), {})
    assert repeats_add(store.read("raw_relationships", "c")) == (rule == ADD)


@pytest.mark.parametrize(
    "rows",
    [
        [("A", "B", "pair", 3e38), ("B", "A", "pair", 3e38)],
        [("A", "B", "pair", 2e38), ("B", "C", "pair", 2e38)],  # a product's weights are added up later on
        [("A", "B", "pair", float("inf"))],
    ],
)
def test_weights_that_do_not_fit_are_refused_with_a_sentence(rows):
    with pytest.raises(InputError, match=r"weights of all pairs add up to .*'A' and 'B'.*Divide all weights"):
        build_pairs(products("A"), relationships(rows, ADD))


def test_a_tiny_weight_is_a_pair_all_the_same():
    pairs = build_pairs(products("A"), relationships([("A", "B", "also_viewed", 1.4e-45)], ADD))
    assert pairs.weight[0] > 0 and all(finding.passed for finding in checks.check_pairs(pairs))


def test_a_name_of_the_settings_class_is_only_a_name():
    names = ("__doc__", "other", "weight_of", "also-buy", "ALSO VIEWED")
    rows = [("a", f"b{i}", name, None) for i, name in enumerate(names)]
    pairs = build_pairs(products("a"), relationships(rows, ADD), PairsConfig(also_bought=3, also_viewed=5, other=7))
    assert list(weights(pairs).values()) == [7, 7, 7, 3, 5]
    assert unknown_counts(relationships(rows)) == {"__doc__": 1, "other": 1, "weight_of": 1}
