"""The answer to "Why this one?": what connects a product with a neighbour, in the graph and in the metadata."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.graph.paths import GraphPath, SharedNeighbours
from core.untrusted.markdown import plain
from explorer.neighbours import actions
from explorer.search.product_index import ProductIndex
from explorer.shared import product_names, query_params
from explorer.shared.formatting import counted, for_grid, percent, shorten
from explorer.shared.known_pairs import HELD_OUT, TRAIN, KnownPairs

_SHARED = 8
_SOURCES = 5
_NAME = 90
_CELL = 200
_SHORT = 50
_STEPS = {1: "one step", 2: "two steps", 3: "three steps"}
_KNOWN = {
    TRAIN: "● A known pair: the models saw it in training.",
    HELD_OUT: "★ A held-out pair: it is in the data, but no model was shown it.",
    "": "Not a pair in the data: the models infer it.",
}


def show_why(index: ProductIndex, pairs: KnownPairs | None, sources: list[int], neighbour: int) -> None:
    """Open the dialog with the answer; ``sources`` are the product, or the products of the basket."""

    @st.dialog("Why this one?", width="medium", icon=":material/route:", on_dismiss=_closed)
    def answer() -> None:
        # Headings in a dialog are smaller than its text.
        st.markdown(f"**{plain(shorten(product_names.product_name(index.product(neighbour)), _NAME))}**")
        if pairs is None:
            st.info("The split and the graph are missing or being rebuilt.", icon=":material/sync:")
        elif pairs.without_pair(np.array([neighbour]))[0]:
            st.info(
                "It has no training pair, so no path leads to it. A model that lists it relied on its metadata alone.",
                icon=":material/ac_unit:",
            )
        others = [source for source in sources if source != neighbour]
        for source in others[:_SOURCES]:
            _between(index, pairs, source, neighbour)
        if len(others) > _SOURCES:
            st.caption(f"And {len(others) - _SOURCES} more products of the basket.")
        _next_steps(str(index.product(neighbour)["product_id"]))

    answer()


def _closed() -> None:
    actions.ask_why(None)


def _between(index: ProductIndex, pairs: KnownPairs | None, source: int, neighbour: int) -> None:
    """Show what connects one source with the neighbour."""
    st.caption(f"Next to {plain(shorten(product_names.product_name(index.product(source)), _NAME))}")
    common = _in_common(index.product(source), index.product(neighbour))
    if pairs is not None:
        st.markdown(_KNOWN[pairs.partners(source).marks(np.array([neighbour]))[0]])
    if common:
        st.markdown(plain(common))
    if pairs is None:
        return
    paths = pairs.paths.strongest(source, neighbour)
    if not paths:
        st.markdown("No path of up to three steps joins them in the training graph.")
        return
    shared = pairs.paths.shared(source, neighbour, _SHARED)
    partners = f"They share {counted(shared.total, 'partner')}" if shared.total else "They share no partner"
    st.markdown(f"{partners}; the strongest way, with {percent(paths[0].probability)} of all walks:")
    _path(index, paths[0])
    for path in paths[1:]:
        between = [shorten(product_names.product_name(index.product(node)), _SHORT) for node in path.nodes[1:-1]]
        route = f"over {' → '.join(between)}" if between else "directly"
        st.caption(plain(f"In {_STEPS[len(path.steps)]}: {percent(path.probability)}, {route}"))
    if shared.total:
        _shared(index, shared, source, neighbour)


def _in_common(a: dict[str, Any], b: dict[str, Any]) -> str:
    """What the metadata of two products have in common, as a sentence; empty if nothing."""
    parts = []
    if a["brand"] and a["brand"] == b["brand"]:
        parts.append(f"the brand {shorten(str(a['brand']), 60)}")
    categories = set(b["categories"] or [])
    # The first category is the same for all products here and says nothing about two of them.
    common = [str(part) for part in (a["categories"] or [])[1:] if part in categories]
    if common:
        parts.append(
            f"the {'category' if len(common) == 1 else 'categories'} {', '.join(shorten(part, 60) for part in common)}"
        )
    return f"In common: {' and '.join(parts)}." if parts else ""


def _path(index: ProductIndex, path: GraphPath) -> None:
    """The steps of a path, one below the other; every product in between is a link."""
    with st.container(border=True, gap="xxsmall"):
        for position, node in enumerate(path.nodes):
            if position:
                st.caption(plain(f"↓ {percent(path.steps[position - 1])} of its weight"))
            label = plain(shorten(product_names.product_label(index, node), _NAME))
            if position in (0, len(path.nodes) - 1):
                st.markdown(f"**{label}**")
            else:
                _open_button(label, str(index.product(node)["product_id"]), f"path {position} {path.nodes}")


def _shared(index: ProductIndex, shared: SharedNeighbours, source: int, neighbour: int) -> None:
    limit = f"The {_SHARED} strongest of the shared partners" if shared.total > _SHARED else "The shared partners"
    st.caption(f"{limit}, and how many of all walks lead through them:")
    products = [index.product(node) for node in shared.nodes.tolist()]
    st.dataframe(
        pd.DataFrame(
            {
                "product": [shorten(for_grid(product_names.product_name(product)), _CELL) for product in products],
                "walks": [percent(probability) for probability in shared.probability.tolist()],
                "pairs": index.popularity[shared.nodes],
                "id": [for_grid(str(product["product_id"])) for product in products],
            }
        ),
        column_config={
            "product": st.column_config.TextColumn("Product", width=300),
            "walks": st.column_config.TextColumn(
                "Walks", help="Share of the walks product → shared partner → neighbour", alignment="right"
            ),
            "pairs": st.column_config.NumberColumn("Pairs", format="localized"),
            "id": st.column_config.TextColumn("Id"),
        },
        hide_index=True,
        height="content",
        key=f"shared {source} {neighbour}",
        alt=f"Products connected to both, strongest first: {counted(shared.total, 'product')}",
    )


def _next_steps(product_id: str) -> None:
    with st.container(horizontal=True):
        _open_button("Open this product", product_id, "open from why", primary=True)
        action = "Take out of the basket" if product_id in query_params.get_values("basket") else "Add to basket"
        if st.button(action, key="basket from why", on_click=actions.toggle_basket, args=(product_id,)):
            st.rerun()


def _open_button(label: str, product_id: str, key: str, primary: bool = False) -> None:
    # The dialog runs separately from the page, which must be drawn again for another product.
    kind: Any = "primary" if primary else "tertiary"
    if st.button(label, key=key, type=kind, on_click=actions.open_product, args=(product_id,)):
        st.rerun()
