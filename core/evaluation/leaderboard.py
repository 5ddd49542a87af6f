"""Metrics for people: one line for a log and one table for all models of a category."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from core.clock import PHASES
from core.evaluation import display_names, number_text
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
from core.evaluation.standings import deciding_protocol, main_metric, registry_place
from core.evaluation.verdict import judge
from core.models import MODELS

VERSION = "2"
"""Raised whenever the same metrics give a different table."""

LEADERBOARD = pa.schema([("category", pa.string()), *METRICS])
"""``METRICS`` with the category as first column; seconds are metrics of the protocol ``time``."""


@dataclass(frozen=True)
class Column:
    """A column of the printed table.

    Attributes:
        metric: the metric.
        subset: the subset of the pairs on which it is measured.
    """

    metric: Metric
    subset: str

    @property
    def heading(self) -> str:
        """The heading; only the subset if the column follows one of the same metric."""
        if len(self.metric.subsets) == 1:
            return self.metric.heading
        return f"{self.metric.heading}, {self.subset}" if self.subset == ALL else self.subset


@dataclass(frozen=True)
class Cell:
    """A number of the printed table; ``value`` is None if it was not measured, ``low`` and ``high`` without interval.

    ``best`` says whether it is the best of its column.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    best: bool = False

    @property
    def text(self) -> str:
        """The number with half the width of its interval."""
        if self.value is None or self.low is None or self.high is None:
            return number_text.score(self.value)
        return f"{number_text.score(self.value)} ± {number_text.score((self.high - self.low) / 2)}"


@dataclass(frozen=True)
class Row:
    """A model and scoring of the printed table, with a cell for each column."""

    model: str
    scoring: str
    cells: tuple[Cell, ...]


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


def ranking_table(long: pa.Table, every_scoring: bool = False) -> tuple[list[Column], list[Row]]:
    """What is printed of a leaderboard: its columns, and its rows by the main metric of the deciding protocol.

    Columns of protocols that were not measured are left out.

    Args:
        long: a table with the columns of ``METRICS``.
        every_scoring: whether a model has a row for each of its scorings or only for its better one.
    """
    rows = long.to_pylist()
    cells = {
        (row["model"], row["scoring"], row["protocol"], row["subset"], row["metric"]): row
        for row in rows
        if row["value"] is not None and row["value"] == row["value"]
    }
    measured = {key[2] for key in cells}
    optional = (*IN_TIME, *((PUBLISHED, DEGREE_MATCHED, RANKING, COLD_START) if measured & set(IN_TIME) else ()))
    columns = [
        Column(metric, subset)
        for metric in DEFINITIONS
        if metric.heading and (metric.protocol not in optional or metric.protocol in measured)
        for subset in metric.subsets
    ]
    protocol = deciding_protocol(long)
    deciding = (protocol, ALL, main_metric(protocol)) if protocol else None

    def order(key: tuple[str, str]) -> tuple[Any, ...]:
        decides = cells.get((*key, *deciding)) if deciding else None
        return (decides is None, -decides["value"] if decides else 0.0, *registry_place(*key))

    names = sorted(dict.fromkeys((r["model"], r["scoring"]) for r in rows if r["scoring"] is not None), key=order)
    if not every_scoring:
        better: dict[str, tuple[str, str]] = {}
        for key in names:
            better.setdefault(key[0], key)
        names = list(better.values())
    table = [
        [cells.get((*key, c.metric.protocol, c.subset, c.metric.name), {}) for c in columns] for key in names
    ]  # fmt: skip
    best = [_best(column.metric, [row[i].get("value") for row in table]) for i, column in enumerate(columns)]
    return columns, [
        Row(
            *key,
            tuple(
                Cell(cell.get("value"), cell.get("low"), cell.get("high"), cell.get("value") in top)
                for cell, top in zip(row, best, strict=True)
            ),
        )
        for key, row in zip(names, table, strict=True)
    ]


def headline(metrics: pa.Table) -> dict[str, float]:
    """The numbers of one model that are worth watching over time: heading → value, of the model's better scoring.

    The article's protocol is left out, because popularity alone scores high there.
    """
    columns, rows = ranking_table(metrics)
    return {
        column.metric.heading: cell.value
        for row in rows
        for column, cell in zip(columns, row.cells, strict=True)
        if column.subset == ALL and column.metric.protocol != PUBLISHED and cell.value is not None
    }


