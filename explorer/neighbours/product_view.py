"""The product on the neighbours page: search, the way one came, the card and the basket.

Text from data reaches the page only through plain-text elements or ``texts.plain``.
"""

from typing import Any

import streamlit as st

from core.untrusted.markdown import plain
from explorer.neighbours import actions
from explorer.neighbours.breadcrumbs import extend_trail
from explorer.neighbours.known_pairs import Partners
from explorer.shared import product_names, query_params
from explorer.shared.formatting import counted, shorten, web_image
from explorer.shared.product_index import ProductIndex

_HITS = 50
_HEADING = 160
_CRUMB = 28
_IMAGE_PIXELS = 150


def search_box(index: ProductIndex) -> None:
    """The search box and its hits; choosing one opens it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input(
            "Search by title, brand or id",
            key="search",
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
        some = "more than " if hits.more else ""
        what = (
            f"{some}{counted(hits.total, 'product')} found"
            if query.strip()
            else f"The most popular of {hits.total:,} products"
        )
        st.selectbox(
            what,
            list(labels),
            index=None,
            key="hit",
            format_func=lambda product_id: labels.get(product_id, product_id),
            on_change=actions.product_chosen,
            args=("hit",),
            placeholder="Nothing matches" if not labels else "Choose a product",
            disabled=not labels,
        )
    if hits.total > len(labels) and query.strip():
        st.caption(f"The best {len(labels)} are listed; add a word to narrow it down.")


def show_trail(index: ProductIndex, category: str, product_id: str) -> None:
    """The products one came over, each a way back. The trail lives in the session; the address names its end."""
    kept_for, trail = st.session_state.get("trail", (category, ()))
    trail = extend_trail(trail if kept_for == category else (), product_id)
    st.session_state["trail"] = (category, trail)
    if len(trail) < 2:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="xxsmall", key="trail row"):
        for place, crumb in enumerate(trail):
            node = index.node(crumb)
            called = shorten(product_names.product_name(index.product(node)) if node is not None else crumb, _CRUMB)
            if place == len(trail) - 1:
                st.markdown(f"**{plain(called)}**", width="content")
                break
            st.button(
                plain(called),
                key=f"crumb {place}",
                type="tertiary",
                help=f"Back to {plain(crumb)}",
                on_click=actions.open_product,
                args=(crumb,),
            )
            st.caption("›", width="content")


def show_product(index: ProductIndex, product: dict[str, Any], known: Partners | None, pairs: int) -> None:
    """What is known about the product itself, and its way into the basket."""
    title = str(product["title"] or "")
    path = product_names.category_path(product)
    image = web_image(product["image_url"]) if _images_allowed(index) else None
    with st.container(border=True), st.container(horizontal=True, gap="medium"):
        if image:
            st.image(
                image, width=_IMAGE_PIXELS, alt=f"Picture of {shorten(product_names.product_name(product), _HEADING)}"
            )
        with st.container(width="stretch"):
            st.subheader(plain(shorten(product_names.product_name(product), _HEADING)), anchor=False)
            if path:
                st.caption(plain(shorten(path, 200)))
            with st.container(horizontal=True, vertical_alignment="center"):
                for text, icon, color, help_text in _badges(product, known):
                    st.badge(text, icon=icon, color=color, help=help_text)
                st.space("stretch")
                _basket_button(str(product["product_id"]))
            facts = [
                ("Id", str(product["product_id"])),
                ("Brand", shorten(str(product["brand"] or "–"), 80)),
                ("Price", "–" if product["price"] is None else f"{product['price']:,.2f}"),
                ("Sales rank", "–" if product["sales_rank"] is None else f"{product['sales_rank']:,}"),
                ("Degree", f"{pairs:,}"),
                ("In training", "–" if known is None else f"{len(known.train):,}"),
                ("Held out", "–" if known is None else f"{len(known.held_out):,}"),
            ]
            with st.container(horizontal=True, gap="medium"):
                for fact, value in facts:
                    with st.container(width="content", gap=None):
                        st.caption(fact)
                        st.text(value)
            if len(title) > _HEADING:
                with st.expander("The whole title"):
                    st.text(title)


def _images_allowed(index: ProductIndex) -> bool:
    """Whether pictures may be loaded: only where the data has addresses, and never because a link says so."""
    if index.table["image_url"].null_count == len(index):
        return False
    return st.sidebar.toggle(
        "Product images",
        key="images",
        persist_state="session",
        help="Pictures come from the addresses in the data: your browser asks those hosts for them.",
    )


def _basket_button(product_id: str) -> None:
    basket = query_params.get_values("basket")
    inside = product_id in basket
    st.button(
        "Take out of the basket" if inside else "Add to basket",
        key="basket button",
        icon=":material/remove_shopping_cart:" if inside else ":material/add_shopping_cart:",
        on_click=actions.toggle_basket,
        args=(product_id,),
        disabled=not inside and len(basket) >= actions.MAX_IN_BASKET,
    )


def _badges(product: dict[str, Any], known: Partners | None) -> list[tuple[str, str, Any, str]]:
    badges: list[tuple[str, str, Any, str]] = []
    if not product["has_metadata"]:
        badges.append(("Only listed by others", ":material/link:", "gray", "It has no line of its own in the source."))
    if known is None:
        badges.append(("Split unknown", ":material/sync:", "gray", "Split and graph are missing or being rebuilt."))
    elif known.cold:
        badges.append(
            ("Held out cold", ":material/ac_unit:", "blue", "All its pairs were hidden: no model saw it in training.")
        )
    elif len(known.train):
        badges.append(("Seen in training", ":material/check:", "green", "Models could learn from its pairs."))
    else:
        badges.append(
            ("Not seen in training", ":material/visibility_off:", "orange", "It has no pair in the training graph.")
        )
    return badges


def edit_basket(index: ProductIndex) -> list[str]:
    """The basket's products, each of which can be taken out; those that the category does not hold are left out."""
    given = query_params.get_values("basket")[: actions.MAX_IN_BASKET]
    kept = [product_id for product_id in given if index.node(product_id) is not None]
    if len(kept) < len(given):
        st.caption(f"{counted(len(given) - len(kept), 'product')} of the basket in the address is not known here.")
    if not kept:
        return []
    labels = dict(
        zip(kept, (product_names.product_label(index, node) for node in index.nodes(kept).tolist()), strict=True)
    )
    # Another basket is another widget, and only what was taken out of this one counts: a click that comes before the
    # page is drawn anew brings along what the browser still shows, in which a product just added is missing.
    key = f"basket items {' '.join(kept)}"

    def changed() -> None:
        actions.take_out(set(kept).difference(st.session_state[key]))

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
