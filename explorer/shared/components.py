"""Components that several pages share: category picker, charts, links, and what is shown instead of missing data."""

from collections.abc import Sequence

import altair as alt
import streamlit as st

from core.untrusted.markdown import plain
from explorer.search.product_index import ProductIndex
from explorer.shared import order_history, query_params, store_reader
from explorer.shared.current_run import current_run
from explorer.shared.dagster_links import materialize_command
from explorer.shared.figure import Figure
from explorer.shared.formatting import counted, duration, error_text


def pick_category() -> store_reader.CategoryEntry | None:
    """Show the category picker in the sidebar; returns the chosen category, or None if there are no categories."""
    entries, problem = store_reader.list_categories()
    if problem:
        st.sidebar.warning(error_text(problem), icon=":material/warning:")
    if not entries:
        st.info("There are no categories. Add one to categories.yaml.", icon=":material/category:")
        return None
    by_name = {entry.name: entry for entry in entries}
    selected = query_params.get_value("category")
    if selected is not None and selected not in by_name:
        st.sidebar.warning("The address names a category that does not exist.", icon=":material/link_off:")
    if selected not in by_name:
        selected = next((e.name for e in entries if e.ready), entries[0].name)
    st.session_state["category choice"] = selected

    def changed() -> None:
        query_params.set_value("category", st.session_state["category choice"])
        for name in ("product", "why", "order", "given", "missing", "customer"):
            query_params.set_value(name, None)
        query_params.set_values("basket", [])

    st.sidebar.selectbox(
        "Category",
        list(by_name),
        key="category choice",
        format_func=lambda name: by_name[name].title + ("" if by_name[name].ready else " (nothing yet)"),
        on_change=changed,
    )
    return by_name[st.session_state["category choice"]]


@st.fragment(run_every=5)
def show_run(category: str) -> None:
    """How far the run of a category is, if one is in progress; the page is drawn anew once it has ended."""
    run = current_run(category)
    if run is None:
        if st.session_state.pop("run in progress", None):
            st.rerun()
        return
    st.session_state["run in progress"] = run.run_id
    shown = ", ".join(run.running[:3]) + (" …" if len(run.running) > 3 else "")
    text = f"A run is in progress: {run.ended} of {counted(run.steps, 'step')} have ended in {duration(run.seconds)}"
    st.progress(run.ended / max(run.steps, 1), text=plain(f"{text}; now {shown}" if shown else text))


def show_missing(what: str, category: str) -> None:
    """Say that something is not materialized and how to materialize it.

    Args:
        what: name of what is missing, in the plural.
        category: partition key.
    """
    st.info(
        f"There are no {what} for this category yet. Materialize it, then come back:", icon=":material/inventory_2:"
    )
    show_command(materialize_command(category))
    show_run(category)


def show_command(command: str) -> None:
    """A command to copy. It has no colours, which would be too pale to read, and wraps, so that nothing scrolls."""
    st.code(command, language=None, wrap_lines=True)


def require_products(category: str) -> ProductIndex:
    """The products of a category; without any, the page says so and ends."""
    index = store_reader.read_product_index(category)
    if index is None or not len(index):
        show_missing("products", category)
        st.stop()
    return index


def require_orders(category: str) -> None:
    """Without any orders in the category, the page says so and ends."""
    lines = order_history.count_lines(category)
    if lines is None:
        show_missing("orders", category)
        st.stop()
    if not lines:
        st.info(order_history.NO_ORDERS, icon=":material/receipt_long:")
        st.stop()


def show_figure(figure: Figure | None, missing: str = "Nothing was measured.") -> None:
    """Show a chart with its description, or the text ``missing`` if there is no chart."""
    if figure is None:
        st.caption(missing)
    else:
        chart: alt.Chart | alt.LayerChart = figure.chart
        st.altair_chart(chart, alt=figure.text)
        st.caption(figure.text)


def link_to_neighbours(category: str, product_id: str, models: Sequence[str] = ()) -> None:
    """Show a link to the page Neighbours with a product and models chosen."""
    query = [("category", category), ("product", product_id), *(("models", name) for name in models)]
    st.page_link("neighbours/page.py", label="Open in Neighbours", icon=":material/hub:", query_params=query)


def link_to_lists(category: str, product_id: str) -> None:
    """Show a link to the page Lists with a product chosen."""
    query = [("category", category), ("product", product_id)]
    st.page_link("lists/page.py", label="What the shop shows", icon=":material/storefront:", query_params=query)
