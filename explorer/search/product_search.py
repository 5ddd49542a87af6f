"""The product of a page: a search box with an open list of hits, and the product that the address names."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.untrusted.markdown import plain
from explorer.search.product_index import Hits, ProductIndex
from explorer.shared import product_names, query_params
from explorer.shared.formatting import counted, shorten

NEIGHBOURS_PAGE = "neighbours/page.py"
_HITS = 20
_POPULAR = 3
_NAME = 200
_QUERY = 60
_HERE = Path(__file__).parent
# Streamlit's select box only knows options that were sent beforehand, and its text box has no list.
_box = st.components.v2.component(
    "alsobought_search_box",
    html=(_HERE / "search_box.html").read_text(),
    css=(_HERE / "search_box.css").read_text(),
    js=(_HERE / "search_box.js").read_text(),
)


@st.fragment
def search_products(
    index: ProductIndex, key: str, on_chosen: Callable[[str], None], label: str = "Search products"
) -> None:
    """The search box and its list of hits. Only this part of the page runs again while somebody types.

    Args:
        index: the products.
        key: key of the box; several boxes of a page need different ones.
        on_chosen: called with the id of the product that was chosen, before the page is drawn again.
        label: says what the box is for.
    """
    state = st.session_state.get(key)
    query = state.get("query") if state else None
    query = query if isinstance(query, str) else ""
    hits = index.find(query, _HITS)

    def chosen() -> None:
        product_id = st.session_state[key].get("chosen")
        if isinstance(product_id, str) and index.node(product_id) is not None:
            on_chosen(product_id)

    result = _box(
        key=key,
        data={
            "label": label,
            "placeholder": f"{label} by title, brand, category or id",
            "query": query,
            "hits": [_hit(index, node) for node in hits.nodes.tolist()],
            "note": _describe(hits, query),
        },
        on_query_change=_nothing,
        on_chosen_change=chosen,
    )
    if result.chosen:
        st.rerun()


def _nothing() -> None:
    """The box needs a callback for each of its values."""


def _hit(index: ProductIndex, node: int) -> dict[str, str]:
    product = index.product(node)
    return {
        "id": str(product["product_id"]),
        "name": shorten(product_names.product_name(product), _NAME),
        "detail": " · ".join([*product_names.details(product), counted(int(index.popularity[node]), "pair")]),
    }


def _describe(hits: Hits, query: str) -> str:
    """What a search found, in one or two sentences."""
    if not query.strip():
        return f"The most popular of {hits.total:,} products" if hits.total else "There are no products."
    asked = f"“{shorten(query, _QUERY)}”"
    if not hits.total:
        return f"No title, brand, category or id contains {asked}, not even with one typo."
    if hits.typo:
        is_close = f"{counted(hits.total, 'product')} {'is' if hits.total == 1 else 'are'} close to it"
        text = f"Nothing contains {asked}; {is_close}."
    elif hits.more:
        text = f"At least {hits.total:,} products contain {asked}."
    else:
        contain = f"{counted(hits.in_text, 'product')} contain{'s' if hits.in_text == 1 else ''} {asked}"
        in_category = _by_category(hits)
        joint = contain if hits.in_text else f"No title contains {asked}"
        text = f"{joint}; {in_category}." if in_category else f"{joint}."
    more = f" The first {len(hits.nodes)} are listed." if hits.total > len(hits.nodes) else ""
    return text + more


def _by_category(hits: Hits) -> str:
    others = hits.total - hits.in_text
    if not others:
        return ""
    products = counted(others, "other product" if hits.in_text else "product")
    are = "is" if others == 1 else "are"
    if sum(count for _, count in hits.categories) < others:
        return f"{products} {'matches' if others == 1 else 'match'} together with the category"
    (name, largest), *rest = hits.categories
    if not rest:
        return f"{products} {are} in the category {shorten(name, _QUERY)}"
    return f"{products} {are} in {len(rest) + 1} categories, {largest:,} of them in {shorten(name, _QUERY)}"


def product_of_address(index: ProductIndex, category: str, page: str = NEIGHBOURS_PAGE) -> tuple[str, int]:
    """Id and node of the product that the page's address names; without one, of the most popular product.

    If there is no such product, the page says so, links to popular products and stops.

    Args:
        index: the products.
        category: partition key.
        page: the page that the links to other products open.
    """
    product_id = query_params.get_value("product")
    if product_id is None:
        product_id = str(index.product(int(index.popular(1)[0]))["product_id"])
        # The address names the product, so that it can be shared and the back button returns to it.
        query_params.set_value("category", category)
        query_params.set_value("product", product_id)
    node = index.node(product_id)
    if node is None:
        st.warning(
            f"There is no product “{plain(shorten(product_id, 60))}” in this category. Search for another one above, "
            "or open one of the most popular:",
            icon=":material/search_off:",
        )
        for popular in index.popular(_POPULAR).tolist():
            product = index.product(popular)
            st.page_link(
                page,
                label=plain(shorten(product_names.product_name(product), _NAME)),
                icon=":material/arrow_forward:",
                query_params=[("category", category), ("product", str(product["product_id"]))],
            )
        st.stop()
    return product_id, node
