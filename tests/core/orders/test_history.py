"""Which order lines are held out, and what is asked about them."""

import numpy as np
import pyarrow as pa
import pytest

from core.catalog.orders_table import ORDERS
from core.errors import InputError
from core.orders.held_out import held_out_orders
from core.orders.history import order_history
from core.orders.relationships import order_relationships
from core.pairs.split import SplitConfig

DAY = 86_400_000


def order_lines(rows):
    """Rows of (product, order, customer, day); None where there is none."""
    product, order, customer, day = zip(*rows, strict=True)
    n = len(rows)
    columns = [
        pa.array(product, pa.string()), pa.array(order, pa.string()), pa.nulls(n, pa.string()),
        pa.array(customer, pa.string()), pa.array([None if d is None else d * DAY for d in day], pa.int64()),
        pa.array(np.ones(n), pa.float32()), pa.array(["purchase"] * n),
    ]  # fmt: skip
    return pa.table(
        [c.dictionary_encode().cast(f.type) if pa.types.is_dictionary(f.type) else c.cast(f.type)
         for c, f in zip(columns, ORDERS, strict=True)],
        schema=ORDERS,
    )  # fmt: skip


ROWS = [
    ("A", "1", "u", 1), ("B", "1", "u", 1),
    ("B", "2", "v", 2), ("C", "2", "v", 3),  # its second line is later than day 2
    ("C", "3", "u", 4), ("D", "3", "u", 4), ("A", "3", "u", 4),
    ("E", "4", "w", 5), ("A", "5", "v", 6), ("F", "6", None, None),
]  # fmt: skip


def later(rows, **settings):
    history, facts = order_history(order_lines(rows), SplitConfig(**settings))
    return {(r["product"], r["order"]) for r in history.to_pylist() if r["later"]}, facts


def test_a_date_holds_out_whole_orders_and_drops_lines_without_time():
    lines, facts = later(ROWS, by="time", date="1970-01-04")
    assert lines == {("B", "2"), ("C", "2"), ("C", "3"), ("D", "3"), ("A", "3"), ("E", "4"), ("A", "5")}
    assert facts["left_out_without_time"] == 1 and facts["later_orders"] == 4
    assert facts["cut"] == "1970-01-04T00:00:00.000"


def test_a_share_holds_out_the_latest_lines():
    lines, _ = later(ROWS, by="time", last=0.2)
    assert lines == {("E", "4"), ("A", "5")}


def test_the_last_order_of_every_customer_who_has_several():
    lines, _ = later(ROWS, by="last_order")
    assert lines == {("C", "3"), ("D", "3"), ("A", "3"), ("A", "5")}


def test_lines_without_orders_are_orders_of_their_own_and_ties_follow_the_source():
    lines, _ = later([("A", None, "u", 1), ("B", None, "u", 1), ("C", None, "v", 1)], by="last_order")
    assert lines == {("B", None)}


@pytest.mark.parametrize("date", ["1970-01-04", "19700104", "1970-01-04T00:00"])
def test_a_date_may_be_written_in_every_form_that_is_accepted(date):
    assert later(ROWS, by="time", date=date)[1]["cut"] == "1970-01-04T00:00:00.000"


def test_a_session_is_held_out_as_a_whole():
    lines = order_lines([("A", None, "u", 1), ("B", None, "u", 1), ("C", None, "u", 1)])
    session = pa.array(["s", "t", "t"]).dictionary_encode().cast(ORDERS.field("session").type)
    lines = lines.set_column(ORDERS.get_field_index("session"), "session", session)
    assert order_history(lines, SplitConfig(by="last_order"))[0]["later"].to_pylist() == [False, True, True]


@pytest.mark.parametrize("by", ["auto", "time", "last_order"])
def test_a_source_in_which_everything_was_returned_has_an_empty_history(by):
    lines = order_lines([("A", "1", "u", 1), ("A", "2", "u", 2)])
    returned = lines.set_column(ORDERS.get_field_index("quantity"), "quantity", pa.array([1, -1], pa.float32()))
    history, facts = order_history(returned, SplitConfig(by=by))
    assert history.num_rows == 0 and facts["later_lines"] == 0 and facts["cancelled_lines"] == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"by": "time", "date": "1980-01-01"}, "there is no order line after 1980-01-01"),
        ({"by": "time", "date": "1960-01-01"}, "there is no order line before 1960-01-01"),
    ],
)
def test_an_empty_side_is_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        order_history(order_lines(ROWS), SplitConfig(**settings))


def test_a_split_that_the_lines_do_not_allow_is_refused():
    with pytest.raises(InputError, match="no times to split by; choose `random`"):
        order_history(order_lines([("A", "1", "u", None), ("B", "1", "u", None)]), SplitConfig(by="time"))
    with pytest.raises(InputError, match="have no customers"):
        order_history(order_lines([("A", "1", None, 1), ("B", "1", None, 2)]), SplitConfig(by="last_order"))


def test_small_sources_are_split_at_random_unless_asked_for():
    assert order_history(order_lines(ROWS))[1]["split"] == "random"
    many = [(f"P{i % 7}", str(i // 3), "u", i) for i in range(1200)]
    assert order_history(order_lines(many))[1]["split"] == "time"


def test_an_order_id_of_two_customers_gets_a_name_that_is_not_taken():
    rows = [("A", "1", "u", 1), ("B", "1", "v", 1), ("C", "1 (2)", "w", 1), ("D", "1", "v", 2)]
    history, facts = order_history(order_lines(rows))
    assert history["order"].to_pylist() == ["1", "1 (2)'", "1 (2)", "1 (2)'"]
    assert facts["orders_of_several_customers"] == 1


def test_what_is_asked_about_later_orders():
    history, _ = order_history(order_lines(ROWS), SplitConfig(by="time", date="1970-01-04"))
    asked = held_out_orders(history, pa.array(["A", "B", "C", "D", "E"]))
    assert sets(asked.orders) == [[1, 2], [0, 2, 3]]
    # u bought A and B before; of the later order A is known. v and w bought nothing before.
    assert sets(asked.history) == [[1, 0]] and sets(asked.next_orders) == [[2, 3]]


def test_the_history_has_the_latest_product_first_and_each_once():
    rows = [("A", "1", "u", 1), ("B", "2", "u", 2), ("A", "3", "u", 3), ("C", "4", "u", 4), ("D", "5", "u", 5)]
    history, _ = order_history(order_lines(rows), SplitConfig(by="time", date="1970-01-05"))
    asked = held_out_orders(history, pa.array(["A", "B", "C", "D"]))
    assert sets(asked.history) == [[0, 1]] and sets(asked.next_orders) == [[2]]  # only the first later order


def test_nothing_is_asked_where_nothing_is_held_out():
    assert held_out_orders(order_history(order_lines(ROWS))[0], pa.array(["A"])) is None
    assert held_out_orders(order_history(ORDERS.empty_table())[0], pa.array(["A"])) is None


def test_relationships_are_counted_apart():
    history, _ = order_history(order_lines(ROWS), SplitConfig(by="time", date="1970-01-04"))
    counted = order_relationships(history)
    assert counted.later is not None and set(counted.products["product_id"].to_pylist()) == set("ABCDE")


def sets(product_sets):
    bounds = zip(product_sets.starts[:-1], product_sets.starts[1:], strict=True)
    return [product_sets.nodes[a:b].tolist() for a, b in bounds]
