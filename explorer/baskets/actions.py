"""What a click on the baskets page does."""

import random
from collections.abc import Collection

import pyarrow as pa
import streamlit as st

from explorer.shared import query_params
from explorer.shared.basket import MAX_IN_BASKET


def open_order(order_id: str) -> None:
    """Show an order; what was given of the order before it is forgotten."""
    query_params.set_value("order", order_id)
    forget_product()


def order_chosen(key: str) -> None:
    """An order was chosen in the select box ``key``, which is then cleared for the next choice."""
    value = st.session_state[key]
    if value is not None:
        open_order(value)
        st.session_state[key] = None


def open_random_order(ids: pa.Array) -> None:
    """Show one of the orders with these ids."""
    open_order(ids[random.randrange(len(ids))].as_py())


def product_chosen(name: str, key: str) -> None:
    """The given or the missing product was chosen in the select box ``key``."""
    query_params.set_value(name, st.session_state[key])


def forget_product() -> None:
    """Forget which product is given and which is missing."""
    query_params.set_value("given", None)
    query_params.set_value("missing", None)


def add_to_basket(product_id: str) -> None:
    """A product was chosen; it joins the basket."""
    query_params.set_values("basket", [*query_params.get_values("basket"), product_id][:MAX_IN_BASKET])


def remove_from_basket(product_ids: Collection[str]) -> None:
    """Remove products from the basket."""
    kept = [product_id for product_id in query_params.get_values("basket") if product_id not in product_ids]
    query_params.set_values("basket", kept)
