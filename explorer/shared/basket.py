"""The basket that people put together; the address holds it, so all pages show the same one."""

from collections.abc import Callable, Collection

import streamlit as st

from explorer.search.product_index import ProductIndex
from explorer.shared import product_names, query_params
from explorer.shared.formatting import counted, shorten

MAX_IN_BASKET = 20


def edit_basket(index: ProductIndex, remove: Callable[[Collection[str]], None]) -> list[str]:
    """Show the basket and let people remove products from it.

    Args:
        index: the products.
        remove: called with the ids of the products that were removed.

    Returns:
        ids of the products in the basket; unknown products are left out.
    """
    given = query_params.get_values("basket")[:MAX_IN_BASKET]
    kept = [product_id for product_id in given if index.node(product_id) is not None]
    if len(kept) < len(given):
        st.caption(f"{counted(len(given) - len(kept), 'product')} of the basket in the address could not be found.")
    if not kept:
        return []
    labels = dict(
        zip(kept, (product_names.product_label(index, node) for node in index.nodes(kept).tolist()), strict=True)
    )
    # Every basket is a widget of its own, and only removals count. A click before the page is drawn again also sends
    # what the browser still shows, which lacks a product that was just added.
    key = f"basket items {' '.join(kept)}"

    def changed() -> None:
        remove(set(kept).difference(st.session_state[key]))

    st.multiselect(
        f"Basket ({len(kept)})",
        kept,
        default=kept,
        key=key,
        format_func=lambda product_id: shorten(labels[product_id], 60),
        on_change=changed,
        placeholder="Empty",
    )
    return kept
