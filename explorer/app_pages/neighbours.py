"""Find a product and see what each model puts beside it."""

import streamlit as st

from explorer import data, links, list_views, lists, moves, product_views, views, why_view
from explorer.texts import plain, shorten

category = st.session_state["category"].name
st.title("Neighbours", anchor=False)

index = data.products(category)
if index is None or not len(index):
    views.nothing("products", category)
    st.stop()

product_views.search(index)
product_id = links.read("product")
if product_id is None:
    product_id = str(index.product(int(index.find("", 1).nodes[0]))["product_id"])
    # Into the address with it: this place, too, can be sent to others and is found again by the back button.
    links.write("category", category)
    links.write("product", product_id)
    st.caption("The most popular product, to begin with.")
node = index.node(product_id)
if node is None:
    st.warning(
        f"There is no product {plain(shorten(product_id, 60))} in this category. Search for another above.",
        icon=":material/search_off:",
    )
    st.stop()

product_views.crumbs(index, category, product_id)
product, pairs = index.product(node), data.relations(category)
product_views.card(index, product, pairs.of(node) if pairs else None, int(index.popularity[node]))
basket = product_views.basket(index)

available = data.models_with("neighbours", category)
if not available:
    views.nothing("neighbours", category)
    st.stop()
models, of, view, k = list_views.choices(available)
if not models:
    st.info("Choose at least one model.", icon=":material/checklist:")
    st.stop()
if of == moves.BASKET and not basket:
    st.info("The basket is empty: open a product and add it.", icon=":material/shopping_cart:")
    st.stop()

sources = basket if of == moves.BASKET else [product_id]
nodes = index.nodes(sources).tolist()
known = pairs.of_all(nodes) if pairs else None
question = lists.Question(category, tuple(sources), of == moves.BASKET, view, k)
list_views.side_by_side(index, question, lists.read(models, question, index, pairs, known), known)

asked = links.read("why")
neighbour = index.node(asked) if asked else None
if neighbour is not None:
    why_view.why(index, pairs, nodes, neighbour)
