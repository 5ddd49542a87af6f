"""The tables of the page Customers and their column settings."""

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.orders.form import EVENTS
from core.orders.lines import PURCHASE
from explorer.customers.purchases import Purchase
from explorer.search.product_index import ProductIndex
from explorer.shared.formatting import for_grid
from explorer.shared.order_history import NO_TIME, day_and_time
from explorer.shared.product_names import name_in_table

HIT = "★"
POPULAR = "popular with everybody"


def names_of(index: ProductIndex, product_ids: Sequence[str]) -> list[str]:
    """Names of products for a table."""
    nodes = index.nodes(list(product_ids)).tolist()
    return [name_in_table(index, node, product_id) for node, product_id in zip(nodes, product_ids, strict=True)]


def history_rows(index: ProductIndex, purchases: Sequence[Purchase]) -> pd.DataFrame:
    """Time, product, event, order and id; events are left out if all are purchases, orders if there are none."""
    columns: dict[str, Any] = {
        "when": [None if p.time == NO_TIME else day_and_time(p.time) for p in purchases],
        "product": names_of(index, [p.product for p in purchases]),
    }
    if any(p.event != EVENTS[PURCHASE] for p in purchases):
        columns["event"] = [p.event for p in purchases]
    if any(p.order is not None for p in purchases):
        columns["order"] = [None if p.order is None else for_grid(p.order) for p in purchases]
    return pd.DataFrame(columns | {"id": [for_grid(p.product) for p in purchases]})


def history_columns() -> dict[str, Any]:
    """Column settings for :func:`history_rows`."""
    column = st.column_config
    return {
        "when": column.TextColumn("When (UTC)", width=120),
        "product": column.TextColumn("Product", width=260),
        "event": column.TextColumn("Event", width=70),
        "order": column.TextColumn("Order", width=100),
        "id": column.TextColumn("Id", width=90),
    }


def list_rows(index: ProductIndex, rows: pa.Table, bought_next: Collection[str]) -> pd.DataFrame:
    """The list of a customer: rank, hit, product, the product it is there because of, score and id.

    Args:
        index: the products.
        rows: table of ``readers.read_customer_list``.
        bought_next: ids of the products of the customer's next order.
    """
    ids, because = rows["product_id"].to_pylist(), rows["because"].to_pylist()
    known = [reason for reason in because if reason is not None]
    name = dict(zip(known, names_of(index, known), strict=True))
    return pd.DataFrame(
        {
            "rank": rows["rank"].to_pylist(),
            "hit": [HIT if product_id in bought_next else "" for product_id in ids],
            "product": names_of(index, ids),
            "because": [POPULAR if reason is None else name[reason] for reason in because],
            "score": rows["score"].to_pylist(),
            "id": [for_grid(product_id) for product_id in ids],
        }
    )


def list_columns() -> dict[str, Any]:
    """Column settings for :func:`list_rows`."""
    column = st.column_config
    return {
        "rank": column.NumberColumn("#", width=28, help="Rank in the list"),
        "hit": column.TextColumn("Hit", width=34, alignment="center", help="★ The customer's next order contains it"),
        "product": column.TextColumn("Product", width=180),
        "because": column.TextColumn(
            "Because of", width=152, help="The product of the history that contributed most to the score"
        ),
        "score": column.NumberColumn("Score", format="%.3g", width=60, help="Comparable within one list"),
        "id": column.TextColumn("Id", width=90),
    }


def next_rows(
    index: ProductIndex, next_order: Sequence[Purchase], new: Collection[str], rows: pa.Table
) -> pd.DataFrame:
    """The products of the next order: name, rank in the list, whether it is new to the customer, id."""
    rank = dict(zip(rows["product_id"].to_pylist(), rows["rank"].to_pylist(), strict=True))
    ids = [purchase.product for purchase in next_order]
    return pd.DataFrame(
        {
            "product": names_of(index, ids),
            "rank": pd.array([rank.get(product_id) for product_id in ids], dtype="Int64"),
            "before": ["" if product_id in new else "yes" for product_id in ids],
            "id": [for_grid(product_id) for product_id in ids],
        }
    )


def next_columns() -> dict[str, Any]:
    """Column settings for :func:`next_rows`."""
    column = st.column_config
    return {
        "product": column.TextColumn("Product", width=260),
        "rank": column.NumberColumn("In the list", width=80, help="Rank in the list for this customer"),
        "before": column.TextColumn("Bought before", width=110),
        "id": column.TextColumn("Id", width=90),
    }
