"""Tables of the evaluation page and their column settings: leaderboard, cost and what has changed."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st
from pandas.io.formats.style import Styler

from core.evaluation import metrics, number_text
from core.evaluation.display_names import (
    metric_note,
    metric_title,
    model_title,
    phase_note,
    phase_title,
    scoring_note,
    scoring_title,
)
from core.evaluation.metrics import ALL, SEEN
from core.evaluation.result import TIME
from core.evaluation.standings import main_metric, registry_place
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT
from core.models import MODELS
from explorer.evaluation.charts import is_share, number
from explorer.evaluation.series import series_title

BEST = "★"
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
DIFFERENCE = "difference"
"""Column with the difference to the baseline."""
NAME = 200
"""Width in pixels of a column of model names."""
_HIGHLIGHT = "background-color: rgba(35, 148, 148, 0.22)"


def leaderboard_rows(long: pa.Table, protocol: str, subset: str, every_list: bool = False) -> pd.DataFrame:
    """The leaderboard of one protocol: a column per metric, and a row per model (its better list) or per list.

    Args:
        long: table with the columns of ``core.evaluation.METRICS``.
        protocol: one of ``core.evaluation.metrics.PROTOCOLS``.
        subset: all or seen.
        every_list: whether every list of a model has a row.

    Returns:
        frame with columns model, scoring and the metrics, best first. The first metric is followed by half the width
        of its interval as ``±``, and under the published protocol by ``article``. Empty if the protocol was not
        measured.
    """
    part = long.filter(pc.and_(pc.equal(long["protocol"], protocol), pc.equal(long["subset"], subset)))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in part.to_pylist():
        row = rows.setdefault((entry["model"], entry["scoring"]), {})
        row[entry["metric"]] = entry["value"]
        if entry["metric"] == main_metric(protocol) and entry["low"] is not None and entry["high"] is not None:
            row["±"] = (entry["high"] - entry["low"]) / 2
    measured = {name for row in rows.values() for name in row if name != "±"}
    order = [metric.name for metric in metrics.of_protocol(protocol) if metric.main and metric.name in measured]
    order += sorted(measured.difference(metric.name for metric in metrics.of_protocol(protocol)))
    columns = ["model", "scoring", *order]
    if order and any("±" in row for row in rows.values()):
        columns.insert(3, "±")
    if order and protocol == metrics.PUBLISHED:
        columns.insert(columns.index(order[0]) + 1, "article")
        for (model, scoring), row in rows.items():
            # The article used one scoring; its figure stands beside the model's default scoring.
            is_default = model not in MODELS or MODELS[model].scorings[0] == scoring
            row["article"] = ARTICLE.get((model, subset)) if is_default else None
    frame = pd.DataFrame([{"model": m, "scoring": s, **row} for (m, s), row in rows.items()], columns=columns)
    frame = frame.astype(dict.fromkeys(columns[2:], float))
    if not order:
        return frame
    keys = list(zip(-frame[order[0]], frame["model"], frame["scoring"], strict=True))
    places = sorted(
        range(len(keys)), key=lambda i: (keys[i][0] != keys[i][0], keys[i][0], registry_place(*keys[i][1:]))
    )
    frame = frame.iloc[places]
    return (frame if every_list else frame.drop_duplicates("model")).reset_index(drop=True)


def with_differences(frame: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """A frame of :func:`leaderboard_rows` with the difference of the first metric to that of a model after it."""
    base = frame.loc[frame["model"] == baseline]
    if frame.empty or base.empty:
        return frame
    first, *others = frame.columns[2:]
    before = next((name for name in others if name not in ("±", "article")), None)
    frame = frame.copy()
    place = len(frame.columns) if before is None else list(frame.columns).index(before)
    frame.insert(place, DIFFERENCE, frame[first] - base[first].iloc[0])
    return frame


def styled(frame: pd.DataFrame, protocol: str) -> Styler:
    """The leaderboard as people read it: names, numbers with their units, and the best of each column marked."""
    first = frame.columns[2] if len(frame.columns) > 2 else ""
    shown = frame.assign(model=frame["model"].map(model_title), scoring=frame["scoring"].map(scoring_title))
    style = shown.style
    for name in frame.columns[2:]:
        metric = first if name in ("±", DIFFERENCE, "article") else name
        if name == DIFFERENCE:
            style = style.format(_difference_writer(metric, protocol), subset=[name])
            continue
        best = None if name in ("±", "article") else _best(frame[name], metric, protocol)
        style = style.format(_writer(metric, protocol, best), subset=[name])
        if best is not None:
            style = style.map(lambda value, best=best: _HIGHLIGHT if value == best else "", subset=[name])
    return style


def _best(values: pd.Series, metric: str, protocol: str) -> float | None:
    known = values.dropna()
    definition = metrics.definition(metric, protocol)
    if definition is None or definition.better == "neither" or known.nunique() < 2:
        return None
    return float(known.max() if definition.better == "higher" else known.min())


def _difference_writer(metric: str, protocol: str) -> Callable[[Any], str]:
    return number_text.points if is_share(metric, protocol) else number_text.difference


def _writer(metric: str, protocol: str, best: float | None) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        text = number(value, metric, protocol)
        return f"{BEST} {text}" if best is not None and value == best else text

    return write


def leaderboard_columns(frame: pd.DataFrame, protocol: str, baseline: str | None) -> dict[str, Any]:
    """Column settings for :func:`styled`; the names that stand in settings and tables are in the tooltips."""
    column = st.column_config
    models = [name for name in frame["model"] if name in MODELS and model_title(name) != name]
    names = "; ".join(f"{model_title(name)}: {name}" for name in models)
    settings: dict[str, Any] = {
        "model": column.TextColumn(
            "Model", pinned=True, width=NAME, help=f"Names in settings and commands: {names}" if names else None
        ),
        "scoring": column.TextColumn("List", help=f"{scoring_note(CENTER_CONTEXT)}, or: {scoring_note(CENTER_CENTER)}"),
    }
    for name in frame.columns[2:]:
        if name == "article":
            settings[name] = column.NumberColumn("Article", help="Yan (2020) on all of Electronics, for orientation")
        elif name == "±":
            settings[name] = column.NumberColumn("±", help="Half of the 95 % bootstrap interval")
        elif name == DIFFERENCE:
            unit = "percentage points of " if is_share(frame.columns[2], protocol) else ""
            settings[name] = column.NumberColumn(
                f"vs {model_title(str(baseline))}",
                help=f"Difference in {unit}{metric_title(frame.columns[2], protocol)} to the model it is compared with",
            )
        else:
            settings[name] = column.NumberColumn(metric_title(name, protocol), help=metric_note(name, protocol))
    return settings


def training_rows(facts: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Cost of every model: seconds by phase, throughput, peak memory and device.

    Args:
        facts: model → facts about its training.
    """
    rows = [
        {
            "model": model,
            # Older programs wrote no phases; the seconds of some models hold other phases too.
            "training": _number((info.get("timing") or info).get("training", info.get("seconds"))),
            **{phase: _number((info.get("timing") or {}).get(phase)) for phase in _OTHER_PHASES},
            "evaluation": _number(info.get("evaluation_seconds")),
            "neighbours": _number(info.get("neighbours_seconds")),
            "examples_per_second": _number(info.get("examples_per_second")),
            "peak_memory": _number(info.get("peak_memory_mb")),
            "device": str(info.get("device", "")),
        }
        for model, info in facts.items()
    ]
    columns = ["model", "training", *_OTHER_PHASES, *_LATER, "examples_per_second", "peak_memory", "device"]
    return pd.DataFrame(rows, columns=columns)


