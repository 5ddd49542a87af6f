"""What the pairs, the metadata and the models' lists of a category are like."""

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
found = readers.read_graph_statistics(category)
if found is None:
    components.show_missing("training pairs", category)
else:
    view.show_graph(found)

st.header("Products", anchor=False)
own = int(index.table["has_metadata"].to_numpy().sum())
paired = readers.count_paired_with_metadata(category)
st.caption(
    f"{len(index):,} products; {len(index) - own:,} of them are only listed by others and have no metadata. "
    f"Of the {own:,} others{'' if paired is None else f', of which {paired:,} have pairs'}:"
)
components.show_figure(charts.coverage_chart(tables.coverage_rows(index.table)))

st.header("Quarantine", anchor=False)
view.show_quarantine(category)

st.header("Whom the lists favour", anchor=False)
view.show_popularity(index, category)

st.header("How far two models agree", anchor=False)
view.show_agreement(index, category)
