"""Parts of the customers page: the choice of a customer, history, list and next order.

Ids of customers are shown as they are stored, hashed if the category hashes them, and nothing else about a person is.
"""

from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.untrusted.markdown import plain
from explorer.customers import actions, readers, tables
from explorer.customers.purchases import Purchases
from explorer.search.id_search import search_ids
from explorer.search.product_index import ProductIndex
from explorer.shared import components, order_history, query_params
from explorer.shared.dagster_links import materialize_command
from explorer.shared.formatting import counted, shorten
from explorer.shared.order_history import NO_TIME, Customers, day_and_time

_MAX_HISTORY = 300
_ROW_PIXELS = 35
_MAX_ROWS = 12
_MAX_ROWS_OF_HISTORY = 24
_NOTHING = pa.table({"rank": pa.array([], pa.int32()), "product_id": pa.array([], pa.string())})


def choose_customer(customers: Customers, category: str) -> str | None:
    """Widgets that choose a customer; None if the address names one who does not exist."""
    search_ids(
        "customer",
        customers.ids,
        f"The most active of {len(customers):,} customers",
        actions.customer_chosen,
        actions.open_random_customer,
    )
    customer = query_params.get_value("customer")
    if customer is None:
        customer = str(customers.ids[0].as_py())
        # The address names the customer, so that it can be shared and the back button returns to it.
        query_params.set_value("category", category)
        query_params.set_value("customer", customer)
        st.caption("Starting with the customer who has the most order lines.")
    if not customers.holds(customer):
        st.warning(
            f"There is no customer {plain(shorten(customer, 60))} in this category. Choose another above.",
            icon=":material/search_off:",
        )
        return None
    return customer


def show_heading(customer: str, done: Purchases) -> None:
    """The customer's id and how much is known."""
    st.header(f"Customer {plain(shorten(customer, 60))}", anchor=False)
    times = [purchase.time for purchase in done.history if purchase.time != NO_TIME]
    facts = [f"{counted(len(done.history), 'product')} in the history"]
    if times:
        facts.append(f"{day_and_time(min(times))} to {day_and_time(max(times))} (UTC)")
    facts.append(f"{counted(done.later_orders, 'later order')}")
    st.caption(plain(" · ".join(facts)))


def show_history(index: ProductIndex, done: Purchases) -> None:
    """What models may know about the customer, the latest first."""
    st.subheader("History", anchor=False)
    if not done.history:
        st.caption("Everything that this customer bought is held out, so models know nothing about the customer.")
        return
    shown = done.history[:_MAX_HISTORY]
    more = f" The latest {_MAX_HISTORY} are shown." if len(done.history) > _MAX_HISTORY else ""
    st.caption(f"What models may know, the latest first.{more}")
    _table(
        tables.history_rows(index, shown),
        tables.history_columns(),
        "What the customer bought, the latest first",
        _MAX_ROWS_OF_HISTORY,
    )


def show_list(index: ProductIndex, category: str, customer: str, done: Purchases) -> pa.Table:
    """The list for the customer; returns its rows."""
    st.subheader("For you", anchor=False)
    stored = readers.count_list_rows(category)
    if stored is None:
        st.info(
            "Lists for customers are not materialized for this category yet. Materialize them with:",
            icon=":material/inventory_2:",
        )
        components.show_command(materialize_command(category, f"+{readers.ASSET}"))
        return _NOTHING
    rows = readers.read_customer_list(category, customer) if stored else _NOTHING
    if not rows.num_rows:
        whose = "this customer" if stored else "any customer of this category"
        st.info(f"There is no list for {whose}.", icon=":material/block:")
        return _NOTHING
    bought = {purchase.product for purchase in done.next_order}
    hits = len(bought.intersection(rows["product_id"].to_pylist()))
    verb = "is" if hits == 1 else "are"
    st.caption(
        f"**{hits} of {counted(len(bought), 'product')}** of the next order {verb} in this list of {rows.num_rows}."
        if bought
        else f"{counted(rows.num_rows, 'product')}; nothing later is known that they could be compared with."
    )
    _table(
        tables.list_rows(index, rows, bought),
        tables.list_columns(),
        "Products recommended to the customer, with reasons",
    )
    return rows


def show_next_order(index: ProductIndex, category: str, done: Purchases, rows: pa.Table) -> None:
    """What the customer really bought next, if the test in time holds some of it out."""
    st.subheader("Bought next", anchor=False)
    if not done.next_order:
        st.caption("No later order of this customer is held out.")
        return
    first = done.next_order[0]
    when = "" if first.time == NO_TIME else f"{day_and_time(first.time)}: "
    st.caption(
        f"{when}{counted(len(done.next_order), 'product')}, {len(done.new):,} new to the customer. "
        + order_history.what_later_means(category, order_history.read_later_orders(category).cut)
    )
    _table(
        tables.next_rows(index, done.next_order, done.new, rows),
        tables.next_columns(),
        "Products of the customer's next order, with their rank in the list",
    )


def _table(rows: pd.DataFrame, columns: dict[str, Any], text: str, most: int = _MAX_ROWS) -> None:
    st.dataframe(
        rows,
        column_config=columns,
        hide_index=True,
        placeholder="–",
        height=_ROW_PIXELS * (min(len(rows), most) + 1) + 3,
        alt=text,
    )
