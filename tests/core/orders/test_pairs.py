"""Relationships counted from lines: what counts as what, and associations worked by hand."""

import numpy as np
import pytest

from core.orders.config import OrdersConfig
from core.orders.lines import MS_PER_DAY, NONE, OrderLines
from core.orders.pairs import related_products

A, B, C = 0, 1, 2
PLAIN = OrdersConfig(min_count=1, damping=0.0)


def lines(rows):
    """Rows of (product, order, session, customer, day, event)."""
    product, order, session, customer, day, event = np.array(rows, np.int64).T
    return OrderLines(
        product.astype(np.int32), order, session, customer, day * MS_PER_DAY, event.astype(np.uint8)
    )  # fmt: skip


def counts(related, name):
    pairs = related.pairs[name]
    return {(int(a), int(b)): float(w) for a, b, w in zip(pairs.source, pairs.target, pairs.weight, strict=True)}


def test_what_counts_as_which_relationship():
    rows = [
        (A, 1, NONE, 7, 0, 0), (B, 1, NONE, 7, 0, 0),  # together
        (C, 2, NONE, 7, 30, 0),  # later, by the same customer
        (C, 3, NONE, 8, 0, 0), (C, 3, NONE, 8, 0, 1), (A, 3, NONE, 8, 0, 1),  # carts do not count
        (A, NONE, 5, 9, 1, 2), (C, NONE, 5, 9, 1, 2), (C, NONE, 5, 9, 1, 2),  # viewed in one session
    ]  # fmt: skip
    related = related_products(lines(rows), 3, PLAIN)
    assert counts(related, "bought_together") == {(A, B): 1.0}
    assert counts(related, "also_bought") == {(A, C): 1.0, (B, C): 1.0}
    assert counts(related, "also_viewed") == {(A, C): 1.0}
    narrow = related_products(lines(rows), 3, OrdersConfig(min_count=1, damping=0.0, window_days=29))
    assert counts(narrow, "also_bought") == {}


@pytest.mark.parametrize(
    ("association", "expected"),
    # A stands in 4 orders, B in 2, both in 1; 7 lines in all.
    [("count", 1.0), ("lift", 1 * 7 / (4 * 2)), ("cosine", 1 / np.sqrt(8)), ("jaccard", 1 / (4 + 2 - 1))],
)
def test_associations_by_hand(association, expected):
    rows = [(A, 1), (B, 1), (A, 2), (A, 3), (A, 4), (B, 5), (C, 6)]
    found = related_products(
        lines([(p, o, NONE, NONE, 0, 0) for p, o in rows]), 3,
        OrdersConfig(association=association, min_count=1, damping=0.0),
    )  # fmt: skip
    assert counts(found, "bought_together") == {(A, B): pytest.approx(expected, rel=1e-6)}


def test_an_old_order_counts_less_and_a_large_one_too():
    rows = [(A, 1, NONE, NONE, 0, 0), (B, 1, NONE, NONE, 0, 0), (A, 2, NONE, NONE, 10, 0), (C, 2, NONE, NONE, 10, 0)]
    aged = related_products(lines(rows), 3, OrdersConfig(min_count=1, damping=0.0, half_life_days=10))
    assert counts(aged, "bought_together") == {(A, B): 0.5, (A, C): 1.0}
    large = [(p, 1, NONE, NONE, 0, 0) for p in (A, B, C)]
    damped = related_products(lines(large), 3, OrdersConfig(min_count=1, damping=1.0))
    assert set(counts(damped, "bought_together").values()) == {0.5}
