"""The metrics of all models of a category in one table."""

import pyarrow as pa
import streamlit as st

from core.store import Store
from explorer.shared import store_reader


def read_leaderboard(category: str) -> pa.Table | None:
    """The leaderboard of a category, with the columns of ``core.evaluation.METRICS``; None without any metrics.

    If it is missing or was made from older metrics, the current metrics are concatenated instead.
    """
    models = store_reader.materialized_models("metrics", category)
    if _is_current(category, models):
        return store_reader.read_table("leaderboard", category)
    parts = [store_reader.read_table(f"metrics/{name}", category, "metrics") for name in models]
    present = [part for part in parts if part is not None]
    return pa.concat_tables(present) if present else None


def read_previous_leaderboard(category: str) -> tuple[pa.Table, float] | None:
    """The leaderboard before the last rebuild and when it was made (seconds since the epoch); None if there is none."""
    store = store_reader.installed_store()
    if not _is_current(category, store_reader.materialized_models("metrics", category)):
        # The metrics were made again since, so what is stored is the one before.
        stored = store.manifest("leaderboard", category)
        table = store_reader.read_table("leaderboard", category)
        return None if stored is None or table is None else (table, stored.created)
    previous = store.previous("leaderboard", category)
    return None if previous is None else (_previous(str(store.root), category, previous.version), previous.created)


def _is_current(category: str, models: list[str]) -> bool:
    """Whether the stored leaderboard was made from the metrics that there are now."""
    stored = store_reader.current_manifest("leaderboard", category)
    now = {
        m.asset: m.digest for m in (store_reader.current_manifest(f"metrics/{name}", category) for name in models) if m
    }
    return stored is not None and stored.info.get("inputs") == now


@st.cache_resource(max_entries=16, show_spinner=False)
def _previous(root: str, category: str, version: str) -> pa.Table:
    table: pa.Table = Store(root).read_previous("leaderboard", category)
    return table
