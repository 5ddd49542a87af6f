"""What a click on the neighbours page does: the steps from one state of the page to the next."""

from collections.abc import Collection, Sequence

import streamlit as st

from explorer.shared import query_params
from explorer.shared.basket import MAX_IN_BASKET

FOR_PRODUCT, FOR_BASKET = "this product", "basket"
"""What the lists are for; also the values of ``of`` in the address."""


def open_product(product_id: str) -> None:
    """Show a product on the page."""
    query_params.set_value("product", product_id)
    query_params.set_value("why", None)
    st.session_state["of"] = FOR_PRODUCT


def ask_why(neighbour: str | None) -> None:
    """Ask why a neighbour is in a list; None closes the answer."""
    query_params.set_value("why", neighbour)


def clicked_product(key: str, ids: Sequence[str]) -> None:
    """A name in a list was clicked."""
    row = _row(key)
    if row is not None and row < len(ids):
        open_product(ids[row])


def clicked_why(key: str, ids: Sequence[str]) -> None:
    """A "Why?" in a list was clicked."""
    row = _row(key)
    if row is not None and row < len(ids):
        ask_why(ids[row])


def product_chosen(key: str, *, why: bool = False) -> None:
    """A product was chosen in the select box ``key``, which is then cleared for the next choice."""
    value = st.session_state[key]
    if value is not None:
        (ask_why if why else open_product)(value)
        st.session_state[key] = None


def toggle_basket(product_id: str) -> None:
    """Add a product to the basket, or remove it."""
    basket = query_params.get_values("basket")
    if product_id in basket:
        remove_from_basket([product_id])
    else:
        _set_basket([*basket, product_id])


def remove_from_basket(product_ids: Collection[str]) -> None:
    """Remove products from the basket."""
    if product_ids:
        _set_basket([product_id for product_id in query_params.get_values("basket") if product_id not in product_ids])


def _set_basket(product_ids: Sequence[str]) -> None:
    query_params.set_values("basket", list(product_ids[:MAX_IN_BASKET]))
    query_params.set_value("why", None)
    if not product_ids:
        st.session_state["of"] = FOR_PRODUCT


def _row(key: str) -> int | None:
    click = st.session_state.get(key)
    return None if click is None else int(click["row"])
