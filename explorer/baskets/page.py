"""What would have been recommended for a later order, and what of it was right."""

import streamlit as st

from core.evaluation.metrics import NEXT_PRODUCT
from explorer.baskets import standings, view
from explorer.shared import components, known_pairs, order_history, store_reader
from explorer.shared.leaderboard import read_leaderboard

category = st.session_state["category"].name
st.title("Baskets", anchor=False)

index = store_reader.read_product_index(category)
if index is None or not len(index):
    components.show_missing("products", category)
    st.stop()
lines = order_history.count_lines(category)
if lines is None:
    components.show_missing("orders", category)
    st.stop()
if not lines:
    st.info(order_history.NO_ORDERS, icon=":material/receipt_long:")
    st.stop()

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
