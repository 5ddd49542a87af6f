"""Parts of the map page: choices, the map itself, and what is known about the chosen product."""

from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from core.interfaces import CENTER_CENTER
from core.projection import Projection
from core.untrusted.markdown import plain
from explorer.product_map import charts, readers, scene
from explorer.search.product_index import ProductIndex
from explorer.search.product_search import search_products
from explorer.shared import components, neighbour_file, query_params
from explorer.shared.formatting import shorten

_NEIGHBOURS = 10
_LABEL = 80
_HEIGHT = 620
GROUP_FIELDS = ("category", "brand")


def choose_map(available: list[str]) -> tuple[str, str]:
    """Widgets that choose the model and what the points are coloured by."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox(
            "Model",
            available,
            key="map model",
            bind="query-params",
            help="A rebuild makes maps for the models listed in the setting `models` of the section `projection`, in "
            "categories.yaml or in Dagster's launchpad; `all` stands for every model.",
        )
        field = st.segmented_control(
            "Colour by", GROUP_FIELDS, default=GROUP_FIELDS[0], required=True, key="colour", bind="query-params"
        )
    return str(model or available[0]), str(field or GROUP_FIELDS[0])


def show_map(index: ProductIndex, category: str, model: str, field: str) -> None:
    """The map next to its legend and the chosen product."""
    projection, grouping = readers.read_projection(model, category), readers.read_grouping(model, category, field)
    if projection is None or grouping is None or not len(projection.nodes):
        st.info(f"The map of {plain(model)} holds no products.", icon=":material/scatter_plot:")
        return
    search_products(index, "map search", lambda product_id: query_params.set_value("product", product_id))
    node = index.node(query_params.get_value("product") or "")
    chosen = _index_of(projection, node)
    near, rows = _neighbours(index, projection, category, model, node)
    theme = "dark" if st.context.theme.type == "dark" else "light"
    palette = list(st.get_option(f"theme.{theme}.chartCategoricalColors") or ["#0f6b6b"])
    colour_of = scene.group_colours(palette, theme, len(grouping.names) - 2)
    shown = scene.sample_points(len(projection.nodes))
    names = _names(index, projection.nodes[shown]) if len(shown) <= scene.MAX_NAMED_POINTS else None
    left, right = st.columns([3, 1], gap="medium")
    with left:
        drawing = scene.build_scene(projection.position, shown, grouping, colour_of, theme, chosen, near, names)
        _draw(index, projection, drawing, model, field)
        notes = [
            f"Each point is a product that {plain(model)} has seen. Points near each other are alike; "
            "large distances mean little."
        ]
        if len(shown) < len(projection.nodes):
            notes.append(f"A random sample of {len(shown):,} of {len(projection.nodes):,} products is drawn.")
        placed = int(np.sum(~projection.fitted))
        if placed:
            notes.append(f"{placed:,} products were placed next to their nearest neighbours instead of being laid out.")
        st.caption(" ".join(notes))
    with right:
        _about(index, category, model, node, chosen, rows)
        components.show_figure(
            charts.group_chart(grouping.names, grouping.sizes, [scene.hex_colour(c) for c in colour_of])
        )


def _names(index: ProductIndex, nodes: np.ndarray) -> list[str]:
    """The title of every product, or its id if it has no title."""
    metadata = index.table.select(["title", "product_id"]).take(pa.array(np.maximum(nodes, 0)))
    pairs = zip(metadata["title"].to_pylist(), metadata["product_id"].to_pylist(), strict=True)
    return [shorten(str(title or product_id), _LABEL) for title, product_id in pairs]


def _index_of(projection: Projection, node: int | None) -> int | None:
    """Index of a node in the arrays of the projection, or None."""
    if node is None:
        return None
    position = int(np.searchsorted(projection.nodes, node))
    return position if position < len(projection.nodes) and int(projection.nodes[position]) == node else None


def _neighbours(
    index: ProductIndex, projection: Projection, category: str, model: str, node: int | None
) -> tuple[np.ndarray, pa.Table | None]:
    """Indices of the chosen product's most similar products on the map, and the table that lists them."""
    file = neighbour_file.read_neighbour_file(model, category)
    if file is None or node is None:
        return np.empty(0, int), None
    rows = file.lookup(str(index.product(node)["product_id"]), CENTER_CENTER, _NEIGHBOURS)
    indices = [_index_of(projection, n) for n in index.nodes(rows["neighbour"].to_pylist()).tolist()]
    return np.array([i for i in indices if i is not None], int), rows


def _draw(index: ProductIndex, projection: Projection, drawing: scene.Scene, model: str, field: str) -> None:
    # The key includes colouring and size of the map, because a selection names a layer and an index into it.
    key = f"map {model} {field} {len(projection.nodes)}"

    def clicked() -> None:
        selection: Any = st.session_state[key].selection
        picked = drawing.picked(selection["indices"])
        if picked is not None:
            query_params.set_value("product", str(index.product(int(projection.nodes[picked]))["product_id"]))

    text = (
        f"Map of {len(projection.nodes):,} products by the vectors of {model}, coloured by {field}. "
        "Use the search above to choose a product with the keyboard."
    )
    st.pydeck_chart(drawing.deck, height=_HEIGHT, key=key, on_select=clicked, alt=text)


def _about(
    index: ProductIndex, category: str, model: str, node: int | None, chosen: int | None, rows: pa.Table | None
) -> None:
    if node is None:
        st.caption("Click a point or find a product above to see what it is and what is near it.")
        return
    product: dict[str, Any] = index.product(node)
    product_id = str(product["product_id"])
    st.header(plain(shorten(str(product["title"] or product_id), _LABEL)), anchor=False)
    facts = [str(product["brand"] or ""), " › ".join(str(p) for p in product["categories"] or [] if p)]
    st.caption(plain(" · ".join(part for part in (*facts, product_id) if part)))
    if chosen is None:
        st.info(f"{plain(model)} has not seen this product, so it is not on the map.", icon=":material/visibility_off:")
    components.link_to_neighbours(category, product_id, [model])
    if rows is None or not rows.num_rows:
        st.caption("This model has no list of similar products for it.")
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
