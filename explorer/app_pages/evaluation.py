"""How good each model is: leaderboard, curves, learning, cost."""

import streamlit as st

from core.models import MODELS
from explorer import charts, display, evaluations, views

category = st.session_state["category"].name
st.title("Evaluation", anchor=False)

board = evaluations.board(category)
if board is None:
    views.nothing("metrics", category)
    st.stop()
models = list(dict.fromkeys([*MODELS, *board["model"].to_pylist()]))

with st.container(horizontal=True, vertical_alignment="bottom"):
    protocol = st.segmented_control(
        "Protocol",
        list(evaluations.PROTOCOLS),
        default="published",
        required=True,
        key="protocol",
        bind="query-params",
    )
    subset = st.segmented_control(
        "Pairs",
        evaluations.subsets(board, protocol or "published"),
        default="all",
        required=True,
        key="subset",
        bind="query-params",
    )
protocol, subset = protocol or "published", subset or "all"
st.caption(evaluations.PROTOCOLS[protocol])

rows = display.leaderboard_rows(board, protocol, subset)
if rows.empty:
    st.info("This protocol was not measured for this category.", icon=":material/block:")
else:
    st.dataframe(
        rows,
        column_config=display.leaderboard_columns(rows),
        hide_index=True,
        placeholder="–",
        height="content",
        alt=f"Leaderboard, protocol {protocol}, {subset} pairs",
    )
    if protocol == "published":
        st.caption(display.ARTICLE_NOTE)
    views.figure(charts.intervals(board, protocol, subset, rows.columns[2]))

st.header("Curves", anchor=False)
curves = evaluations.curves(category)
if curves is None:
    views.nothing("curves", category)
else:
    views.evaluation_curves(category, curves, models, protocol, subset)

st.header("Learning", anchor=False)
learning = evaluations.learning_curves(category)
if learning.empty:
    st.caption("None of the materialized models learns by steps.")
else:
    over = st.segmented_control(
        "Over", ["examples", "batch", "epoch", "seconds"], default="examples", required=True, key="over"
    )
    for column, measure in zip(st.columns(2), ("roc_auc", "loss"), strict=True):
        with column:
            views.figure(
                charts.learning(learning, models, measure, over or "examples"), f"No {measure} was measured on the way."
            )
    with st.expander("Learning rate"):
        views.figure(charts.learning(learning, models, "learning_rate", over or "examples"))

st.header("Cost", anchor=False)
facts = evaluations.costs(category)
costs = display.training_rows(facts).dropna(axis="columns", how="all")
st.dataframe(
    costs,
    column_config=display.training_columns(),
    hide_index=True,
    placeholder="–",
    height="content",
    alt="Cost by model: time, throughput and memory",
)
if not rows.empty:
    views.figure(charts.cost_and_quality(display.cost_rows(costs, rows), models, rows.columns[2]))

st.header("Across categories", anchor=False)
if not rows.empty:
    views.across_categories(
        protocol, subset, [name for name in rows.columns[2:] if name[0] != "±" and name != "article"]
    )
