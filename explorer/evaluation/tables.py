"""Tables of the evaluation page and their column settings: leaderboard and cost."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from core.clock import PHASES
from core.evaluation import metrics
from core.evaluation.metrics import ALL, SEEN
from core.models import MODELS

_OTHER_PHASES = PHASES[1:]
"""Phases of a training step besides training itself."""
ARTICLE = {
    ("gensim_word2vec", ALL): 0.9082,
    ("gensim_word2vec", SEEN): 0.9735,
    ("skipgram", ALL): 0.9554,
    ("skipgram", SEEN): 0.9855,
    ("matrix_factorization", ALL): 0.7951,
    ("matrix_factorization_sequences", ALL): 0.9320,
}
"""ROC-AUC that the article (Yan, 2020) reports for the whole Electronics category under the published protocol."""
ARTICLE_NOTE = (
    "The article's figures are for Electronics. There, node2vec ran out of memory and skip-gram with side information "
    "scored 0.4 to 0.5."
)


def leaderboard_rows(long: pa.Table, protocol: str, subset: str) -> pd.DataFrame:
    """The leaderboard of one protocol: a row per model and scoring, a column per metric, best first.

    Args:
        long: table with the columns of ``core.evaluation.METRICS``.
        protocol: published, degree_matched, ranking or cold_start.
        subset: all or seen.

    Returns:
        frame with columns model, scoring and the metrics. A metric with an interval is followed by half the width of
        the interval as ``± metric``; under the published protocol, the first metric is followed by ``article``. Empty
        if the protocol was not measured.
    """
    part = long.filter(pc.and_(pc.equal(long["protocol"], protocol), pc.equal(long["subset"], subset)))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in part.to_pylist():
        row = rows.setdefault((entry["model"], entry["scoring"]), {})
        row[entry["metric"]] = entry["value"]
        if entry["low"] is not None and entry["high"] is not None:
            row[f"± {entry['metric']}"] = (entry["high"] - entry["low"]) / 2
    measured = {name for row in rows.values() for name in row if not name.startswith("±")}
    order = [metric.name for metric in metrics.of_protocol(protocol) if metric.main and metric.name in measured]
    order += sorted(measured.difference(order))
    columns = ["model", "scoring"]
    for name in order:
        columns += [name, f"± {name}"] if any(f"± {name}" in row for row in rows.values()) else [name]
        if name == order[0] and protocol == metrics.PUBLISHED:
            columns.append("article")
            for (model, scoring), row in rows.items():
                # The article used one scoring; its figure stands beside the model's default scoring.
                is_default = model not in MODELS or MODELS[model].scorings[0] == scoring
                row["article"] = ARTICLE.get((model, subset)) if is_default else None
    frame = pd.DataFrame([{"model": m, "scoring": s, **row} for (m, s), row in rows.items()], columns=columns)
    frame = frame.astype(dict.fromkeys(columns[2:], float))
    return frame.sort_values(order[0], ascending=False, ignore_index=True) if order else frame


def leaderboard_columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Column settings for :func:`leaderboard_rows`."""
    column = st.column_config
    settings: dict[str, Any] = {
        "model": column.TextColumn("Model", pinned=True),
        "scoring": column.TextColumn(
            "Scoring", help="center_context: goes with the product; center_center: is like it"
        ),
    }
    for name in frame.columns:
        if name == "article":
            settings[name] = column.NumberColumn(
                "Article, Electronics", format="%.4f", help="Yan (2020) on the whole category, for orientation"
            )
        elif name.startswith("± "):
            settings[name] = column.NumberColumn(
                "±", format="%.4f", width=70, help="Half of the 95 % bootstrap interval"
            )
        elif name not in settings:
            settings[name] = column.NumberColumn(metrics.title(name), format="%.4f")
    return settings


def training_rows(facts: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Cost of every model: seconds by phase, throughput, peak memory and device.

    Args:
        facts: model → facts about its training.
    """
    rows = [
        {
            "model": model,
            "seconds": _number(info.get("seconds")),
            **{phase: _number((info.get("timing") or {}).get(phase)) for phase in _OTHER_PHASES},
            "examples_per_second": _number(info.get("examples_per_second")),
            "peak_memory": _number(info.get("peak_memory_mb")),
            "evaluation_seconds": _number(info.get("evaluation_seconds")),
            "neighbours_seconds": _number(info.get("neighbours_seconds")),
            "device": str(info.get("device", "")),
        }
        for model, info in facts.items()
    ]
    columns = [
        "model", "seconds", *_OTHER_PHASES, "examples_per_second", "peak_memory",
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
        "setup": column.NumberColumn("Set-up", format="%.2f s", help="Everything that is none of the other phases"),
        "compilation": column.NumberColumn("Compilation", format="%.2f s", help="Of kernels that were not cached yet"),
        "examples_per_second": column.NumberColumn("Examples / s", format="compact"),
        "peak_memory": column.NumberColumn("Peak memory", format="%.0f MB", help="Of the training process"),
        "evaluation_seconds": column.NumberColumn("Evaluation", format="%.1f s", help="Wall time of its metrics"),
        "neighbours_seconds": column.NumberColumn("Neighbours", format="%.1f s", help="Wall time of making the lists"),
        "device": column.TextColumn("Device"),
    }


def cost_rows(costs: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    """Training time of every model together with its best value of the leaderboard's first metric.

    Args:
        costs: frame with columns model and seconds.
        board: frame of :func:`leaderboard_rows`.
    """
    best = board.groupby("model", sort=False)[board.columns[2]].max().rename("value").reset_index()
    return costs.reindex(columns=["model", "seconds"]).merge(best, on="model")


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
