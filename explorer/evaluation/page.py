"""How good each model is: a verdict, the leaderboard, curves, learning, cost, and what has changed."""

import streamlit as st

from core.evaluation.display_names import protocol_note
from core.evaluation.verdict import judge
from core.models import MODELS
from explorer.evaluation import tables, view
from explorer.shared import components
from explorer.shared.leaderboard import read_leaderboard

category = st.session_state["category"].name
st.title("Evaluation", anchor=False)

board = read_leaderboard(category)
if board is None:
    components.show_missing("metrics", category)
    st.stop()
models = list(dict.fromkeys([*MODELS, *board["model"].to_pylist()]))

view.show_verdict(judge(board))
protocol, subset = view.choose_question(board)
st.caption(protocol_note(protocol))
rows = tables.leaderboard_rows(board, protocol, subset)

sections = {
    "Leaderboard": lambda: view.show_leaderboard(board, protocol, subset),
    "Curves": lambda: view.show_curves(category, models, protocol, subset),
    "Learning": lambda: view.show_learning(category, models, board),
    "Cost": lambda: view.show_cost(category, models, rows, protocol),
    "Categories": lambda: view.show_categories(protocol, subset),
    "Since the last rebuild": lambda: view.show_changes(category, board, protocol, subset),
}
for tab, show in zip(st.tabs(list(sections), key="section", bind="query-params"), sections.values(), strict=True):
    if tab.open:
        with tab:
            show()
