"""The product on the neighbours page: trail and card.

Text from data reaches the page only through plain-text elements or ``core.untrusted.markdown.plain``.
"""

from typing import Any

import streamlit as st

from core.untrusted.markdown import plain
from explorer.neighbours import actions
from explorer.neighbours.breadcrumbs import extend_trail
from explorer.search.product_index import ProductIndex
from explorer.shared import components, product_names, query_params
from explorer.shared.basket import MAX_IN_BASKET
from explorer.shared.formatting import shorten, web_image
from explorer.shared.known_pairs import Partners

_HEADING = 160
_CRUMB = 28
_IMAGE_PIXELS = 72


def show_trail(index: ProductIndex, category: str, product_id: str) -> None:
    """The trail of products, each a link back. The session holds the trail; the address names only its last product."""
    trail_category, trail = st.session_state.get("trail", (category, ()))
    trail = extend_trail(trail if trail_category == category else (), product_id)
    st.session_state["trail"] = (category, trail)
    if len(trail) < 2:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="xxsmall", key="trail row"):
        for position, crumb in enumerate(trail):
            node = index.node(crumb)
            label = shorten(product_names.product_name(index.product(node)) if node is not None else crumb, _CRUMB)
            if position == len(trail) - 1:
                st.markdown(f"**{plain(label)}**", width="content")
                break
            st.button(
                plain(label),
                key=f"crumb {position}",
                type="tertiary",
                help=f"Back to {plain(crumb)}",
                on_click=actions.open_product,
                args=(crumb,),
            )
            st.caption("›", width="content")


def show_product(
    index: ProductIndex, category: str, product: dict[str, Any], known: Partners | None, pairs: int
) -> None:
    """The product in two lines, with what one can do with it; further facts are behind a button."""
    name = product_names.product_name(product)
    image = web_image(product["image_url"]) if _images_allowed(index) else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="product"):
        if image:
            st.image(image, width=_IMAGE_PIXELS, alt=f"Picture of {shorten(name, _HEADING)}")
        with st.container(gap="xxsmall", width="stretch"):
            st.header(plain(shorten(name, _HEADING)), anchor=False)
            price = [] if product["price"] is None else [f"{product['price']:,.2f}"]
            parts = [shorten(str(product["brand"] or ""), 80), shorten(product_names.category_path(product), 120)]
            facts = [*(part for part in parts if part), *price, str(product["product_id"])]
            st.caption(plain(" · ".join(facts)))
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
            with st.popover("Facts", icon=":material/info:"):
                _facts(product, known, pairs)
            _basket_button(str(product["product_id"]))
            components.link_to_lists(category, str(product["product_id"]))


def _facts(product: dict[str, Any], known: Partners | None, pairs: int) -> None:
    for text, icon, color, help_text in _badges(product, known):
        st.badge(text, icon=icon, color=color)
        st.caption(help_text)
    facts = [
        ("Title", str(product["title"] or "–")),
        ("Id", str(product["product_id"])),
        ("Brand", str(product["brand"] or "–")),
        ("Category", product_names.category_path(product) or "–"),
        ("Price", "–" if product["price"] is None else f"{product['price']:,.2f}"),
        ("Sales rank", "–" if product["sales_rank"] is None else f"{product['sales_rank']:,}"),
        ("Pairs", f"{pairs:,}"),
        ("Pairs in training", "–" if known is None else f"{len(known.train):,}"),
        ("Pairs held out", "–" if known is None else f"{len(known.held_out):,}"),
    ]
    for fact, value in facts:
        with st.container(gap="xxsmall"):
            st.caption(fact)
            st.text(value)


def _images_allowed(index: ProductIndex) -> bool:
    """Whether pictures may be loaded: only if the data has their addresses, and never because a link says so."""
    if index.table["image_url"].null_count == len(index):
        return False
    return st.sidebar.toggle(
        "Product images",
        key="images",
        persist_state="session",
        help="Pictures are loaded by your browser from the addresses in the data.",
    )


def _basket_button(product_id: str) -> None:
    basket = query_params.get_values("basket")
    in_basket = product_id in basket
    st.button(
        "Take out of the basket" if in_basket else "Add to basket",
        key="basket button",
        icon=":material/remove_shopping_cart:" if in_basket else ":material/add_shopping_cart:",
        on_click=actions.toggle_basket,
        args=(product_id,),
        disabled=not in_basket and len(basket) >= MAX_IN_BASKET,
    )


def _badges(product: dict[str, Any], known: Partners | None) -> list[tuple[str, str, Any, str]]:
    badges: list[tuple[str, str, Any, str]] = []
    if not product["has_metadata"]:
        badges.append(("Only listed by others", ":material/link:", "gray", "The source has no line for this product."))
    if known is None:
        badges.append(
            ("Split unknown", ":material/sync:", "gray", "The split and the graph are missing or being rebuilt.")
        )
    elif known.cold:
        badges.append(
            (
                "Held out cold",
                ":material/ac_unit:",
                "blue",
                "All its pairs were held out, so no model saw it in training.",
            )
        )
    elif len(known.train):
        badges.append(("Seen in training", ":material/check:", "green", "Models could learn from its pairs."))
    else:
        badges.append(
            ("Not seen in training", ":material/visibility_off:", "orange", "It has no pair in the training graph.")
        )
    return badges
