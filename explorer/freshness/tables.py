"""The table of the freshness page and its column settings."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.changes import AssetState
from core.evaluation.display_names import group_title
from core.stages import stages
from explorer.shared.dagster_links import asset_page
from explorer.shared.formatting import size


def state_rows(states: Iterable[AssetState], category: str) -> pd.DataFrame:
    """One row per asset of a category: its state, and when and how it was materialized."""
    table = stages()
    rows = []
    for state in states:
        manifest = state.manifest
        rows.append(
            {
                "asset": state.asset,
                "part": group_title(table[state.asset].group) if state.asset in table else None,
                "state": state.sentence,
                "created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(manifest.created)) if manifest else None,
                "rows": _rows(manifest.fields) if manifest else None,
                "size": size(manifest.bytes) if manifest else None,
                "run": str(manifest.info.get("run_id") or "")[:8] if manifest else None,
                "code": str(manifest.info.get("code_version") or "") if manifest else None,
                "dagster": asset_page(state.asset, category),
            }
        )
    return pd.DataFrame(rows)


def missing_sentence(missing: Iterable[str]) -> str:
    """How many assets of each group are missing, e.g. "Missing: 3 of 18 in Trained models"; empty if none are."""
    table = stages()
    lacking = Counter(table[asset].group for asset in missing if asset in table)
    of = Counter(stage.group for stage in table.values())
    parts = [f"{number} of {of[group]} in {group_title(group)}" for group, number in lacking.items()]
    return f"Missing: {', '.join(parts)}." if parts else ""


def _rows(fields: Mapping[str, Any]) -> int | None:
    """Length of the artefact's longest table or array."""
    lengths = [entry.get("rows", (entry.get("shape") or [None])[0]) for entry in fields.values()]
    known = [length for length in lengths if length is not None]
    return max(known) if known else None


def state_columns() -> dict[str, Any]:
    """Column settings for :func:`state_rows`."""
    column = st.column_config
    return {
        "asset": column.TextColumn("Asset", pinned=True, width=260),
        "part": column.TextColumn("Part", help="What the asset belongs to"),
        "state": column.TextColumn("State"),
        "created": column.TextColumn("Materialized (UTC)"),
        "rows": column.NumberColumn("Rows", format="localized", help="Length of the longest table or array"),
        "size": column.TextColumn("Size", alignment="right"),
        "run": column.TextColumn("Run", help="First characters of the Dagster run id"),
        "code": column.TextColumn("Code", help="Code version"),
        "dagster": column.LinkColumn("Dagster", display_text="open", help="The asset's page in the Dagster UI"),
    }
