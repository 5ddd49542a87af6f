"""What a click on the neighbours page does: the steps from one state of the page to the next."""

from collections.abc import Collection, Mapping, Sequence

import streamlit as st

from explorer.shared import query_params
from explorer.shared.basket import MAX_IN_BASKET
from explorer.shared.scorings import GOES_WITH, SIMILAR_TO

FOR_PRODUCT, FOR_BASKET = "this product", "basket"
"""What the lists are for; also the values of ``of`` in the address."""
VIEWS = {GOES_WITH: "goes_with", SIMILAR_TO: "similar"}
"""Question → value of ``view`` in the address."""
OLD_VIEWS = {"complements": GOES_WITH, "substitutes": SIMILAR_TO}
"""Values of ``view`` in addresses of earlier versions."""
NEW_ONLY, ALL = "New only", "All"


def open_product(product_id: str) -> None:
    """Show a product on the page."""
    query_params.set_value("product", product_id)
    query_params.set_value("why", None)
    st.session_state["of"] = FOR_PRODUCT


def ask_why(neighbour: str | None) -> None:
    """Ask why a neighbour is in a list; None closes the answer."""
    query_params.set_value("why", neighbour)


def opened(key: str) -> None:
    """A name in the list ``key`` was clicked."""
    product_id = st.session_state[key].get("opened")
    if isinstance(product_id, str):
        open_product(product_id)


def asked(key: str) -> None:
    """A "Why?" in the list ``key`` was clicked."""
    product_id = st.session_state[key].get("asked")
    if isinstance(product_id, str):
        ask_why(product_id)


def question_chosen(models: Mapping[str, Sequence[str]], before: str) -> None:
    """Another question was chosen; models that nobody chose make room for those that answer it.

    Args:
        models: the models that are shown first for each question.
        before: the question before.
    """
    question = st.session_state["question choice"]
    query_params.set_value("view", VIEWS[question])
    if st.session_state.get("models") == list(models[before]):
        st.session_state["models"] = list(models[question])


def newness_chosen() -> None:
    """The switch between all and only new neighbours was moved."""
    query_params.set_value("pairs", "all" if st.session_state["pairs choice"] == ALL else None)


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
