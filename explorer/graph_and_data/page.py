"""What the pairs, the metadata and the models' lists of a category look like."""

import streamlit as st

from explorer.graph_and_data import charts, readers, tables, view
from explorer.shared import components, store_reader

category = st.session_state["category"].name
st.title("Graph and data", anchor=False)

index = store_reader.read_product_index(category)
if index is None:
    components.show_missing("products", category)
    st.stop()

st.header("Graph", anchor=False)
statistics = readers.read_graph_statistics(category)
if statistics is None:
    components.show_missing("training pairs", category)
else:
    view.show_graph(statistics)

orders = readers.read_order_statistics(category)
if orders is not None:
    st.header("Orders", anchor=False)
    view.show_orders(orders)

st.header("Products", anchor=False)
with_metadata = int(index.table["has_metadata"].to_numpy().sum())
paired = readers.count_paired_with_metadata(category)
st.caption(
    f"{len(index):,} products, of which {len(index) - with_metadata:,} are only listed by others and have no metadata. "
    f"The chart covers the other {with_metadata:,}"
    f"{'' if paired is None else f', of which {paired:,} have pairs'}."
)
components.show_figure(charts.coverage_chart(tables.coverage_rows(index.table)))

st.header("Quarantine", anchor=False)
view.show_quarantine(category)

st.header("Popularity bias of the lists", anchor=False)
view.show_popularity(index, category)

st.header("Agreement of two models", anchor=False)
view.show_agreement(index, category)
