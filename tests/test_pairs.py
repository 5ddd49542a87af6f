"""Pairs: weights, directions, repeats and node ids against a plain dictionary."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.pairs import PRODUCT_COLUMNS, PairsConfig, build_pairs
from core.relationships import relationship_counts

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


def relationships(rows):
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
    )


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
