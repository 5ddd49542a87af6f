"""All products of a model on one sheet: what lies near what."""

import streamlit as st

from explorer import data, map_views, views

category = st.session_state["category"].name
st.title("Map", anchor=False)

index = data.products(category)
if index is None or not len(index):
    views.nothing("products", category)
    st.stop()
available = [name for name in data.models_with("projection", category) if data.projection(name, category)]
if not available:
    views.nothing("maps", category)
    st.stop()
model, field = map_views.choices(available)
map_views.sheet(index, category, model, field)
