"""What would have been recommended for a later order, and what of it was right."""

import streamlit as st

from core.evaluation.metrics import NEXT_PRODUCT
from explorer.baskets import standings, view
from explorer.shared import components, known_pairs, store_reader
from explorer.shared.leaderboard import read_leaderboard

category = st.session_state["category"].name
st.title("Baskets", anchor=False)

index = components.require_products(category)
components.require_orders(category)

available = store_reader.models_with("neighbours", category)
pairs = known_pairs.read_known_pairs(category)
source, name = view.choose_kind()
basket = view.choose_order(index, category) if source == view.LATER else view.fill_basket(index)
if basket is None:
    st.stop()
if not available:
    components.show_missing("neighbours", category)
    st.stop()

leaderboard = read_leaderboard(category)
first = {} if leaderboard is None else standings.standings(leaderboard, NEXT_PRODUCT)
left, right = st.columns(2)
with left:
    question = view.choose_products(index, basket, name, pairs)
with right:
    models = view.choose_models(available, standings.first_models(available, first))
if not models:
    st.info("Choose at least one model.", icon=":material/checklist:")
    st.stop()
measured = {} if leaderboard is None else standings.standings(leaderboard, standings.PROTOCOLS[name])
view.show_answers(index, category, question, models, measured, pairs)