_OTHER_PHASES = ("setup", "compilation", "probing")
"""Phases of a training step besides training itself, in the order in which they are shown."""
_LATER = ("evaluation", "neighbours")
"""Later steps whose seconds are shown as well."""


def styled_costs(costs: pd.DataFrame) -> Styler:
    """The costs as people read them; time that was not spent is a dash."""
    style = costs.assign(model=costs["model"].map(model_title)).style
    writers: dict[str, Callable[[Any], str]] = dict.fromkeys(("training", *_OTHER_PHASES, *_LATER), number_text.seconds)
    writers |= {"examples_per_second": number_text.number, "peak_memory": number_text.megabytes}
    for name, write in writers.items():
        if name in costs:
            style = style.format(write, subset=[name])
    return style


def training_columns() -> dict[str, Any]:
    """Column settings for :func:`styled_costs`."""
    column = st.column_config
    phases = {
        phase: column.NumberColumn(phase_title(phase), help=phase_note(phase)) for phase in ("training", *_OTHER_PHASES)
    }
    return {
        "model": column.TextColumn("Model", pinned=True, width=NAME),
        **phases,
        "evaluation": column.NumberColumn("Evaluation", help="Time for measuring the model"),
        "neighbours": column.NumberColumn("Lists", help="Time for making its lists"),
        "examples_per_second": column.NumberColumn("Examples / s", help="How many examples it learns from per second"),
        "peak_memory": column.NumberColumn("Memory", help="Largest memory of the training process"),
        "device": column.TextColumn("Device"),
    }


