"""What the page Customers loads, cached by the version that a manifest names."""

from pathlib import Path

import pyarrow as pa
import streamlit as st

from core.store import Store
from explorer.shared.store_reader import current_manifest, installed_store
from explorer.shared.table_rows import rows_where

ASSET = "customer_lists"
_COLUMNS = ["rank", "product_id", "score", "because"]


def count_list_rows(category: str) -> int | None:
    """Number of rows of all customers' lists; None if they are not materialized."""
    current = current_manifest(ASSET, category)
    return None if current is None else int(current.fields["value"]["rows"])


def read_customer_list(category: str, customer: str) -> pa.Table:
    """The list of one customer, best first; no rows if there is none.

    Returns:
        table with the columns rank (int32), product_id (string), score (float32) and because (string: the product of
        the history that contributed most; null for a popular product that fills up the list).
    """
    current = current_manifest(ASSET, category)
    return _list(str(installed_store().root), category, current.version if current else "", customer)


def list_of_customer(path: Path, customer: str) -> pa.Table:
    """The rows of one customer in such a file."""
    return rows_where(path, "customer", customer, _COLUMNS).sort_by("rank")


@st.cache_resource(max_entries=200, show_spinner=False)
def _list(root: str, category: str, version: str, customer: str) -> pa.Table:
    return list_of_customer(Store(root).file(ASSET, category, "value"), customer)
