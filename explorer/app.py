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
    "Something went wrong while this page was drawn; the explorer's log says what. If an artefact was damaged, "
    "`alsobought verify` names it, and materializing it again mends it."
)
# Files of our own: the icon of a named symbol would be fetched from outside.
# What happens outside of the block below, in a fragment or callback: no traceback on the page either.
st.set_option("client.showErrorDetails", "none")
st.set_page_config(page_title="alsobought", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(str(HERE / "logo.svg"), icon_image=str(HERE / "icon.svg"), size="large")

page = st.navigation(
    [
        st.Page(
            "neighbours/page.py",
            url_path="neighbours",
            title="Neighbours",
            icon=":material/hub:",
            help="Find a product and see what each model puts beside it.",
            default=True,
        ),
        st.Page(
            "evaluation/page.py",
            url_path="evaluation",
            title="Evaluation",
            icon=":material/query_stats:",
            help="How good each model is: leaderboard, curves, learning, cost.",
        ),
        st.Page(
            "product_map/page.py",
            url_path="map",
            title="Map",
            icon=":material/scatter_plot:",
            help="All products of a model on one sheet: what lies near what.",
        ),
        st.Page(
            "graph_and_data/page.py",
            url_path="data",
            title="Graph and data",
            icon=":material/account_tree:",
            help="What the pairs, the metadata and the models' lists are like.",
        ),
        st.Page(
            "freshness/page.py",
            url_path="freshness",
            title="Freshness",
            icon=":material/inventory_2:",
            help="What is materialized, when, by which run, and what is missing.",
        ),
    ]
)
try:
    category = components.pick_category()
    if category is not None:
        st.session_state["category"] = category
        page.run()
except InputError as error:
    st.error(error_text(error), icon=":material/error:")
except (OSError, pa.ArrowException) as error:
    st.error(
        f"Something in the store cannot be read; materialize it again. {error_text(error)}", icon=":material/error:"
    )
except Exception:
    # A traceback says nothing to those who look at products, and may quote what they must not see.
    logging.getLogger("explorer").exception("a page could not be drawn")
    st.error(UNEXPECTED, icon=":material/error:")
