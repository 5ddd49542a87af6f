"""What is materialized, what is missing, and what the data is like."""

import numpy as np
import streamlit as st

from explorer import charts, data, display, freshness, views
from explorer.texts import size, when

category = st.session_state["category"].name
st.title("Data and freshness", anchor=False)

states = freshness.states(lambda asset: data.manifest(asset, category))
present = [s.manifest for s in states if s.manifest]
if not present:
    views.nothing("artefacts", category)
    st.stop()

count = {
    state: sum(s.state == state for s in states) for state in (freshness.FRESH, freshness.OUTDATED, freshness.MISSING)
}
tiles = {
    "Up to date": str(count[freshness.FRESH]),
    "Out of date": str(count[freshness.OUTDATED]),
    "Missing": str(count[freshness.MISSING]),
    "Newest": when(max(m.created for m in present)),
    "Size": size(sum(m.bytes for m in present)),
}
for column, (name, value) in zip(st.columns(len(tiles)), tiles.items(), strict=True):
    column.metric(name, value, border=True)

if count[freshness.OUTDATED] or count[freshness.MISSING]:
    st.markdown("Bring everything of this category up to date with")
    st.code(freshness.command(category), language="bash")
    missing = [s.asset for s in states if s.state == freshness.MISSING]
    if missing:
        st.caption(f"Missing: {', '.join(missing)}.")
st.dataframe(
    display.state_rows(states),
    column_config=display.state_columns(),
    hide_index=True,
    placeholder="–",
    height="content",
    alt="Assets with state, time and size",
)

st.header("Quarantine", anchor=False)
quarantine = data.table("quarantine", category)
if quarantine is None:
    views.nothing("quarantined lines", category)
elif not quarantine.num_rows:
    st.caption("Every line of the source could be read.")
else:
    st.caption(f"{quarantine.num_rows:,} lines were left out.")
    left, right = st.columns([2, 3])
    with left:
        st.dataframe(display.reason_rows(quarantine), hide_index=True, alt="Lines left out by reason")
    with right:
        st.dataframe(quarantine.slice(0, 1000), hide_index=True, alt="Lines left out, with place, reason and excerpt")
    if quarantine.num_rows > 1000:
        st.caption("The first 1,000 are listed.")

st.header("Products", anchor=False)
index, pairs = data.products(category), data.relations(category)
if index is None:
    views.nothing("products", category)
    st.stop()
listed = int(np.sum(~index.table["has_metadata"].to_numpy()))
st.caption(f"{len(index):,} products; {listed:,} of them are only listed by others and have no metadata.")
left, right = st.columns(2)
with left:
    st.subheader("Pairs per product", anchor=False)
    if pairs is None:
        st.caption("The training graph is missing or older than the products.")
    else:
        views.figure(charts.degrees(pairs.degree))
with right:
    st.subheader("Metadata coverage", anchor=False)
    views.figure(charts.coverage(display.coverage_rows(index.table)))
