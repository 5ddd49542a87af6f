"""Counts of pairs against pandas' self-merge, SciPy's X'X and brute force over customers' histories."""

import collections
import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from core.orders import lines as order_lines
from core.orders.cooccurrence import count_cooccurrences
from core.orders.lines import MS_PER_DAY, NONE, OrderLines, across_orders, within_groups


def make(rows):
    """Lines from (product, order, customer, day) tuples."""
    product, order, customer, day = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    n = len(rows)
    return OrderLines(
        product.astype(np.int32), order, np.full(n, NONE), customer, day * MS_PER_DAY, np.zeros(n, np.uint8)
    )


def as_dict(pairs):
    return {
        (int(a), int(b)): (pytest.approx(float(w), rel=1e-5), int(c))
        for a, b, w, c in zip(pairs.source, pairs.target, pairs.weight, pairs.count, strict=True)
    }


LINES = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 6), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=40
)


@given(LINES, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 3.0]), st.integers(1, 3))
def test_pairs_of_one_order_are_those_of_a_self_merge(rows, damping, half_life, threads):
    rows = [(p, o, o % 3, o) for p, o, _, _ in rows]  # an order has one customer and one day
    lines = make(rows)
    meetings, left_out = within_groups(lines, lines.order, damping, cap=100, half_life_days=half_life)
    assert left_out == 0
    frame = pd.DataFrame(rows, columns=["product", "order", "customer", "day"]).drop_duplicates(["product", "order"])
    size = frame.groupby("order")["product"].transform("size")
    decay = 0.5 ** ((frame["day"].max() - frame["day"]) / half_life) if half_life else 1.0
    frame["weight"] = decay / np.maximum(size - 1, 1) ** damping
    merged = frame.merge(frame, on="order", suffixes=("_a", "_b")).query("product_a < product_b")
    sums = merged.groupby(["product_a", "product_b"])["weight_a"].agg(["sum", "size"])
    expected = {key: (row["sum"], int(row["size"])) for key, row in sums.iterrows()}
    found = count_cooccurrences(meetings, 9, threads=threads)
    assert as_dict(found) == expected
    assert np.all(np.diff(found.source * np.int64(9) + found.target) > 0) and found.weight.dtype == np.float32


def test_many_orders_are_the_product_of_the_incidence_matrix_whatever_the_threads(monkeypatch):
    rng = np.random.default_rng(3)
    order, product = rng.integers(0, 4000, 60_000), (rng.zipf(1.3, 60_000) % 500).astype(np.int32)
    lines = OrderLines(product, order, *(np.zeros(60_000, np.int64) for _ in range(3)), np.zeros(60_000, np.uint8))
    meetings, _ = within_groups(lines, lines.order, 0.0, 10_000, 0.0)
    incidence = sp.csr_matrix((np.ones(60_000), (order, product)), shape=(4000, 500))
    incidence.data[:] = 1
    incidence = incidence.minimum(1)
    dense = sp.triu(incidence.T @ incidence, k=1).tocoo()
    expected = {(int(a), int(b)): int(n) for a, b, n in zip(dense.row, dense.col, dense.data, strict=True)}
    one = count_cooccurrences(meetings, 500, threads=1)
    assert {
        (a, b): c for a, b, c in zip(one.source.tolist(), one.target.tolist(), one.count.tolist(), strict=True)
    } == expected
    monkeypatch.setattr("core.orders.cooccurrence._BUFFER", 700)  # many hand-overs
    monkeypatch.setattr("core.orders.cooccurrence._PARTS", 7)
    two = count_cooccurrences(meetings, 500, threads=3)
    for name in ("source", "target", "weight", "count"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    often = count_cooccurrences(meetings, 500, min_count=3)
    assert len(often) == sum(n >= 3 for n in expected.values())


@given(LINES, st.sampled_from([0, 2, 5]), st.integers(1, 50))
def test_pairs_of_other_orders_are_those_of_every_two_lines_of_a_customer(rows, window, cap):
    rows = list({(p, o, c, o) for p, o, c, _ in rows})  # the day follows from the order
    rows = [(p, o * 10 + c, c, day) for p, o, c, day in rows]
    meetings = across_orders(make(rows), 0.0, cap, window, 0.0)
    expected = collections.Counter()
    for customer in {row[2] for row in rows}:
        history = sorted((row for row in rows if row[2] == customer), key=lambda r: (r[3], r[1], r[0]))
        for (i, a), (j, b) in itertools.combinations(enumerate(history), 2):
            if a[1] != b[1] and j - i <= cap and (not window or abs(a[3] - b[3]) <= window) and a[0] != b[0]:
                expected[tuple(sorted((a[0], b[0])))] += 1
    found = count_cooccurrences(meetings, 9)
    assert (
        dict(zip(zip(found.source.tolist(), found.target.tolist(), strict=True), found.count.tolist(), strict=True))
        == expected
    )


def test_a_huge_order_is_sampled_the_same_way_whatever_the_order_of_its_lines():
    products = np.arange(5_000, dtype=np.int32)
    rows = [(int(p), 1, 0, 0) for p in products] + [(7, 2, 0, 0), (9, 2, 0, 0)]
    meetings, left_out = within_groups(make(rows), make(rows).order, 0.0, 100, 0.0)
    assert left_out == 4_900 and len(meetings) == 102
    found = count_cooccurrences(meetings, 5_000)
    assert len(found) == 100 * 99 // 2 + 1 or (7, 9) in as_dict(found)
    turned, _ = within_groups(make(rows[::-1]), make(rows[::-1]).order, 0.0, 100, 0.0)
    np.testing.assert_array_equal(turned.product, meetings.product)


def test_no_lines_give_no_pairs():
    empty = OrderLines(*(np.empty(0, kind) for kind in (np.int32, np.int64, np.int64, np.int64, np.int64, np.uint8)))
    meetings, left_out = within_groups(empty, empty.order, 1.0, 100, 30.0)
    assert left_out == 0 and len(count_cooccurrences(meetings, 3)) == 0
    assert len(count_cooccurrences(across_orders(empty, 1.0, 10, 30, 30), 3)) == 0
    assert order_lines.age_weight(np.array([0, MS_PER_DAY]), 1.0).tolist() == [0.5, 1.0]
