"""Metrics, curves and training facts of all models of a category, combined."""

import functools
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.evaluation.metrics import (
    ALL,
    COLD_START,
    DEGREE_MATCHED,
    IN_TIME,
    NEXT_ORDER,
    NEXT_PRODUCT,
    PUBLISHED,
    RANKING,
    REST_OF_BASKET,
)
from explorer.shared import store_reader
from explorer.shared.leaderboard import read_leaderboard

PROTOCOL_NOTES = {
    PUBLISHED: "Held-out pairs against the same number of uniformly drawn non-pairs, as in the article. These "
    "negatives are easy: popularity alone scores high.",
    DEGREE_MATCHED: "Held-out pairs against non-pairs of equally popular products: popularity alone is worth 0.5.",
    RANKING: "What a shop sees: each product's list of best neighbours against its held-out pairs. Training pairs "
    "are masked.",
    COLD_START: "Pairs of products that were held out completely, against non-pairs of equally popular products. "
    "Only side information can place such products.",
    NEXT_PRODUCT: "Given one product of a later order: each model's list against the order's other products.",
    REST_OF_BASKET: "Given all products of a later order but one: each model's list against the missing one.",
    NEXT_ORDER: "Given what a customer bought: each model's list against what is new in the customer's first later "
    "order.",
}
"""Protocol → what its numbers mean, as a sentence for the page."""


def protocols_of(long: pa.Table) -> list[str]:
    """The protocols that the page offers.

    Those about later orders are offered where they gave a number. The others are left out if only those did, because
    then no pairs are held out.
    """
    measured = set(long.filter(long["value"].is_valid())["protocol"].to_pylist())
    usual = [name for name in PROTOCOL_NOTES if name not in IN_TIME]
    in_time = [name for name in PROTOCOL_NOTES if name in IN_TIME and name in measured]
    return in_time if in_time and measured.isdisjoint(usual) else [*usual, *in_time]


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


def metric_across_categories(protocol: str, subset: str, metric: str) -> pd.DataFrame:
    """One metric in every category that has it.

    Returns:
        frame with columns category (its title), model, scoring, value, low and high.
    """
    frames = []
    for entry in store_reader.list_categories()[0]:
        long = read_leaderboard(entry.name)
        if long is not None:
            wanted = (pc.equal(long[c], v) for c, v in (("protocol", protocol), ("subset", subset), ("metric", metric)))
            kept = long.filter(functools.reduce(pc.and_, wanted))
            frames.append(
                kept.select(["model", "scoring", "value", "low", "high"]).to_pandas().assign(category=entry.title)
            )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


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
