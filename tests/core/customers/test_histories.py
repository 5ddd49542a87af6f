"""Customers' histories as node ids."""

import numpy as np
import pyarrow as pa

from core.catalog.orders_table import ORDERS
from core.customers.histories import Histories, histories_of
from core.orders.history import order_history
from tests.core.orders.test_history import order_lines, sets

ROWS = [
    ("B", "1", "v", 3), ("A", "2", "u", 2), ("C", "2", "u", 2), ("A", "3", "v", 1), ("X", "3", "v", 1),
    ("A", "4", "u", 5), ("D", "5", None, 1),
]  # fmt: skip


def test_events_follow_time_and_then_the_source_and_unknown_products_are_left_out():
    histories = histories_of(order_history(order_lines(ROWS))[0], pa.array(["A", "B", "C", "D"]))
    assert histories.customers.to_pylist() == ["u", "v"]
    assert histories.customer.tolist() == [0, 0, 0, 1, 1] and histories.node.tolist() == [0, 2, 0, 0, 1]


def test_the_latest_come_first_and_a_product_counts_once_at_its_last_event():
    histories = histories_of(order_history(order_lines(ROWS))[0], pa.array(["A", "B", "C", "D"]))
    assert sets(histories.latest_first()) == [[0, 2], [1, 0]]


def test_latest_first_agrees_with_plain_python():
    rng = np.random.default_rng(0)
    customer, node = np.sort(rng.integers(0, 9, 200)), rng.integers(0, 12, 200).astype(np.int32)
    histories = Histories(pa.array([str(i) for i in range(9)]), customer, node)
    expected = [list(dict.fromkeys(node[customer == c][::-1].tolist())) for c in range(9)]
    assert sets(histories.latest_first()) == expected


def test_views_count_only_where_there_are_no_purchases():
    lines = order_lines(ROWS[:3])
    views = lines.set_column(6, ORDERS.field(6), pa.array(["view"] * 3).dictionary_encode().cast(ORDERS.field(6).type))
    both = pa.concat_tables([views, order_lines([("B", "9", "w", 4)])]).unify_dictionaries()
    ids = pa.array(["A", "B", "C"])
    assert histories_of(order_history(views)[0], ids).n_customers == 2
    assert histories_of(order_history(both)[0], ids).customers.to_pylist() == ["w"]


def test_no_orders_no_customers():
    assert histories_of(order_history(ORDERS.empty_table())[0], pa.array(["A"])).n_customers == 0
