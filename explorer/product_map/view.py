"""The parts of the map page: what to colour by, the sheet itself, and what is known about the chosen product."""

from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from core.interfaces import CENTER_CENTER
from core.projection import Projection
from core.untrusted.markdown import plain
from explorer.product_map import charts, readers, scene
from explorer.shared import components, neighbour_file, query_params
from explorer.shared.formatting import shorten
from explorer.shared.product_index import ProductIndex

_NEIGHBOURS = 10
_HITS = 50
_LABEL = 80
_HEIGHT = 620
GROUP_FIELDS = ("category", "brand")


def choose_map(available: list[str]) -> tuple[str, str]:
    """Which model's map, and what its points are coloured by."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox(
            "Model",
            available,
            key="map model",
            bind="query-params",
            help="A rebuild makes the maps of the models that the setting `models` of the section `projection` names, "
            "in categories.yaml or in the launchpad of Dagster; `all` makes every one.",
        )
        field = st.segmented_control(
            "Colour by", GROUP_FIELDS, default=GROUP_FIELDS[0], required=True, key="colour", bind="query-params"
        )
    return str(model or available[0]), str(field or GROUP_FIELDS[0])


def show_map(index: ProductIndex, category: str, model: str, field: str) -> None:
    """The map beside its legend and the chosen product."""
    found, grouping = readers.read_projection(model, category), readers.read_grouping(model, category, field)
    if found is None or grouping is None or not len(found.nodes):
        st.info(f"The map of {plain(model)} holds no product.", icon=":material/scatter_plot:")
        return
    map_search_box(index)
    node = index.node(query_params.get_value("product") or "")
    chosen = _place(found, node)
    near, rows = _neighbours(index, found, category, model, node)
    theme = "dark" if st.context.theme.type == "dark" else "light"
    palette = list(st.get_option(f"theme.{theme}.chartCategoricalColors") or ["#0f6b6b"])
    colour_of = scene.group_colours(palette, theme, len(grouping.names) - 2)
    shown = scene.sample_points(len(found.nodes))
    names = _names(index, found.nodes[shown]) if len(shown) <= scene.MAX_NAMED_POINTS else None
    left, right = st.columns([3, 1], gap="medium")
    with left:
        drawing = scene.build_scene(found.position, shown, grouping, colour_of, theme, chosen, near, names)
        _draw(index, found, drawing, model, field)
        notes = [f"Each point is a product that {plain(model)} has seen; near means alike. Far apart means little."]
        if len(shown) < len(found.nodes):
            notes.append(f"A random {len(shown):,} of {len(found.nodes):,} products are drawn.")
        placed = int(np.sum(~found.fitted))
        if placed:
            notes.append(f"{placed:,} products were placed beside their nearest ones instead of laid out.")
        st.caption(" ".join(notes))
    with right:
        _about(index, category, model, node, chosen, rows)
        components.show_figure(
            charts.group_chart(grouping.names, grouping.sizes, [scene.hex_colour(c) for c in colour_of])
        )


def map_search_box(index: ProductIndex) -> None:
    """The keyboard's way to a point: search, then choose."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input("Find a product on the map", key="map search", type="search", live="300ms")
        hits = index.find(query, _HITS)
        labels = {str(index.product(n)["product_id"]): _label(index, n) for n in hits.nodes.tolist()}

        def opened() -> None:
            if st.session_state["map hit"] is not None:
                query_params.set_value("product", st.session_state["map hit"])
                st.session_state["map hit"] = None

        st.selectbox(
            f"{hits.total:,} match" if query.strip() else "The most popular",
            list(labels),
            index=None,
            key="map hit",
            format_func=lambda product_id: labels.get(product_id, product_id),
            on_change=opened,
            placeholder="Choose a product" if labels else "Nothing matches",
            disabled=not labels,
        )


def _label(index: ProductIndex, node: int) -> str:
    product = index.product(node)
    parts = (shorten(str(product["title"] or ""), _LABEL), shorten(str(product["brand"] or ""), 40))
    return " · ".join(part for part in (*parts, str(product["product_id"])) if part)


def _names(index: ProductIndex, nodes: np.ndarray) -> list[str]:
    """Title, or else id, of every product."""
    about = index.table.select(["title", "product_id"]).take(pa.array(np.maximum(nodes, 0)))
    pairs = zip(about["title"].to_pylist(), about["product_id"].to_pylist(), strict=True)
    return [shorten(str(title or product_id), _LABEL) for title, product_id in pairs]


def _place(found: Projection, node: int | None) -> int | None:
    """Where a node stands in the projection's arrays, or None."""
    if node is None:
        return None
    place = int(np.searchsorted(found.nodes, node))
    return place if place < len(found.nodes) and int(found.nodes[place]) == node else None


def _neighbours(
    index: ProductIndex, found: Projection, category: str, model: str, node: int | None
) -> tuple[np.ndarray, pa.Table | None]:
    """Places of the chosen product's neighbours on the map, and their table; the map shows what "is like" what."""
    file = neighbour_file.read_neighbour_file(model, category)
    if file is None or node is None:
        return np.empty(0, int), None
    rows = file.lookup(str(index.product(node)["product_id"]), CENTER_CENTER, _NEIGHBOURS)
    places = [_place(found, n) for n in index.nodes(rows["neighbour"].to_pylist()).tolist()]
    return np.array([place for place in places if place is not None], int), rows


def _draw(index: ProductIndex, found: Projection, drawing: scene.Scene, model: str, field: str) -> None:
    # The colouring and the map's size are part of the key: a selection names a layer and a place in it.
    key = f"map {model} {field} {len(found.nodes)}"

    def clicked() -> None:
        selection: Any = st.session_state[key].selection
        place = drawing.picked(selection["indices"])
        if place is not None:
            query_params.set_value("product", str(index.product(int(found.nodes[place]))["product_id"]))

    text = (
        f"Map of {len(found.nodes):,} products by the vectors of {model}, coloured by {field}. "
        "Use the search above to choose a product with the keyboard."
    )
    st.pydeck_chart(drawing.deck, height=_HEIGHT, key=key, on_select=clicked, alt=text)


def _about(
    index: ProductIndex, category: str, model: str, node: int | None, chosen: int | None, rows: pa.Table | None
) -> None:
    if node is None:
        st.caption("Click a point, or find a product above, to see what it is and what lies near it.")
        return
    product: dict[str, Any] = index.product(node)
    product_id = str(product["product_id"])
    st.subheader(plain(shorten(str(product["title"] or product_id), _LABEL)), anchor=False)
    facts = [str(product["brand"] or ""), " › ".join(str(p) for p in product["categories"] or [] if p)]
    st.caption(plain(" · ".join(part for part in (*facts, product_id) if part)))
    if chosen is None:
        st.info(f"{plain(model)} has not seen this product: it is not on the map.", icon=":material/visibility_off:")
    components.link_to_neighbours(category, product_id, [model])
    if rows is None or not rows.num_rows:
        st.caption("It has no list of alike products by this model.")
        return
    ids = rows["neighbour"].to_pylist()
    nodes = index.nodes(ids)
    names = [name if node >= 0 else i for name, node, i in zip(_names(index, nodes), nodes, ids, strict=True)]
    st.dataframe(
        {"Most alike": names, "Score": rows["score"].to_pylist()},
        column_config={
            "Most alike": st.column_config.TextColumn(width=112),
            "Score": st.column_config.NumberColumn(format="%.2f", width=50),
        },
        hide_index=True,
        alt=f"Products most alike {product_id} according to {model}",
    )
