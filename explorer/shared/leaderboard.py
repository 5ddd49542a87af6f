"""The metrics of all models of a category in one table."""

import pyarrow as pa

from explorer.shared import store_reader


def read_leaderboard(category: str) -> pa.Table | None:
    """The leaderboard of a category, with the columns of ``core.evaluation.METRICS``; None without any metrics.

    If it is missing or was made from older metrics, the current metrics are concatenated instead.
    """
    stored = store_reader.current_manifest("leaderboard", category)
    models = store_reader.materialized_models("metrics", category)
    now = {
        m.asset: m.digest for m in (store_reader.current_manifest(f"metrics/{name}", category) for name in models) if m
    }
    if stored is not None and stored.info.get("inputs") == now:
        return store_reader.read_table("leaderboard", category)
    parts = [store_reader.read_table(f"metrics/{name}", category, "metrics") for name in models]
    present = [part for part in parts if part is not None]
    return pa.concat_tables(present) if present else None
