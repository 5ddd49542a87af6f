"""What a customer bought, what is recommended and why, and what the customer really bought next."""

import streamlit as st

from explorer.customers import purchases, view
from explorer.shared import components, order_history

category = st.session_state["category"].name
st.title("Customers", anchor=False)

index = components.require_products(category)
components.require_orders(category)
customers = order_history.read_customers(category)
if not len(customers):
    st.info(
        "The orders of this category name no customers. If the source has a column with customers' ids, map it in "
        "categories.yaml (`columns: {customer: ...}`), as docs/data-formats.md describes.",
        icon=":material/person_off:",
    )
    st.stop()

customer = view.choose_customer(customers, category)
if customer is None:
    st.stop()
done = purchases.purchases_of(
    order_history.read_customer_lines(category, customer), order_history.only_purchases_count(category)
)
view.show_heading(customer, done)
left, right = st.columns(2, gap="medium")
with right:
    rows = view.show_list(index, category, customer, done)
    view.show_next_order(index, category, done, rows)
with left:
    view.show_history(index, done)