def cost_rows(costs: pd.DataFrame, board: pd.DataFrame) -> pd.DataFrame:
    """Training time of every model together with its best value of the leaderboard's first metric.

    Args:
        costs: frame with columns model and training.
        board: frame of :func:`leaderboard_rows`.
    """
    best = board.groupby("model", sort=False)[board.columns[2]].max().rename("value").reset_index()
    return costs[["model", "training"]].rename(columns={"training": "seconds"}).merge(best, on="model")


def change_rows(now: pa.Table, then: pa.Table, protocol: str, subset: str) -> pd.DataFrame:
    """The metrics of a protocol now and before the last rebuild, for every list of every model that has both or one.

    Returns:
        frame with columns model (its name for people), metric (the same), then, now, change (all three as text), and
        moved: whether the value now is outside the interval of then, or one of them is missing. The largest changes of
        each metric come first.
    """
    values = [
        {
            (row["model"], row["scoring"], row["metric"]): row
            for row in table.to_pylist()
            if (row["protocol"], row["subset"]) == (protocol, subset) and row["protocol"] != TIME
        }
        for table in (then, now)
    ]
    names = [metric.name for metric in metrics.of_protocol(protocol) if metric.main]
    rows: list[dict[str, Any]] = []
    for model, scoring, metric in dict.fromkeys([*values[1], *values[0]]):
        if metric not in names:
            continue
        before, after = (side.get((model, scoring, metric), {}) for side in values)
        old, new = before.get("value"), after.get("value")
        if old is None and new is None:
            continue
        change = None if old is None or new is None else new - old
        write = _difference_writer(metric, protocol)
        outside = change is None or (
            before.get("low") is not None and not before["low"] <= float(new or 0.0) <= before["high"]
        )
        rows.append(
            {
                "model": series_title(model, scoring),
                "metric": metric_title(metric, protocol),
                "then": number(old, metric, protocol),
                "now": number(new, metric, protocol),
                "change": write(change) if change is not None else ("new" if old is None else "gone"),
                "moved": outside,
                "order": (names.index(metric), -abs(change) if change is not None else float("-inf")),
            }
        )
    rows.sort(key=lambda row: row["order"])
    return pd.DataFrame(rows, columns=["model", "metric", "then", "now", "change", "moved"])


def change_columns() -> dict[str, Any]:
    """Column settings for :func:`change_rows`."""
    column = st.column_config
    return {
        "model": column.TextColumn("Model", pinned=True, width=NAME),
        "metric": column.TextColumn("Metric"),
        "then": column.TextColumn("Before", alignment="right"),
        "now": column.TextColumn("Now", alignment="right"),
        "change": column.TextColumn("Change", alignment="right"),
        "moved": column.CheckboxColumn(
            "Beyond chance", help="Whether the number now is outside the interval of before"
        ),
    }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
