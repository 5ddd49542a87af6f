"""Pieces of pages that several pages share, and what is shown in place of something missing."""

from collections.abc import Sequence

import altair as alt
import streamlit as st

from explorer.shared import query_params, store_reader
from explorer.shared.dagster_links import materialize_command
from explorer.shared.figure import Figure
from explorer.shared.formatting import error_text


def pick_category() -> store_reader.CategoryEntry | None:
    """The sidebar's category picker; None if there is no category at all."""
    entries, problem = store_reader.list_categories()
    if problem:
        st.sidebar.warning(error_text(problem), icon=":material/warning:")
    if not entries:
        st.info("There is no category: add one to categories.yaml.", icon=":material/category:")
        return None
    by_name = {entry.name: entry for entry in entries}
    wanted = query_params.get_value("category")
    if wanted is not None and wanted not in by_name:
        st.sidebar.warning("The address asks for a category that does not exist.", icon=":material/link_off:")
    if wanted not in by_name:
        wanted = next((e.name for e in entries if e.ready), entries[0].name)
    st.session_state["category choice"] = wanted

    def chosen() -> None:
        query_params.set_value("category", st.session_state["category choice"])
        query_params.set_value("product", None)
        query_params.set_value("why", None)
        query_params.set_values("basket", [])

    st.sidebar.selectbox(
        "Category",
        list(by_name),
        key="category choice",
        format_func=lambda name: by_name[name].title + ("" if by_name[name].ready else " (nothing yet)"),
        on_change=chosen,
    )
    return by_name[st.session_state["category choice"]]


def show_missing(what: str, category: str) -> None:
    """Say that something is not materialized, and how to make it."""
    st.info(f"There are no {what} of this category yet. Materialize it, then come back:", icon=":material/inventory_2:")
    st.code(materialize_command(category), language="bash")


def show_figure(found: Figure | None, missing: str = "Nothing was measured.") -> None:
    """A chart with its description."""
    if found is None:
        st.caption(missing)
    else:
        chart: alt.Chart | alt.LayerChart = found.chart
        st.altair_chart(chart, alt=found.text)
        st.caption(found.text)


def link_to_neighbours(category: str, product_id: str, models: Sequence[str] = ()) -> None:
    """A link to a product's neighbours."""
    query = [("category", category), ("product", product_id), *(("models", name) for name in models)]
    st.page_link("neighbours/page.py", label="Open in Neighbours", icon=":material/hub:", query_params=query)
