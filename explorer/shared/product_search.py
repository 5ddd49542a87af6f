"""The product of a page: a search box, and the product that the address names."""

from collections.abc import Callable

import streamlit as st

from core.untrusted.markdown import plain
from explorer.shared import product_names, query_params
from explorer.shared.formatting import counted, shorten
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


def product_of_address(index: ProductIndex, category: str) -> tuple[str, int]:
    """Id and node of the product that the page's address names; without one, of the most popular product.

    The page stops with a sentence if there is no such product.
    """
    product_id = query_params.get_value("product")
    if product_id is None:
        product_id = str(index.product(int(index.find("", 1).nodes[0]))["product_id"])
        # The address names the product, so that it can be shared and the back button returns to it.
        query_params.set_value("category", category)
        query_params.set_value("product", product_id)
        st.caption("Starting with the most popular product.")
    node = index.node(product_id)
    if node is None:
        st.warning(
            f"There is no product {plain(shorten(product_id, 60))} in this category. Search for another above.",
            icon=":material/search_off:",
        )
        st.stop()
    return product_id, node