def to_markdown(long: pa.Table) -> str:
    """The verdict, a Markdown table with one row per model and scoring, best first, and notes on how to read it.

    Args:
        long: a leaderboard.
    """
    columns, rows = ranking_table(long, every_scoring=True)
    times = seconds_by_phase(long)
    headings = ["model", "list", *(column.heading for column in columns)]
    headings += [f"seconds: {' + '.join(_phase_title(phase) for phase in PHASES)}"] if times else []
    headings += ["name"]
    aligned = ["---", "---", *["---:"] * (len(columns) + bool(times)), "---"]
    lines = [_line(headings), _line(aligned)]
    for row in rows:
        values = [f"**{cell.text}**" if cell.best else cell.text for cell in row.cells]
        values += [_seconds(times.get(row.model))] if times else []
        names = display_names.model_title(row.model), display_names.scoring_title(row.scoring).lower()
        lines.append(_line([*names, *values, f"`{row.model}`"]))
    verdict = judge(long)
    opening = " ".join(filter(None, [verdict.sentence("**"), verdict.auc_sentence()]))
    notes = _notes([row.model for row in rows], bool(times))
    return "\n".join([opening, "", *lines, "", *notes]) + "\n"


def seconds_by_phase(long: pa.Table) -> dict[str, dict[str, float]]:
    """Model → phase → seconds of its training step; models without times are left out."""
    seconds: dict[str, dict[str, float]] = {}
    for row in long.to_pylist():
        if row["protocol"] == TIME:
            seconds.setdefault(row["model"], {})[row["metric"]] = row["value"]
    return seconds


def summary_line(metrics: pa.Table) -> str:
    """The main numbers of a model's better scoring, in one line for a log."""
    columns, rows = ranking_table(metrics)
    if not rows:
        return "nothing was measured"
    row = rows[0]
    numbers: dict[str, list[str]] = {}
    for column, cell in zip(columns, row.cells, strict=True):
        if cell.value is not None:
            text = f"{cell.value:.{column.metric.digits}f}"
            text += f" {column.subset}" if len(column.metric.subsets) > 1 else ""
            numbers.setdefault(column.metric.heading, []).append(text)
    names = f"{display_names.model_title(row.model)} ({display_names.scoring_title(row.scoring).lower()})"
    return f"{names}: " + "; ".join(f"{heading} {', '.join(texts)}" for heading, texts in numbers.items())


def _best(metric: Metric, values: Sequence[float | None]) -> list[float]:
    """The best value of a column as a list; empty if no value is better than another one."""
    known = [value for value in values if value is not None]
    if metric.better == "neither" or len(set(known)) < 2:
        return []
    return [max(known) if metric.better == "higher" else min(known)]


def _notes(models: Sequence[str], timed: bool) -> list[str]:
    notes = [
        "The best value of a column is bold. AUC is ROC-AUC. ± is half of the 95 % bootstrap interval over pairs (over",
        "products for the lists); it does not cover training again. *seen*: both products have a training pair. The",
        "article's negatives are drawn uniformly and are easy, so compare models by the other columns.",
    ]
    if timed:
        notes.append(
            "The seconds add up to the time of the step that trains the model; they do not depend on the scoring."
        )
    article = [model.title for name, model in MODELS.items() if model.article and name in models]
    if article:
        notes += [
            f"Unless categories.yaml says otherwise, the settings are those of the article for {', '.join(article)};",
            "every other model has the recommended settings, which performed best in measurements.",
        ]
    return notes


def _seconds(phases: Mapping[str, float] | None) -> str:
    """The seconds of all phases, in the order of the header."""
    if phases is None or not phases.keys() >= set(PHASES):
        return number_text.MISSING
    return " + ".join("<0.1" if 0 < phases[phase] < 0.1 else number_text.number(phases[phase]) for phase in PHASES)


def _phase_title(phase: str) -> str:
    return display_names.phase_title(phase).lower()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
