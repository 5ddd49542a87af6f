"""What is materialized, when, by which run, with which settings and code, and what is missing."""

import streamlit as st

from core.changes import DAMAGED, FRESH, MISSING, OUTDATED
from core.untrusted.markdown import plain
from explorer.freshness import readers, tables, view
from explorer.shared import components, dagster_links
from explorer.shared.formatting import duration, error_text, size, when

category = st.session_state["category"].name
st.title("Freshness", anchor=False)

states, problem = readers.asset_states(category)
if problem:
    st.warning(error_text(problem), icon=":material/warning:")
present = [s.manifest for s in states if s.manifest]
damaged = [s for s in states if s.state == DAMAGED]
for state in damaged:
    st.error(plain(state.trouble), icon=":material/error:")
if not present:
    components.show_missing("artefacts", category)
    st.stop()
components.show_run(category)

by_state = {state: [s.asset for s in states if s.state == state] for state in (FRESH, OUTDATED, MISSING, DAMAGED)}
tiles = {
    "Up to date": str(len(by_state[FRESH])),
    "Out of date": str(len(by_state[OUTDATED])),
    "Missing": str(len(by_state[MISSING])),
    "Newest": when(max(m.created for m in present)),
    "Size": size(sum(m.bytes for m in present)),
}
if damaged:
    tiles["Damaged"] = str(len(damaged))
with st.container(horizontal=True):
    for name, value in tiles.items():
        st.metric(name, value, border=True)

stale = by_state[OUTDATED] + by_state[MISSING] + by_state[DAMAGED]
if stale:
    st.markdown("Bring the whole category up to date with")
    components.show_command(dagster_links.materialize_command(category))
    with st.expander("Only what is missing, damaged or out of date"):
        selection = dagster_links.asset_selection(stale)
        components.show_command(dagster_links.materialize_command(category, selection))
    if sentence := tables.missing_sentence(by_state[MISSING]):
        st.caption(sentence)
    if took := sum(float(s.manifest.info.get("seconds") or 0) for s in states if s.manifest and s.state == OUTDATED):
        st.caption(f"What is out of date took {duration(took)} of work when it was last made.")
st.dataframe(
    tables.state_rows(states, category),
    column_config=tables.state_columns(),
    hide_index=True,
    placeholder="–",
    height="content",
    alt="Assets with state, time, run, code version and size",
)

st.header("One asset", anchor=False)
view.show_provenance([s.manifest for s in states if s.manifest], category)
