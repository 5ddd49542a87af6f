"""Find a product and see what each model puts beside it."""

import streamlit as st

from core.models import MODELS
from explorer import data, links, product_views, views
from explorer.freshness import command
from explorer.texts import plain, shorten

category = st.session_state["category"].name
st.title("Neighbours", anchor=False)

index = data.products(category)
if index is None or not len(index):
    views.nothing("products", category)
    st.stop()

product_views.search(index)
product_id = links.read("product")
if product_id is None and len(index):
    product_id = str(index.product(int(index.find("", 1).nodes[0]))["product_id"])
    st.caption("The most popular product, to begin with.")
node = index.node(product_id or "")
if node is None:
    st.warning(
        f"There is no product {plain(shorten(product_id or '', 60))} in this category. Search for another above.",
        icon=":material/search_off:",
    )
    st.stop()

product, pairs = index.product(node), data.relations(category)
product_views.card(product, pairs.of(node) if pairs else None, int(index.popularity[node]))

available = data.models_with("neighbours", category)
if not available:
    views.nothing("neighbours", category)
    st.stop()
models, view, k = product_views.choices(available)
missing = [name for name in MODELS if name not in available]
if missing:
    st.caption(f"Without neighbours so far: {plain(', '.join(missing))}. Make them with `{command(category)}`.")
if not models:
    st.info("Choose at least one model.", icon=":material/checklist:")
    st.stop()
product_views.lists(index, pairs, product, node, category, models, view, k)
