"""Parts of the page Graph and data: distributions, quarantine, popularity bias and agreement of two models."""

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.evaluation.display_names import model_title
from core.graph.statistics import GraphStatistics
from core.models import MODELS
from explorer.graph_and_data import charts, list_statistics, readers, tables
from explorer.graph_and_data.order_statistics import OrderStatistics
from explorer.search.product_index import ProductIndex
from explorer.shared import components, store_reader
from explorer.shared.formatting import shorten
from explorer.shared.scorings import default_scoring

_MAX_LINES = 1000
_MAX_TITLE = 120


def show_graph(statistics: GraphStatistics) -> None:
    """Degrees, weights and components of the training graph."""
    left, right = st.columns(2)
    with left:
        st.subheader("Pairs per product", anchor=False)
        components.show_figure(charts.degree_chart(statistics.degree))
    with right:
        st.subheader("Weights", anchor=False)
        components.show_figure(
            charts.weight_chart(statistics.weight_edges, statistics.weight_counts)
            if len(statistics.weight_counts)
            else None
        )
    st.subheader("Components", anchor=False)
    if len(statistics.component_sizes) > 1:
        components.show_figure(charts.component_chart(statistics.component_sizes))
    elif len(statistics.component_sizes):
        st.caption(f"All {statistics.component_sizes[0]:,} products that have a pair are connected.")
    else:
        st.caption("There are no pairs.")


def show_orders(statistics: OrderStatistics) -> None:
    """Orders by day, sizes of orders, and how long ago products were bought."""
    left, right = st.columns(2)
    with left:
        st.subheader("Orders by week" if statistics.weekly else "Orders by day", anchor=False)
        components.show_figure(charts.orders_chart(statistics), "The orders have no times.")
    with right:
        st.subheader("Products per order", anchor=False)
        components.show_figure(charts.order_size_chart(statistics.sizes))
    st.subheader("Age of the latest purchase", anchor=False)
    components.show_figure(charts.age_chart(statistics), "The orders have no times.")


def show_quarantine(category: str) -> None:
    """The lines of the source that could not be read, and why not."""
    lines = store_reader.read_table("quarantine", category)
    if lines is None:
        components.show_missing("quarantined lines", category)
        return
    if not lines.num_rows:
        st.caption("Every line of the source was read.")
        return
    st.caption(f"{lines.num_rows:,} lines were left out.")
    left, right = st.columns([2, 3])
    with left:
        st.dataframe(tables.reason_rows(lines), hide_index=True, alt="Lines left out by reason")
    with right:
        st.dataframe(
            lines.slice(0, _MAX_LINES), hide_index=True, alt="Lines left out, with file, line, reason and excerpt"
        )
    if lines.num_rows > _MAX_LINES:
        st.caption(f"Only the first {_MAX_LINES:,} are shown.")


def show_popularity(index: ProductIndex, category: str) -> None:
    """How popular the products in every model's lists are."""
    statistics = readers.read_graph_statistics(category)
    samples = {}
    for model in _models(category):
        sample = readers.read_list_sample(model, _scoring(model, category), category)
        if sample is not None and len(sample.products):
            samples[model] = sample
    if statistics is None or not samples or len(statistics.degree) != len(index):
        components.show_missing("lists", category)
        return
    rows = [
        {"model": model_title(model), "tenth": tenth + 1, "share": share}
        for model, sample in samples.items()
        for tenth, share in enumerate(list_statistics.popularity_shares(sample, statistics.degree).tolist())
    ]
    components.show_figure(
        charts.popularity_chart(pd.DataFrame(rows), [model_title(name) for name in dict.fromkeys([*MODELS, *samples])])
    )
    st.caption(_sampled(max(len(sample.products) for sample in samples.values())))


def show_agreement(index: ProductIndex, category: str) -> None:
    """How many neighbours two models share, and on which products they agree least and most."""
    models = _models(category)
    if len(models) < 2:
        st.caption("Fewer than two models have lists.")
        return
    # Two models that learn are a more telling comparison than the baselines, which come first.
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
        st.caption("The two models have no lists of the same product.")
        return
    components.show_figure(charts.agreement_chart(shared, list_statistics.LIST_DEPTH, model_title(a), model_title(b)))
    rows = list_statistics.agreement_extremes(products, shared, index.popularity)
    metadata = index.table.select(["product_id", "title"]).take(pa.array(rows["node"]))
    ids, titles = metadata["product_id"].to_pylist(), metadata["title"].to_pylist()
    names = [shorten(str(title or product_id), _MAX_TITLE) for title, product_id in zip(titles, ids, strict=True)]
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
                alt=f"Products on which {model_title(a)} and {model_title(b)} agree: {which}",
            )
    st.caption(_sampled(len(products)))
    label = dict(zip(ids, names, strict=True))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        product_id = st.selectbox(
            "Open one of these products", list(label), key="extreme", format_func=lambda i: label[i]
        )
        components.link_to_neighbours(category, str(product_id), [a, b])


def _models(category: str) -> list[str]:
    return [name for name in store_reader.models_with("neighbours", category) if _scoring(name, category)]


def _learns(model: str) -> bool:
    return model in MODELS and MODELS[model].learns


def _scoring(model: str, category: str) -> str:
    """The scoring whose lists represent the model: its default, or the first one that it has lists for."""
    offered = list(store_reader.read_info(f"neighbours/{model}", category))
    return default_scoring(model, offered) if offered else ""


def _sampled(count: int) -> str:
    depth = list_statistics.LIST_DEPTH
    return f"From the first {depth} neighbours of {count:,} products, with the main list of each model."
