"""The tables people see: arrow tables of plain values and the column settings that go with them."""

import io
import time
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import streamlit as st

from core.changes import AssetState
from core.models import MODELS
from explorer.dagster_links import asset_page
from explorer.texts import for_spreadsheet, size

ARTICLE = {
    ("gensim_word2vec", "all"): 0.9082,
    ("gensim_word2vec", "seen"): 0.9735,
    ("skipgram", "all"): 0.9554,
    ("skipgram", "seen"): 0.9855,
    ("matrix_factorization", "all"): 0.7951,
    ("matrix_factorization_sequences", "all"): 0.9320,
}
"""ROC-AUC that the article (Yan, 2020) reports on the whole Electronics category under the published protocol."""
ARTICLE_NOTE = (
    "The article's figures are for Electronics. There, node2vec ran out of memory and skip-gram with side information "
    "scored 0.4 to 0.5."
)

_HEADLINES = {
    "published": ("roc_auc", "average_precision"),
    "degree_matched": ("roc_auc", "average_precision"),
    "ranking": ("recall@10", "recall@20", "ndcg@10", "mrr", "coverage@10", "popularity_bias@10"),
    "cold_start": ("roc_auc", "roc_auc_uniform", "recall@10"),
}
"""Columns that come first; whatever else a protocol measures follows."""


def to_csv(rows: pa.Table) -> bytes:
    """UTF-8 CSV with a header. Text that a spreadsheet would run as a formula is marked as text."""
    for place, column in enumerate(rows.schema):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            safe = [None if text is None else for_spreadsheet(text) for text in rows.column(place).to_pylist()]
            rows = rows.set_column(place, column.name, pa.array(safe, kind))
    out = io.BytesIO()
    pa_csv.write_csv(rows, out)
    return out.getvalue()


