"""A customer's lines told apart, by hand."""

import pyarrow as pa

from explorer.customers.purchases import Purchase, purchases_of
from explorer.shared.order_history import NO_TIME


def lines(*rows):
    """Lines of one customer from (product, order, session, time, event, later)."""
    names = ("product", "order", "session", "time", "event", "later")
    kinds = (pa.string(), pa.string(), pa.string(), pa.timestamp("ms", "UTC"), pa.string(), pa.bool_())
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(c, kind) for c, kind in zip(columns, kinds, strict=True)], names=list(names))


def test_the_latest_comes_first_and_each_product_once_per_order():
    done = purchases_of(
        lines(
            ("a", "1", None, 10, "purchase", False),
            ("b", "1", None, 10, "purchase", False),
            ("a", "1", None, 10, "purchase", False),
            ("a", "2", None, 20, "purchase", False),
            ("c", None, "s", None, "purchase", False),
        ),
        only_purchases=True,
    )
    assert done.history == [
        Purchase("a", 20, "2", "purchase"),
        Purchase("a", 10, "1", "purchase"),
        Purchase("b", 10, "1", "purchase"),
        Purchase("c", NO_TIME, "s", "purchase"),
    ]
    assert (done.next_order, done.later_orders, done.new) == ([], 0, [])


def test_the_next_order_is_the_first_later_one():
    done = purchases_of(
        lines(
            ("a", "1", None, 10, "purchase", False),
            ("d", "1", None, 10, "view", False),
            ("z", "9", None, 90, "purchase", True),
            ("v", "4", None, 30, "view", True),
            ("a", "4", None, 40, "purchase", True),
            ("d", "4", None, 40, "purchase", True),
            ("d", "4", None, 41, "purchase", True),
        ),
        only_purchases=True,
    )
    assert [p.product for p in done.next_order] == ["a", "d"] and done.later_orders == 2
    assert done.new == ["d"]  # it was viewed before, but not bought
    assert [p.event for p in done.history] == ["view", "purchase"]  # at the same moment the later line first


def test_a_line_without_order_and_session_is_an_order_of_its_own():
    done = purchases_of(
        lines(("a", None, None, 5, "view", True), ("b", None, None, 5, "view", True)), only_purchases=False
    )
    assert [p.product for p in done.next_order] == ["a"] and done.later_orders == 2
    assert not purchases_of(lines(("a", None, None, 5, "view", True)), only_purchases=True).next_order
