"""The history of orders read in parts, against pandas on the whole of it."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.orders.history import HISTORY
from explorer.shared import order_history
from explorer.shared.order_history import NO_TIME, day_and_time

_KEY = st.one_of(st.none(), st.sampled_from(["a", "b", "A", "d"]))
_LINE = st.fixed_dictionaries(
    {
        "product": st.sampled_from(["p", "q", "r", "s"]),
        "order": _KEY,
        "session": _KEY,
        "customer": _KEY,
        "time": st.one_of(st.none(), st.integers(1, 50)),
        "event": st.sampled_from(["purchase", "view"]),
        "later": st.booleans(),
    }
)


def history(lines):
    """A history of these lines; times are in days."""
    columns = []
    for field in HISTORY:
        values = [line[field.name] for line in lines]
        if field.name == "time":
            values = [None if value is None else value * 86_400_000 for value in values]
        columns.append(pa.array(values, pa.int64() if field.name == "time" else None).cast(field.type))
    return pa.table(columns, schema=HISTORY)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("history") / "value.parquet"


@settings(max_examples=60, deadline=None)
@given(st.lists(_LINE, min_size=1, max_size=30), st.integers(3, 40))
def test_the_later_orders_are_those_of_pandas(path, lines, row_group):
    pq.write_table(history(lines), path, row_group_size=row_group)
    frame = pd.DataFrame(lines)
    only_purchases = bool((frame["event"] == "purchase").any())
    assert order_history.has_purchases(path) == only_purchases
    if only_purchases:
        frame = frame[frame["event"] == "purchase"]
    later = frame[frame["later"]].astype({"order": object, "session": object})
    later = later[later["order"].notna() | later["session"].notna()]
    is_session = later["order"].isna()
    later = later.assign(is_session=is_session, id=later["order"].where(~is_session, later["session"]))
    expected = {}
    for (id_, session), group in later.groupby(["id", "is_session"]):
        if group["product"].nunique() >= 2:
            first = group["time"].min()
            time = NO_TIME if pd.isna(first) else int(first) * 86_400_000
            expected[id_, bool(session)] = (list(dict.fromkeys(group["product"])), time)

    orders = order_history.index_later_orders(path)
    keys = list(zip(orders.ids.to_pylist(), orders.sessions.tolist(), strict=True))
    assert len(keys) == len(set(keys)) and set(keys) == set(expected)
    assert orders.times.tolist() == sorted(orders.times.tolist(), reverse=True)
    for key, size, time in zip(keys, orders.sizes.tolist(), orders.times.tolist(), strict=True):
        products, first = expected[key]
        assert (size, time) == (len(products), first)
        assert order_history.products_of_order(path, *key, only_purchases) == products


@settings(max_examples=40, deadline=None)
@given(st.lists(_LINE, min_size=1, max_size=30), st.integers(3, 40))
def test_customers_and_their_lines_are_those_of_pandas(path, lines, row_group):
    pq.write_table(history(lines), path, row_group_size=row_group)
    frame = pd.DataFrame(lines)
    customers = order_history.index_customers(path)
    named = frame[frame["customer"].notna()]
    assert dict(zip(customers.ids.to_pylist(), customers.lines.tolist(), strict=True)) == (
        named["customer"].value_counts().to_dict()
    )
    assert customers.lines.tolist() == sorted(customers.lines.tolist(), reverse=True)
    for customer, later in zip(customers.ids.to_pylist(), customers.later.tolist(), strict=True):
        own = named[named["customer"] == customer]
        assert later == own["later"].any()
        assert order_history.lines_of_customer(path, customer)["product"].to_pylist() == own["product"].tolist()
        assert customers.holds(customer)
    assert not customers.holds("nobody")


def test_the_cut_is_the_first_moment_after_what_models_know(path):
    """An order that began on day 4 and went on after the cut is later as a whole."""
    line = {"session": None, "customer": None, "event": "purchase"}
    lines = [
        line | {"order": order, "product": product, "time": time, "later": later}
        for order, product, time, later in [
            ("x", "p", 3, False),
            ("y", "p", 4, True),
            ("z", "q", 5, False),
            ("y", "q", 7, True),
            ("w", "q", 8, True),
        ]
    ]
    pq.write_table(history(lines), path)
    orders = order_history.index_later_orders(path)
    assert orders.cut == 7 * 86_400_000 and orders.ids.to_pylist() == ["y"] and orders.row("w") is None
    pq.write_table(history([line | {"later": False} for line in lines]), path)
    assert order_history.index_later_orders(path).cut is None


def test_times_for_people():
    assert day_and_time(0) == "1970-01-01" and day_and_time(1_740_837_900_000) == "2025-03-01 14:05"
