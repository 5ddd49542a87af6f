"""Find a product and see its neighbours according to each model."""

import streamlit as st

from explorer.neighbours import actions, list_view, model_lists, product_view, why_view
from explorer.search.product_search import product_of_address, search_products
from explorer.shared import components, known_pairs, query_params, store_reader
from explorer.shared.basket import edit_basket

category = st.session_state["category"].name
left, right = st.columns([1, 4], vertical_alignment="bottom")
left.title("Neighbours", anchor=False)
index = components.require_products(category)
with right:
    search_products(index, "search", actions.open_product)
product_id, node = product_of_address(index, category)

product_view.show_trail(index, category, product_id)
product, pairs = index.product(node), known_pairs.read_known_pairs(category)
product_view.show_product(
    index, category, product, pairs.partners(node) if pairs else None, int(index.popularity[node])
)
basket = edit_basket(index, actions.remove_from_basket)

available = store_reader.models_with("neighbours", category)
if not available:
    components.show_missing("neighbours", category)
    st.stop()
first = model_lists.read_first_models(available, category)
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    asks = list_view.choose_question(first)
    new_only = list_view.choose_newness()
    k = list_view.choose_length()
    of = list_view.choose_subject(basket)
    models = list_view.choose_models(available, first[asks])
if not models:
    st.info("Choose at least one model.", icon=":material/checklist:")
    st.stop()
if of == actions.FOR_BASKET and not basket:
    st.info("The basket is empty. Open a product and add it.", icon=":material/shopping_cart:")
    st.stop()

sources = basket if of == actions.FOR_BASKET else [product_id]
nodes = index.nodes(sources).tolist()
known = pairs.partners_of_any(nodes) if pairs else None
question = model_lists.Question(category, tuple(sources), of == actions.FOR_BASKET, asks, k, new_only)
list_view.show_lists(index, question, model_lists.read_model_lists(models, question, index, pairs, known), known)

asked_about = query_params.get_value("why")
neighbour = index.node(asked_about) if asked_about else None
if neighbour is not None:
    why_view.show_why(index, pairs, nodes, neighbour)
