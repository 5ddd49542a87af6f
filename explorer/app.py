"""The explorer's entry point: ``streamlit run explorer/app.py`` from the project folder."""

import logging
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core.errors import InputError
from explorer.shared import components
from explorer.shared.formatting import error_text

HERE = Path(__file__).parent
UNEXPECTED = (
    "Something went wrong while this page was drawn; the explorer's log has the details. If an artefact is damaged, "
    "`alsobought verify` names it, and materializing it again repairs it."
)
# An error outside the try block below, in a fragment or callback, must not put a traceback on the page either.
st.set_option("client.showErrorDetails", "none")
# The icons are local files, because the icon of a named symbol would be fetched from another host.
st.set_page_config(page_title="alsobought", page_icon=str(HERE / "icon.svg"), layout="wide")
# Streamlit writes the chosen values of a select box in white in both appearances, which is too pale on the dark one.
st.html('<style>[data-testid="stMultiSelect"] span[title] {color: light-dark(#ffffff, #0b1418)}</style>')
st.logo(str(HERE / "logo.svg"), icon_image=str(HERE / "icon.svg"), size="large")

page = st.navigation(
    [
        st.Page(
            "neighbours/page.py",
            url_path="neighbours",
            title="Neighbours",
            icon=":material/hub:",
            help="Find a product and see its neighbours according to each model.",
            default=True,
        ),
        st.Page(
            "lists/page.py",
            url_path="lists",
            title="Lists",
            icon=":material/storefront:",
            help="What the shop shows: a product's lists now, as published and before, and what is pinned.",
        ),
        st.Page(
            "baskets/page.py",
            url_path="baskets",
            title="Baskets",
            icon=":material/shopping_basket:",
            help="Take a later order and see what each model would have recommended.",
        ),
        st.Page(
            "customers/page.py",
            url_path="customers",
            title="Customers",
            icon=":material/person:",
            help="What a customer bought, what is recommended and why, and what the customer bought next.",
        ),
        st.Page(
            "evaluation/page.py",
            url_path="evaluation",
            title="Evaluation",
            icon=":material/query_stats:",
            help="How good each model is: leaderboard, curves, learning and cost.",
        ),
        st.Page(
            "product_map/page.py",
            url_path="map",
            title="Map",
            icon=":material/scatter_plot:",
            help="All products of a model on one map: which products are near each other.",
        ),
        st.Page(
            "graph_and_data/page.py",
            url_path="data",
            title="Graph and data",
            icon=":material/account_tree:",
            help="What the pairs, the metadata and the models' lists look like.",
        ),
        st.Page(
            "freshness/page.py",
            url_path="freshness",
            title="Freshness",
            icon=":material/inventory_2:",
            help="What is materialized, when and by which run, and what is missing.",
        ),
    ]
)
st.set_page_config(page_title=f"{page.title} · alsobought")
try:
    category = components.pick_category()
    if category is not None:
        st.session_state["category"] = category
        page.run()
except InputError as error:
    st.error(error_text(error), icon=":material/error:")
except (OSError, pa.ArrowException) as error:
    st.error(
        f"Something in the store cannot be read. Materialize it again. {error_text(error)}", icon=":material/error:"
    )
except Exception:
    # A traceback does not help people who look at products, and it may quote what they must not see.
    logging.getLogger("explorer").exception("a page could not be drawn")
    st.error(UNEXPECTED, icon=":material/error:")
