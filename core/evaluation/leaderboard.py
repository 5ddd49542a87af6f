"""Metrics for people: one line for a log and one table for all models of a category."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from core.clock import PHASES
from core.evaluation.metrics import (
    ALL,
    COLD_START,
    DEFINITIONS,
    DEGREE_MATCHED,
    IN_TIME,
    PUBLISHED,
    RANKING,
    Metric,
)
from core.evaluation.result import METRICS, TIME
from core.models import MODELS

VERSION = "2"
"""Raised whenever the same metrics give a different table."""

LEADERBOARD = pa.schema([("category", pa.string()), *METRICS])
"""``METRICS`` with the category as first column; seconds are metrics of the protocol ``time``."""

_COLUMNS = tuple((metric, subset) for metric in DEFINITIONS if metric.heading for subset in metric.subsets)
"""The columns of the printed table: a metric and a subset of the pairs each."""

_PHASES = {"training": "training", "probing": "probing", "setup": "set-up", "compilation": "compilation"}
"""Phase → its name in the table's header."""


def leaderboard(
    evaluations: Mapping[str, pa.Table],
    category: str,
    timing: Mapping[str, Mapping[str, float] | None] | None = None,
) -> pa.Table:
    """All metric tables of a category in one long table of schema ``LEADERBOARD``.

    A model that was not trained has neither metrics nor times, so it is left out.

    Args:
        evaluations: model → table of schema ``METRICS``; the order is kept.
        category: value of the first column.
        timing: model → phase → seconds of its training; a model that is missing gets no rows for its time.
    """
    times = [
        {"model": model, "protocol": TIME, "subset": ALL, "metric": phase, "value": seconds[phase]}
        for model, seconds in (timing or {}).items()
        if seconds
        for phase in PHASES
    ]
    metrics = pa.concat_tables(
        [METRICS.empty_table(), *evaluations.values(), pa.Table.from_pylist(times, schema=METRICS)]
    )
    return metrics.add_column(0, LEADERBOARD.field(0), pa.repeat(category, len(metrics))).combine_chunks()


def to_markdown(long: pa.Table, info: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """A Markdown table with one row per model and scoring, and notes on how to read it.

    Args:
        long: a leaderboard; models appear in its order.
        info: model → ``Evaluation.info``; with it the table has the column "unseen products", and the notes give the
            numbers of pairs.
    """
    cells = {
        (row["model"], row["scoring"], row["protocol"], row["subset"], row["metric"]): row for row in long.to_pylist()
    }
    timed = any(key[2] == TIME for key in cells)
    measured = {key[2] for key, row in cells.items() if row["value"] is not None}
    optional = (*IN_TIME, *((PUBLISHED, DEGREE_MATCHED, RANKING, COLD_START) if measured & set(IN_TIME) else ()))
    columns = [column for column in _COLUMNS if column[0].protocol not in optional or column[0].protocol in measured]
    headings = ["model", "scoring", *(_heading(*column) for column in columns)]
    headings += ([f"seconds: {' + '.join(_PHASES.values())}"] if timed else []) + (["unseen products"] if info else [])
    lines = [_line(headings), _line(["---", "---"] + ["---:"] * (len(columns) + timed) + (["---"] if info else []))]
    for model, scoring in dict.fromkeys((key[0], key[1]) for key in cells if key[2] != TIME):
        values = [
            _cell(cells.get((model, scoring, metric.protocol, subset, metric.name))) for metric, subset in columns
        ]
        values += [_seconds(cells, model)] if timed else []
        fallback = [str(info.get(model, {}).get("fallback", "–"))] if info else []
        lines.append(_line([model, scoring, *values, *fallback]))
    return "\n".join([*lines, "", *_notes([model for model, *_ in cells], info, timed)]) + "\n"


def summary_line(metrics: pa.Table) -> str:
    """The main numbers of a model's default scoring (its first one), in one line for a log."""
    rows = metrics.to_pylist()
    if not rows:
        return "nothing was measured"
    model, scoring = rows[0]["model"], rows[0]["scoring"]
    values = {(r["protocol"], r["subset"], r["metric"]): r["value"] for r in rows if r["scoring"] == scoring}
    numbers = [
        f"{metric.heading} "
        + ", ".join(_number(values.get((metric.protocol, s, metric.name)), metric, s) for s in subsets)
        for metric in DEFINITIONS
        if metric.heading
        and (subsets := [s for s in metric.subsets if values.get((metric.protocol, s, metric.name)) is not None])
    ]
    return f"{model} ({scoring}): {'; '.join(numbers)}"


def _heading(metric: Metric, subset: str) -> str:
    if len(metric.subsets) == 1:
        return metric.heading
    return f"{metric.heading}, {subset}" if subset == ALL else subset


def _number(value: float | None, metric: Metric, subset: str) -> str:
    text = "–" if value is None else f"{value:.{metric.digits}f}"
    return text if len(metric.subsets) == 1 else f"{text} {subset}"


def _notes(models: Sequence[str], info: Mapping[str, Mapping[str, Any]] | None, timed: bool) -> list[str]:
    notes = [
        "AUC is ROC-AUC. ± is half of the 95 % bootstrap interval over pairs (over products for the lists); it does",
        "not cover training again. *seen*: both products have a training pair. Published negatives are drawn uniformly",
        "and are easy, so compare models by the degree-matched columns and the lists.",
    ]
    if timed:
        notes.append(
            "The seconds add up to the time of the step that trains the model; they do not depend on the scoring."
        )
    article = [name for name, model in MODELS.items() if model.article and name in models]
    if article:
        notes += [
            f"Unless categories.yaml says otherwise, the settings are those of the article for {', '.join(article)};",
            "every other model has the recommended settings, which performed best in measurements.",
        ]
    if info:
        notes += [
            "*unseen products*: with `median`, a pair that the model cannot score gets the median of its other scores;",
            "with `own`, the model's own score counts.",
        ]
        pairs = next(iter(info.values())).get("pairs", {})
        counted = [
            f"{protocol} {subset} {numbers['positives']:,} + {numbers['negatives']:,}"
            for protocol, subsets in pairs.items()
            for subset, numbers in subsets.items()
        ]
        if counted:
            notes.append(f"Pairs (positives + negatives): {'; '.join(counted)}.")
    return notes


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "–"
    if row["low"] is None or row["high"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} ± {(row['high'] - row['low']) / 2:.3f}"


def _seconds(cells: Mapping[Any, Mapping[str, Any]], model: str) -> str:
    """The seconds of all phases, in the order of the header."""
    rows = [cells.get((model, None, TIME, ALL, phase)) for phase in _PHASES]
    return "–" if None in rows else " + ".join(f"{row['value']:.1f}" for row in rows if row)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