def with_constants(rows: pa.Table, **values: str) -> pa.Table:
    """The table with leading columns that hold the same value in every row."""
    for place, (name, value) in enumerate(values.items()):
        rows = rows.add_column(place, name, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
    return rows


def leaderboard_rows(long: pa.Table, protocol: str, subset: str) -> pd.DataFrame:
    """The leaderboard of one protocol: a row per model and scoring, a column per metric, best first.

    Args:
        long: columns of ``core.evaluation.METRICS``.
        protocol: published, degree_matched, ranking or cold_start.
        subset: all or seen.

    Returns:
        frame with columns model, scoring, the metrics, after each metric with an interval its half width as
        ``± metric``, and under the published protocol ``article`` after the first metric. Empty if the protocol was
        not measured.
    """
    part = long.filter(pc.and_(pc.equal(long["protocol"], protocol), pc.equal(long["subset"], subset)))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in part.to_pylist():
        row = rows.setdefault((entry["model"], entry["scoring"]), {})
        row[entry["metric"]] = entry["value"]
        if entry["low"] is not None and entry["high"] is not None:
            row[f"± {entry['metric']}"] = (entry["high"] - entry["low"]) / 2
    measured = {name for row in rows.values() for name in row if not name.startswith("±")}
    order = [name for name in _HEADLINES.get(protocol, ()) if name in measured]
    order += sorted(measured.difference(order))
    columns = ["model", "scoring"]
    for name in order:
        columns += [name, f"± {name}"] if any(f"± {name}" in row for row in rows.values()) else [name]
        if name == order[0] and protocol == "published":
            columns.append("article")
            for (model, scoring), row in rows.items():
                # The article scored one way; its figure stands beside the model's own default scoring.
                default = model not in MODELS or MODELS[model].scorings[0] == scoring
                row["article"] = ARTICLE.get((model, subset)) if default else None
    frame = pd.DataFrame([{"model": m, "scoring": s, **row} for (m, s), row in rows.items()], columns=columns)
    frame = frame.astype(dict.fromkeys(columns[2:], float))
    return frame.sort_values(order[0], ascending=False, ignore_index=True) if order else frame


def leaderboard_columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Column settings for :func:`leaderboard_rows`."""
    column = st.column_config
    settings: dict[str, Any] = {
        "model": column.TextColumn("Model", pinned=True),
        "scoring": column.TextColumn("Scoring", help="center_context: goes with; center_center: is like"),
    }
    for name in frame.columns:
        if name == "article":
            settings[name] = column.NumberColumn(
                "Article, Electronics", format="%.4f", help="Yan (2020), the whole category; for orientation"
            )
        elif name.startswith("± "):
            settings[name] = column.NumberColumn("±", format="%.4f", width=70, help="Half the 95 % bootstrap interval")
        elif name not in settings:
            settings[name] = column.NumberColumn(METRIC_TITLES.get(name, name), format="%.4f")
    return settings


METRIC_TITLES = {
    "roc_auc": "ROC-AUC",
    "roc_auc_uniform": "ROC-AUC, uniform negatives",
    "average_precision": "Average precision",
    "mrr": "MRR",
    "recall@10": "Recall@10",
    "recall@20": "Recall@20",
    "ndcg@10": "NDCG@10",
    "coverage@10": "Coverage@10",
    "popularity_bias@10": "Popularity bias@10",
}


def training_rows(facts: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Cost of every model: seconds by phase, throughput, peak memory, device. ``facts``: model → embeddings info."""
    rows = [
        {
            "model": model,
            "seconds": _number(info.get("seconds")),
            **{phase: _number((info.get("timing") or {}).get(phase)) for phase in ("probing", "setup", "compilation")},
            "examples_per_second": _number(info.get("examples_per_second")),
            "peak_memory": _number(info.get("peak_memory_mb")),
            "evaluation_seconds": _number(info.get("evaluation_seconds")),
            "neighbours_seconds": _number(info.get("neighbours_seconds")),
            "device": str(info.get("device", "")),
        }
        for model, info in facts.items()
    ]
    columns = [
        "model", "seconds", "probing", "setup", "compilation", "examples_per_second", "peak_memory",
        "evaluation_seconds", "neighbours_seconds", "device",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def training_columns() -> dict[str, Any]:
    """Column settings for :func:`training_rows`."""
    column = st.column_config
    return {
        "model": column.TextColumn("Model"),
        "seconds": column.NumberColumn("Training", format="%.2f s", help="Wall time"),
        "probing": column.NumberColumn("Probing", format="%.2f s", help="Measuring the learning curve"),
        "setup": column.NumberColumn("Set-up", format="%.2f s", help="All that is neither of the others"),
        "compilation": column.NumberColumn("Compilation", format="%.2f s", help="Kernels that were not cached yet"),
        "examples_per_second": column.NumberColumn("Examples / s", format="compact"),
        "peak_memory": column.NumberColumn("Peak memory", format="%.0f MB", help="Of the training process"),
        "evaluation_seconds": column.NumberColumn("Evaluation", format="%.1f s", help="Wall time of its metrics"),
        "neighbours_seconds": column.NumberColumn("Neighbours", format="%.1f s", help="Wall time of its lists"),
        "device": column.TextColumn("Device"),
    }


def cost_rows(costs: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    """Training time of every model beside its best value of the leaderboard's first metric.

    Args:
        costs: columns model and seconds.
        board: :func:`leaderboard_rows`.
    """
    best = board.groupby("model", sort=False)[board.columns[2]].max().rename("value").reset_index()
    return costs.reindex(columns=["model", "seconds"]).merge(best, on="model")


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def state_rows(states: Iterable[AssetState], category: str) -> pd.DataFrame:
    """What was materialized when: one row per asset of a category."""
    rows = []
    for s in states:
        m = s.manifest
        rows.append(
            {
                "asset": s.asset,
                "state": s.sentence,
                "created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(m.created)) if m else None,
                "rows": _rows(m.fields) if m else None,
                "size": size(m.bytes) if m else None,
                "run": str(m.info.get("run_id") or "")[:8] if m else None,
                "code": str(m.info.get("code_version") or "") if m else None,
                "dagster": asset_page(s.asset, category),
            }
        )
    return pd.DataFrame(rows)


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
        "state": column.TextColumn("State"),
        "created": column.TextColumn("Materialized (UTC)"),
        "rows": column.NumberColumn("Rows", format="localized", help="Length of its longest table or array"),
        "size": column.TextColumn("Size", alignment="right"),
        "run": column.TextColumn("Run", help="First signs of the Dagster run id"),
        "code": column.TextColumn("Code", help="Code version"),
        "dagster": column.LinkColumn("Dagster", display_text="open", help="The asset's page in the Dagster UI"),
    }


def reason_rows(quarantine: pa.Table) -> pd.DataFrame:
    """How many lines were left out for each reason, the most frequent first."""
    counts = pc.value_counts(quarantine["reason"].combine_chunks()).to_pylist()
    rows = sorted(((c["counts"], str(c["values"])) for c in counts), key=lambda row: (-row[0], row[1]))
    return pd.DataFrame(rows, columns=["lines", "reason"])


def coverage_rows(products: pa.Table) -> pd.DataFrame:
    """How many products have each piece of metadata, of those that have any."""
    own = products.filter(products["has_metadata"])
    total = own.num_rows
    counts = {
        "title": pc.sum(pc.is_valid(own["title"])).as_py(),
        "brand": pc.sum(pc.is_valid(own["brand"])).as_py(),
        "price": pc.sum(pc.is_valid(own["price"])).as_py(),
        "category": pc.sum(pc.greater(pc.list_value_length(own["categories"]), 0)).as_py(),
        "sales rank": pc.sum(pc.is_valid(own["sales_rank"])).as_py(),
        "image": pc.sum(pc.is_valid(own["image_url"])).as_py(),
    }
    rows = [{"field": f, "products": c or 0, "share": (c or 0) / total if total else 0.0} for f, c in counts.items()]
    return pd.DataFrame(rows)
