"""The parts of the page about graph and data: distributions, quarantine, popularity bias, agreement of two models."""

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.graph.statistics import GraphStatistics
from core.models import MODELS
from core.untrusted.markdown import plain
from explorer.graph_and_data import charts, list_statistics, readers, tables
from explorer.shared import components, store_reader
from explorer.shared.formatting import shorten
from explorer.shared.product_index import ProductIndex

_LISTED = 1000
_TITLE = 120


def show_graph(found: GraphStatistics) -> None:
    """Degrees, weights and components of the training graph."""
    left, right = st.columns(2)
    with left:
        st.subheader("Pairs per product", anchor=False)
        components.show_figure(charts.degree_chart(found.degree))
    with right:
        st.subheader("Weights", anchor=False)
        components.show_figure(
            charts.weight_chart(found.weight_edges, found.weight_counts) if len(found.weight_counts) else None
        )
    st.subheader("Components", anchor=False)
    if len(found.component_sizes) > 1:
        components.show_figure(charts.component_chart(found.component_sizes))
    elif len(found.component_sizes):
        st.caption(f"All {found.component_sizes[0]:,} products that have a pair hang together.")
    else:
        st.caption("There is no pair.")


def show_quarantine(category: str) -> None:
    """The lines of the source that could not be read, and why."""
    lines = store_reader.read_table("quarantine", category)
    if lines is None:
        components.show_missing("quarantined lines", category)
        return
    if not lines.num_rows:
        st.caption("Every line of the source could be read.")
        return
    st.caption(f"{lines.num_rows:,} lines were left out.")
    left, right = st.columns([2, 3])
    with left:
        st.dataframe(tables.reason_rows(lines), hide_index=True, alt="Lines left out by reason")
    with right:
        st.dataframe(lines.slice(0, _LISTED), hide_index=True, alt="Lines left out, with place, reason and excerpt")
    if lines.num_rows > _LISTED:
        st.caption(f"The first {_LISTED:,} are listed.")


def show_popularity(index: ProductIndex, category: str) -> None:
    """Which products every model's lists are made of, by popularity."""
    found = readers.read_graph_statistics(category)
    lists = {model: readers.read_list_sample(model, _scoring(model, category), category) for model in _models(category)}
    present = {model: part for model, part in lists.items() if part is not None and len(part.products)}
    if found is None or not present or len(found.degree) != len(index):
        components.show_missing("lists", category)
        return
    rows = [
        {"model": model, "tenth": tenth + 1, "share": share}
        for model, part in present.items()
        for tenth, share in enumerate(list_statistics.popularity_shares(part, found.degree).tolist())
    ]
    components.show_figure(charts.popularity_chart(pd.DataFrame(rows), list(dict.fromkeys([*MODELS, *present]))))
    st.caption(_sampled(max(len(part.products) for part in present.values())))


def show_agreement(index: ProductIndex, category: str) -> None:
    """How many neighbours two models share, and the products on which they agree least and most."""
    models = _models(category)
    if len(models) < 2:
        st.caption("There are lists of fewer than two models.")
        return
    # Two models that learn differ in a more telling way than the baselines, which come first.
    first, second = sorted(range(len(models)), key=lambda i: not _learns(models[i]))[:2]
    with st.container(horizontal=True):
        a = str(st.selectbox("One model", models, index=first, key="model a", bind="query-params"))
        b = str(st.selectbox("Another", models, index=second, key="model b", bind="query-params"))
    left, right = (readers.read_list_sample(model, _scoring(model, category), category) for model in (a, b))
    if left is None or right is None:
        components.show_missing("lists", category)
        return
    products, shared = list_statistics.shared_neighbours(left, right)
    if not len(products):
        st.caption("The two models have lists of no product in common.")
        return
    components.show_figure(charts.agreement_chart(shared, list_statistics.LIST_DEPTH, plain(a), plain(b)))
    rows = list_statistics.agreement_extremes(products, shared, index.popularity)
    about = index.table.select(["product_id", "title"]).take(pa.array(rows["node"]))
    ids, titles = about["product_id"].to_pylist(), about["title"].to_pylist()
    names = [shorten(str(title or product_id), _TITLE) for title, product_id in zip(titles, ids, strict=True)]
    rows = rows.assign(product=names, id=ids, pairs=index.popularity[rows["node"]])
    for column, which in zip(st.columns(2), ("least agreed", "most agreed"), strict=True):
        with column:
            st.subheader(which.capitalize(), anchor=False)
            st.dataframe(
                rows.loc[rows["which"] == which, ["product", "shared", "pairs"]],
                column_config={
                    "product": st.column_config.TextColumn("Product", width=220),
                    "shared": st.column_config.NumberColumn("Shared", width=50),
                    "pairs": st.column_config.NumberColumn("Pairs", width=50),
                },
                hide_index=True,
                alt=f"Products on which {a} and {b} agree: {which}",
            )
    st.caption(_sampled(len(products)))
    label = dict(zip(ids, names, strict=True))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        product_id = st.selectbox("Look at one of them", list(label), key="extreme", format_func=lambda i: label[i])
        components.link_to_neighbours(category, str(product_id), [a, b])


def _models(category: str) -> list[str]:
    return [name for name in store_reader.models_with("neighbours", category) if _scoring(name, category)]


def _learns(model: str) -> bool:
    return model in MODELS and MODELS[model].learns


def _scoring(model: str, category: str) -> str:
    """The scoring whose lists stand for the model: its default, or the first that it has lists of."""
    offered = list(store_reader.read_info(f"neighbours/{model}", category))
    preferred = MODELS[model].scorings if model in MODELS else ()
    return next((scoring for scoring in (*preferred, *offered) if scoring in offered), "")


def _sampled(count: int) -> str:
    depth = list_statistics.LIST_DEPTH
    return f"From the first {depth} neighbours of {count:,} products, with the default scoring of each model."
