"""A search box for products."""

from collections.abc import Callable

import streamlit as st

from explorer.shared import product_names
from explorer.shared.formatting import counted
from explorer.shared.product_index import ProductIndex

_HITS = 50


def search_products(index: ProductIndex, key: str, hit_key: str, on_chosen: Callable[[str], None]) -> None:
    """The search box and its hits.

    Args:
        index: the products.
        key: key of the box.
        hit_key: key of the list of hits.
        on_chosen: called with ``hit_key`` when a hit is chosen; the session's state holds its product id there.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input(
            "Search by title, brand or id",
            key=key,
            type="search",
            live="300ms",
            placeholder="Search products",
            persist_state="session",
        )
        hits = index.find(query, _HITS)
        labels = {
            str(index.product(node)["product_id"]): product_names.product_label(index, node)
            for node in hits.nodes.tolist()
        }
        bound = "more than " if hits.more else ""
        heading = (
            f"{bound}{counted(hits.total, 'product')} found"
            if query.strip()
            else f"The most popular of {hits.total:,} products"
        )
        st.selectbox(
            heading,
            list(labels),
            index=None,
            key=hit_key,
            format_func=lambda product_id: labels.get(product_id, product_id),
            on_change=on_chosen,
            args=(hit_key,),
            placeholder="Nothing matches" if not labels else "Choose a product",
            disabled=not labels,
        )
    if hits.total > len(labels) and query.strip():
        st.caption(f"Only the best {len(labels)} are listed. Add a word to narrow the search.")
