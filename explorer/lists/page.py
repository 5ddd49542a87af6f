"""What a shop shows beside a product: the lists now, as published and before, and the merchandiser's pins."""

import streamlit as st

from explorer.lists import actions, pins, readers, view
from explorer.search.product_search import product_of_address, search_products
from explorer.shared import components
from explorer.shared.dagster_links import materialize_command

category = st.session_state["category"].name
st.title("Lists", anchor=False)

index = components.require_products(category)
versions = readers.read_versions(category)
if not any(versions.values()):
    st.info(
        "There are no lists for a shop in this category yet. Make them with the command below, then come back.",
        icon=":material/inventory_2:",
    )
    components.show_command(materialize_command(category, f"+{readers.ASSET}+"))
    st.stop()

search_products(index, "lists search", actions.open_product)
product_id, node = product_of_address(index, category, "lists/page.py")

view.show_heading(index, node, category)
slot = view.choose_slot(category, versions)
noted = view.show_note(category)
view.show_summary(category, versions, slot)
file = pins.read_pins_file(readers.installed_category(category), index)
target = None
if file.path is not None and not file.why_not and not file.problem:
    ids = index.table["product_id"].combine_chunks()
    target = actions.Target(file.path, file.name, file.digest, product_id, slot, ids)
view.show_lists(index, category, versions, slot, node, target, file)
if not noted:  # which says the same
    view.show_state(category, versions)
view.show_pins(index, slot, node, target, file)
