"""Metrics, curves and training facts of all models of a category, combined."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.evaluation.metrics import ALL, IN_TIME, PROTOCOLS
from core.evaluation.standings import standings
from explorer.shared import store_reader
from explorer.shared.leaderboard import read_leaderboard


def protocols_of(long: pa.Table) -> list[str]:
    """The protocols that the page offers, in the order of ``core.evaluation.metrics.PROTOCOLS``.

    Those about later orders are offered where they gave a number. The others are left out if only those did, because
    then no pairs are held out.
    """
    measured = set(long.filter(long["value"].is_valid())["protocol"].to_pylist())
    in_time = [name for name in PROTOCOLS if name in IN_TIME and name in measured]
    usual = [name for name in PROTOCOLS if name not in IN_TIME]
    return in_time if in_time and measured.isdisjoint(usual) else [*in_time, *usual]


def measured_subsets(long: pa.Table, protocol: str) -> list[str]:
    """The subsets for which a protocol was measured; ``all`` comes first and is always included."""
    measured = set(long.filter(pc.equal(long["protocol"], protocol))["subset"].to_pylist())
    return [ALL, *sorted(measured - {ALL})]


def read_curves(category: str) -> pd.DataFrame | None:
    """Operating points of all models, with the columns of ``core.evaluation.CURVES``; None if there are none."""
    return _concatenated(category, "curves")


def read_score_histograms(category: str, model: str) -> pd.DataFrame | None:
    """Score histograms of a model, with the columns of ``core.evaluation.SCORES``; None if there are none."""
    table = store_reader.read_table(f"metrics/{model}", category, "scores")
    return None if table is None else table.to_pandas()


def read_learning_curves(category: str) -> pd.DataFrame:
    """Learning curves of all models: the columns of ``core.interfaces.LEARNING_CURVE``, and model."""
    frames = []
    for model in store_reader.models_with("embeddings", category):
        table = store_reader.read_table(f"embeddings/{model}", category, "learning_curve")
        if table is not None and table.num_rows:
            frames.append(table.to_pandas().assign(model=model))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def boards_of_all_categories() -> dict[str, pa.Table]:
    """Title of a category → its leaderboard, for the categories that have one."""
    boards = {entry.title: read_leaderboard(entry.name) for entry in store_reader.list_categories()[0] if entry.ready}
    return {title: board for title, board in boards.items() if board is not None}


def standings_in_all(boards: Mapping[str, pa.Table], protocol: str, metric: str, subset: str) -> pd.DataFrame:
    """One metric of every model, by its better list, in every category that has it.

    Returns:
        frame with columns category (its title), model, scoring, value, low and high.
    """
    rows = [
        {"category": title, **vars(standing)}
        for title, board in boards.items()
        for standing in standings(board, protocol, metric, subset)
    ]
    return pd.DataFrame(rows, columns=["category", "model", "scoring", "value", "low", "high"])


def read_training_facts(category: str) -> dict[str, dict[str, Any]]:
    """Model → facts about its training: what the pipeline noted in the manifest, then what the model itself reports."""
    facts = {}
    for model in store_reader.models_with("embeddings", category):
        asset = f"embeddings/{model}"
        manifest = store_reader.current_manifest(asset, category)
        later = (store_reader.current_manifest(f"{stage}/{model}", category) for stage in ("metrics", "neighbours"))
        seconds = (m.info.get("seconds") if m else None for m in later)
        facts[model] = {**(manifest.info if manifest else {}), **store_reader.read_info(asset, category)}
        facts[model] |= dict(zip(("evaluation_seconds", "neighbours_seconds"), seconds, strict=True))
    return facts


def _concatenated(category: str, field: str) -> pd.DataFrame | None:
    parts = [
        store_reader.read_table(f"metrics/{name}", category, field)
        for name in store_reader.models_with("metrics", category)
    ]
    frames = [part.to_pandas() for part in parts if part is not None and part.num_rows]
    return pd.concat(frames, ignore_index=True) if frames else None
