"""What the pairs, the metadata and the models' lists of a category are like."""

import streamlit as st

from explorer import data, data_charts, data_views, display, views

category = st.session_state["category"].name
st.title("Graph and data", anchor=False)

index = data.products(category)
if index is None:
    views.nothing("products", category)
    st.stop()

st.header("Graph", anchor=False)
found = data.statistics(category)
if found is None:
    views.nothing("training pairs", category)
else:
    data_views.graph(found)

st.header("Products", anchor=False)
own = int(index.table["has_metadata"].to_numpy().sum())
paired = data.paired_with_metadata(category)
st.caption(
    f"{len(index):,} products; {len(index) - own:,} of them are only listed by others and have no metadata. "
    f"Of the {own:,} others{'' if paired is None else f', of which {paired:,} have pairs'}:"
)
views.figure(data_charts.coverage(display.coverage_rows(index.table)))

st.header("Quarantine", anchor=False)
data_views.quarantine(category)

st.header("Whom the lists favour", anchor=False)
data_views.popularity(index, category)

st.header("How far two models agree", anchor=False)
data_views.agreement(index, category)
