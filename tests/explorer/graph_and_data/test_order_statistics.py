"""Statistics of orders: a case worked by hand, and pandas."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.orders.history import HISTORY
from explorer.graph_and_data import charts
from explorer.graph_and_data.order_statistics import describe, order_statistics
from tests import explorer_fixture as fixture


def test_the_fixtures_orders_by_hand():
    statistics = describe(fixture.history())
    # o1 to o6, s7, o8, and a line without an order
    assert (statistics.orders, statistics.products, statistics.without_time) == (9, 13, 0)
    assert not statistics.weekly and len(statistics.days) == 9
    assert statistics.known.sum() == 4 and statistics.later.sum() == 5
    assert statistics.sizes.tolist() == [0, 4, 3, 1, 0, 1]  # o3 o5 o8 alone; o1 o2 s7; o6; o4
    # The last day is 03-10. Ages: SCRIPT 0; 3 of o6 1; 2 of s7 2; o5 5; 4 of o4 8; UNTITLED 27; B…09 64.
    assert statistics.ages.tolist() == [0, 1, 2, 5, 8, 27, 64]
    assert statistics.bought_since.tolist() == pytest.approx(np.array([1, 4, 6, 7, 11, 12, 13]) / 13)
    assert "92% of the 13 products" in charts.age_chart(statistics).text
    assert (
        charts.orders_chart(statistics).text
        == "9 orders by day, from 2025-01-05 to 2025-03-10 (UTC); 5 of them are held out."
    )
    assert (
        "1 different product in the median and at most 5. 44% hold"
        not in charts.order_size_chart(statistics.sizes).text
    )  # the fifth of nine orders holds two
    assert (
        "2 different products in the median and at most 5. 44% hold" in charts.order_size_chart(statistics.sizes).text
    )


def test_a_year_of_orders_is_counted_by_week(tmp_path):
    rng = np.random.default_rng(0)
    n = 3000
    order = rng.integers(0, 600, n)
    start = rng.integers(0, 400, 600)
    day = start[order] + rng.integers(0, 2, n)
    frame = pd.DataFrame({"order": order, "product": rng.integers(0, 300, n), "day": day + 17_000})
    frame["later"] = (start > 300)[order]
    frame["event"] = np.where(rng.random(n) < 0.1, "view", "purchase")
    nothing = pa.nulls(n, pa.string())
    columns = [
        pa.array(frame["product"].astype(str)), pa.array(frame["order"].astype(str)), nothing, nothing,
        pa.array(frame["day"] * 86_400_000), pa.array(frame["event"]), pa.array(frame["later"]),
    ]  # fmt: skip
    table = pa.table([c.cast(f.type) for c, f in zip(columns, HISTORY, strict=True)], schema=HISTORY)
    pq.write_table(table, tmp_path / "value.parquet", row_group_size=500)
    statistics = order_statistics(tmp_path / "value.parquet")

    frame = frame[frame["event"] == "purchase"]
    by_order = frame.groupby("order").agg({"day": "min", "later": "any", "product": "nunique"})
    week = pd.to_datetime(by_order["day"], unit="D").dt.to_period("W-SUN").dt.start_time
    assert statistics.weekly and statistics.orders == len(by_order)
    for side, later in ((statistics.known, False), (statistics.later, True)):
        expected = week[by_order["later"] == later].value_counts().to_dict()
        days = pd.to_datetime(statistics.days)
        assert {d: c for d, c in zip(days, side.tolist(), strict=True) if c} == expected
    assert statistics.sizes.tolist() == np.bincount(by_order["product"]).tolist()
    age = frame["day"].max() - frame.groupby("product")["day"].max()
    for days, share in zip(statistics.ages.tolist(), statistics.bought_since.tolist(), strict=True):
        assert share == pytest.approx((age <= days).mean())
    assert len(statistics.ages) <= 200 and statistics.bought_since[-1] == 1


def test_orders_without_times_have_sizes_only():
    history = fixture.history()
    untimed = history.set_column(4, HISTORY.field("time"), pa.nulls(history.num_rows, HISTORY.field("time").type))
    statistics = describe(untimed)
    assert statistics.without_time == statistics.orders == 9 and statistics.sizes.tolist() == [0, 4, 3, 1, 0, 1]
    assert charts.orders_chart(statistics) is None and charts.age_chart(statistics) is None
