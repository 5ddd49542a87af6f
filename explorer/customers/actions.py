"""What a click on the customers page does. Ids of customers are never logged."""

import random

import pyarrow as pa
import streamlit as st

from explorer.shared import query_params


def customer_chosen(key: str) -> None:
    """A customer was chosen in the select box ``key``, which is then cleared for the next choice."""
    value = st.session_state[key]
    if value is not None:
        query_params.set_value("customer", value)
        st.session_state[key] = None


def open_random_customer(ids: pa.Array) -> None:
    """Show one of the customers with these ids."""
    query_params.set_value("customer", ids[random.randrange(len(ids))].as_py())
