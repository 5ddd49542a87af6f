"""All products of a model on one map: which products are near each other."""

import streamlit as st

from explorer.product_map import readers, view
from explorer.shared import components, store_reader

category = st.session_state["category"].name
st.title("Map", anchor=False)

index = components.require_products(category)
available = [
    name for name in store_reader.models_with("projection", category) if readers.read_projection(name, category)
]
if not available:
    components.show_missing("maps", category)
    st.stop()
model, field = view.choose_map(available)
view.show_map(index, category, model, field)
