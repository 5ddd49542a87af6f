"""How good each model is: leaderboard, curves, learning and cost."""

import streamlit as st

from core.evaluation.metrics import ALL, PUBLISHED
from core.models import MODELS
from explorer.evaluation import charts, readers, tables, view
from explorer.shared import components
from explorer.shared.leaderboard import read_leaderboard

category = st.session_state["category"].name
st.title("Evaluation", anchor=False)

board = read_leaderboard(category)
if board is None:
    components.show_missing("metrics", category)
    st.stop()
models = list(dict.fromkeys([*MODELS, *board["model"].to_pylist()]))

protocols = readers.protocols_of(board)
with st.container(horizontal=True, vertical_alignment="bottom"):
    protocol = st.segmented_control(
        "Protocol",
        protocols,
        default=protocols[0],
        required=True,
        key="protocol",
        bind="query-params",
    )
    subset = st.segmented_control(
        "Pairs",
        readers.measured_subsets(board, protocol or protocols[0]),
        default=ALL,
        required=True,
        key="subset",
        bind="query-params",
    )
protocol, subset = protocol or protocols[0], subset or ALL
st.caption(readers.PROTOCOL_NOTES[protocol])

rows = tables.leaderboard_rows(board, protocol, subset)
if rows.empty:
    st.info("This category was not measured under this protocol.", icon=":material/block:")
else:
    st.dataframe(
        rows,
        column_config=tables.leaderboard_columns(rows),
        hide_index=True,
        placeholder="–",
        height="content",
        alt=f"Leaderboard, protocol {protocol}, {subset} pairs",
    )
    if protocol == PUBLISHED:
        st.caption(tables.ARTICLE_NOTE)
    components.show_figure(charts.interval_chart(board, protocol, subset, rows.columns[2]))

st.header("Curves", anchor=False)
curves = readers.read_curves(category)
if curves is None:
    components.show_missing("curves", category)
else:
    view.show_curves(category, curves, models, protocol, subset)

st.header("Learning", anchor=False)
learning = readers.read_learning_curves(category)
if learning.empty:
    st.caption("None of the materialized models learns in steps.")
else:
    over = st.segmented_control(
        "Over", ["examples", "batch", "epoch", "seconds"], default="examples", required=True, key="over"
    )
    for column, measure in zip(st.columns(2), ("roc_auc", "loss"), strict=True):
        with column:
            components.show_figure(
                charts.learning_chart(learning, models, measure, over or "examples"),
                f"No {measure} was measured during training.",
            )
    with st.expander("Learning rate"):
        components.show_figure(charts.learning_chart(learning, models, "learning_rate", over or "examples"))

st.header("Cost", anchor=False)
facts = readers.read_training_facts(category)
costs = tables.training_rows(facts).dropna(axis="columns", how="all")
st.dataframe(
    costs,
    column_config=tables.training_columns(),
    hide_index=True,
    placeholder="–",
    height="content",
    alt="Cost by model: time, throughput and memory",
)
if not rows.empty:
    components.show_figure(charts.cost_chart(tables.cost_rows(costs, rows), models, rows.columns[2]))

st.header("Across categories", anchor=False)
if not rows.empty:
    view.show_across_categories(
        protocol, subset, [name for name in rows.columns[2:] if name[0] != "±" and name != "article"]
    )
