"""Charts of the evaluation page, each with a description for people who cannot see it.

Lines and points are labelled where they are, so that no chart needs a legend. Popularity, which every model has to
beat, is a dashed line in each chart that has a place for it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation import metrics, number_text
from core.evaluation.display_names import metric_title, model_title
from core.evaluation.standings import Standing
from core.evaluation.verdict import FLOOR
from explorer.evaluation.curve_marks import find_cliff, find_restarts
from explorer.evaluation.series import with_titles
from explorer.shared.figure import Figure

HEIGHT = 360
"""Height in pixels of every chart that stands beside another one."""
_NAMES = alt.Axis(labelLimit=220, labelFlush=False, labelBound=False, labelOverlap=False)
"""An axis with the name of every model."""
_LABEL = 0.056
"""How far the names of two lines are apart at least, as a share of the plot's height."""
_ROW = 26
"""Height in pixels of a model in charts with a row per model."""
_AXIS = 70
"""Height in pixels of the axis below them, which a chart's height includes."""
_LARGEST_COSINES = 2.0  # scores by two vectors per product are the sum of two cosines
_SKEWED = 8
"""How many times the median the largest score is at least where the axis is logarithmic."""
_PADDED = alt.Scale(zero=False, padding=20)
_LEFTMOST = 0.001
"""The smallest false positive rate on a logarithmic axis."""
_GREYS = {"light": "#6b7280", "dark": "#a3adb8"}
"""Appearance → a grey that can be read as text on its background."""


def interval_chart(standings: Sequence[Standing], protocol: str, metric: str) -> Figure | None:
    """One metric of every model as a point with its 95 % interval, best first; None if nothing was measured."""
    if not standings:
        return None
    frame = pd.DataFrame([vars(standing) for standing in standings])
    frame["title"] = frame["model"].map(model_title)
    frame["text"] = [number(value, metric, protocol) for value in frame["value"]]
    frame["end"] = frame["high"].astype(float).fillna(frame["value"])
    frame["is_best"] = frame["value"] == frame["value"].max()
    title = metric_title(metric, protocol)
    y = alt.Y("title:N", sort=frame["title"].tolist(), title=None, axis=_NAMES)
    x_title, x_axis = title, _axis(metric, protocol)
    smallest, largest = float(np.nanmin(frame[["low", "value"]].to_numpy(np.float64))), float(frame["end"].max())
    margin = 0.04 * (largest - smallest) or 0.01
    # Shares start at nothing; scores near 1 would all stand at one end if they started there.
    domain = (0 if is_share(metric, protocol) else smallest - margin, largest + margin)
    scale = alt.Scale(domain=domain, nice=False)
    tooltip = [
        alt.Tooltip("title:N", title="Model"), alt.Tooltip("model:N", title="Name in settings"),
        *(alt.Tooltip(f"{name}:Q", format=".3g") for name in ("value", "low", "high")),
    ]  # fmt: skip
    base = alt.Chart(frame)
    x = alt.X("value:Q", title=x_title, axis=x_axis, scale=scale)
    bar = base.mark_rule(strokeWidth=3, color=_grey(), opacity=0.6).encode(
        x=alt.X("low:Q", title=x_title, axis=x_axis, scale=scale), x2="high:Q", y=y, tooltip=tooltip
    )
    dot = base.mark_point(filled=True, opacity=1).encode(
        x=x, y=y, tooltip=tooltip,
        size=alt.condition("datum.is_best", alt.value(150), alt.value(80)),
    )  # fmt: skip
    text = base.mark_text(align="left", dx=10, color=_grey()).encode(
        x=alt.X("end:Q", title=x_title, axis=x_axis, scale=scale), y=y, text="text:N"
    )
    best, last = frame.iloc[0], frame.iloc[-1]
    description = (
        f"{title} of {len(frame)} models with 95 % intervals: {best['title']} is best with {best['text']}, "
        f"{last['title']} is last with {last['text']}."
        if len(frame) > 1
        else f"{title} of {best['title']}, the only model that was measured: {best['text']}."
    )
    layers = [*_floor_line(standings, "x", x_title, x_axis, scale), bar, dot, text]
    return Figure(_layered(layers, _ROW * len(frame) + _AXIS), description)


def _floor_line(standings: Sequence[Standing], axis: str, title: str, of_axis: alt.Axis, scale: alt.Scale) -> list[Any]:
    """A dashed line at popularity's number, on the x or y axis; nothing if it was not measured."""
    floor = [standing.value for standing in standings if standing.model == FLOOR]
    if not floor or len(standings) < 2:
        return []
    base = alt.Chart(pd.DataFrame({"floor": floor[:1], "label": [model_title(FLOOR)]}))
    encoding = alt.X if axis == "x" else alt.Y
    position: dict[str, Any] = {axis: encoding("floor:Q", title=title, axis=of_axis, scale=scale)}
    line = base.mark_rule(strokeDash=[4, 4], color=_grey()).encode(
        **position, tooltip=[alt.Tooltip("floor:Q", title=model_title(FLOOR), format=".3g")]
    )
    return [line]


def roc_chart(curves: pd.DataFrame, models: Sequence[str]) -> Figure:
    """ROC curves, recall over false positive rate; ``curves`` has the columns of ``core.evaluation.CURVES``.

    Where the curves rise at once, the false positive rate is logarithmic.
    """
    named = with_titles(curves)
    at_half = [np.interp(0.5, part["recall"], part["false_positive_rate"]) for _, part in _by_series(named)]
    steep = float(np.median(at_half)) < 0.02
    text = f"ROC curves of {_counted(named)}. {_best_recall(named, 0.1)}"
    x_scale = alt.Scale(type="log", domain=[_LEFTMOST, 1], clamp=True) if steep else alt.Scale(domain=[0, 1])
    x_axis = alt.Axis(values=[0.001, 0.01, 0.1, 1], format="~%") if steep else alt.Axis(format="~%", tickCount=5)
    if steep:
        text += " The false positive rate is logarithmic."
        named = named.assign(false_positive_rate=named["false_positive_rate"].clip(lower=_LEFTMOST))
    x = alt.X("false_positive_rate:Q", title="False positive rate", scale=x_scale, axis=x_axis)
    chance = np.geomspace(_LEFTMOST, 1, 60) if steep else np.array([0.0, 1.0])
    diagonal = (
        alt.Chart(pd.DataFrame({"false_positive_rate": chance, "recall": chance}))
        .mark_line(strokeDash=[2, 4], color=_grey(), opacity=0.7)
        .encode(x=x, y="recall:Q")
    )
    place = 0.01 if steep else 0.1
    ends = {name: np.interp(place, p["false_positive_rate"], p["recall"]) for name, p in _by_series(named)}
    lines = _curve(named, models, x, alt.Y("recall:Q", title="Recall", scale=alt.Scale(domain=[0, 1])))
    return Figure(_labelled([diagonal, lines], named, models, ends, (0, 1), "recall"), text)


def precision_recall_chart(curves: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Precision over recall."""
    named = with_titles(curves)
    text = f"Precision-recall curves of {_counted(named)}. {_best_f1(named)}"
    ends = {name: float(part["f1"].max()) for name, part in _by_series(named)}
    low = min(0.5, float(named["precision"].min()))
    scale = alt.Scale(domain=[np.floor(low * 10) / 10, 1])
    x = alt.X("recall:Q", title="Recall", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5))
    lines = _curve(named, models, x, alt.Y("precision:Q", title="Precision", scale=scale))
    return Figure(_labelled([lines], named, models, ends, tuple(scale["domain"]), "precision"), text)


def _curve(named: pd.DataFrame, models: Sequence[str], x: alt.X, y: alt.Y) -> alt.Chart:
    return (
        alt.Chart(named.assign(position=np.arange(len(named)), is_floor=named["model"] == FLOOR))
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=x,
            y=y,
            color=_color(models),
            detail="series:N",
            strokeDash=alt.condition("datum.is_floor", alt.value([5, 4]), alt.value([1, 0])),
            order="position:Q",  # rows are in the order of the curve; sorting by x would break up vertical segments
            tooltip=[
                alt.Tooltip("series:N", title="Model"), alt.Tooltip("model:N", title="Name in settings"),
                alt.Tooltip("threshold:Q", title="Score of at least", format=".3g"),
                *(alt.Tooltip(f"{name}:Q", title=title, format=".3g") for name, title in _RATES.items()),
            ],
        )
    )  # fmt: skip


_RATES = {"false_positive_rate": "False positive rate", "recall": "Recall", "precision": "Precision"}


def _labelled(
    layers: list[Any],
    named: pd.DataFrame,
    models: Sequence[str],
    ends: dict[str, float],
    domain: tuple[float, ...],
    y: str,
) -> alt.LayerChart:
    """Line charts with the lines' names to the right of them, in the lines' order and apart from each other.

    Args:
        layers: the charts.
        named: frame with the columns model and series.
        models: all models, which give the colours.
        ends: series → the value at which its label would stand if it were alone.
        domain: smallest and largest value of the y axis.
        y: field of the y axis, which the labels share.
    """
    order = sorted(ends, key=lambda name: ends[name])
    step = (domain[-1] - domain[0]) * _LABEL
    places = _spread([float(np.clip(ends[name], domain[0], domain[-1])) for name in order], step, domain)
    model_of = dict(zip(named["series"], named["model"], strict=True))
    frame = pd.DataFrame({"series": order, y: places, "model": [model_of[name] for name in order]})
    labels = (
        alt.Chart(frame)
        .mark_text(align="left", dx=6, fontSize=12)
        .encode(x=alt.value("width"), y=f"{y}:Q", text="series:N", color=_color(models))
    )
    return _layered([*layers, labels], HEIGHT)


def _layered(layers: Sequence[alt.Chart], height: int) -> alt.LayerChart:
    """Charts on top of each other. What stands outside of the plot, such as a line's name, makes the plot narrower."""
    chart: Any = alt.layer(*layers)
    layered: alt.LayerChart = chart.properties(height=height)
    return layered


def _spread(values: Sequence[float], step: float, domain: tuple[float, ...]) -> list[float]:
    """Ascending values moved apart to at least ``step``, inside the domain if there is room."""
    places = list(values)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + step)
    ceiling = domain[-1]
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - step
    return places


def threshold_chart(curve: pd.DataFrame) -> Figure:
    """Precision, recall and F1 of one model by threshold; the best F1 and the cliff, if there is one, are marked."""
    frame = curve.dropna(subset=["threshold"])
    best = frame.iloc[int(np.argmax(frame["f1"].to_numpy()))]
    text = (
        f"Precision, recall and F1 by threshold: F1 is largest, {best['f1']:.3f}, at {best['threshold']:.3g}, where "
        f"precision is {best['precision']:.3f} and recall {best['recall']:.3f}."
    )
    low, high = float(frame["threshold"].min()), float(frame["threshold"].max())
    marks = [{"threshold": best["threshold"], "what": "best F1", "row": 0.14}]
    cliff = find_cliff(curve)
    if cliff is not None:
        marks.append({"threshold": cliff.threshold, "what": "cliff", "row": 0.07})
        text += (
            f" The cliff is at {cliff.threshold:.3g}: {number_text.percent(cliff.positives)} of the held-out and "
            f"{number_text.percent(cliff.negatives)} of the unrelated pairs have this same score, so precision falls "
            f"from {cliff.before:.3f} to {cliff.after:.3f} at once."
        )
    names = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
    long = frame.rename(columns=names).melt("threshold", list(names.values()), "measure", "value")
    x = _score_axis("threshold:Q", "Score at or above which a pair is called related", frame["threshold"].to_numpy())
    color = alt.Color("measure:N", sort=list(names.values()), legend=None)
    lines = (
        alt.Chart(long)
        .mark_line(strokeWidth=2)
        .encode(
            x=x,
            y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1])),
            color=color,
            tooltip=[
                alt.Tooltip("measure:N", title="Measure"), alt.Tooltip("threshold:Q", format=".3g"),
                alt.Tooltip("value:Q", format=".3g"),
            ],
        )
    )  # fmt: skip
    last = frame.iloc[int(np.argmax(frame["threshold"].to_numpy()))]
    order = sorted(names, key=lambda name: last[name])
    places = _spread([float(last[name]) for name in order], _LABEL, (0.0, 1.0))
    labels = (
        alt.Chart(pd.DataFrame({"measure": [names[name] for name in order], "value": places}))
        .mark_text(align="left", dx=6, fontSize=12)
        .encode(x=alt.value("width"), y="value:Q", text="measure:N", color=color)
    )
    marked = alt.Chart(pd.DataFrame(marks))
    rules = marked.mark_rule(color=_grey(), strokeDash=[4, 4]).encode(
        x="threshold:Q", tooltip=[alt.Tooltip("what:N", title="Mark"), alt.Tooltip("threshold:Q", format=".3g")]
    )
    leftward = float(best["threshold"]) > (low + high) / 2
    names_of_rules = marked.mark_text(
        align="right" if leftward else "left", baseline="top", dx=-4 if leftward else 4, color=_grey()
    ).encode(x="threshold:Q", y=alt.Y("row:Q", title=None), text="what:N")
    return Figure(_layered([lines, rules, names_of_rules, labels], HEIGHT), text)


def score_chart(scores: pd.DataFrame) -> Figure:
    """Histogram of the scores of the held-out and the unrelated pairs of one model; columns low, high, label, count."""
    total = scores.groupby("label")["count"].sum()
    middle = {label: _median(scores[scores["label"] == label]) for label in _LABELS}
    text = (
        f"Scores of {total.get('positive', 0):,} held-out and {total.get('negative', 0):,} unrelated pairs: the median "
        f"held-out pair scores about {middle['positive']:.3g}, the median unrelated one about {middle['negative']:.3g}."
    )
    frame = scores.assign(
        share=scores["count"] / scores["label"].map(total).clip(lower=1), pairs=scores["label"].map(_LABELS)
    )
    color = alt.Color("pairs:N", sort=list(_LABELS.values()), legend=None)
    spread = np.repeat(frame["high"].to_numpy(), np.ceil(500 * frame["share"]).astype(int))  # as the pairs are
    lopsided = float(frame["share"].max()) > 0.5
    scale = alt.Scale(type="symlog", constant=0.001) if lopsided else alt.Scale()
    text += " The shares are logarithmic, because most pairs have one score." if lopsided else ""
    axis = alt.Axis(format="~%", values=[0, 0.001, 0.01, 0.1, 1]) if lopsided else alt.Axis(format="~%")
    y = alt.Y("share:Q", title="Share of the pairs", stack=None, scale=scale, axis=axis)
    bars = (
        alt.Chart(frame)
        .mark_bar(opacity=0.6, binSpacing=0)
        .encode(
            x=_score_axis("low:Q", "Score", spread, bin="binned"),
            x2="high:Q",
            y=y,
            color=color,
            tooltip=[
                alt.Tooltip("pairs:N", title="Pairs"),
                alt.Tooltip("low:Q", title="From", format=".3g"),
                alt.Tooltip("high:Q", title="To", format=".3g"),
                alt.Tooltip("count:Q", title="Count", format=","),
            ],
        )
    )
    names = pd.DataFrame({"pairs": list(_LABELS.values()), "row": [8, 26]})
    labels = (
        alt.Chart(names)
        .mark_text(align="left", dx=6, fontSize=12)
        .encode(x=alt.value("width"), y=alt.Y("row:Q", scale=None, title=None), text="pairs:N", color=color)
    )
    return Figure(_layered([bars, labels], HEIGHT), text)


_LABELS = {"positive": "held-out pairs", "negative": "unrelated pairs"}


def learning_chart(
    curves: pd.DataFrame, models: Sequence[str], measure: str, x: str, floor: float | None = None
) -> Figure | None:
    """Learning curves: ``measure`` (roc_auc, loss or learning_rate) over ``x`` (epoch, batch, examples or seconds).

    Diamonds mark the points at which the learning rate was raised again, a dashed line the ROC-AUC ``floor`` of
    popularity. None if ``measure`` was not measured.
    """
    steep = _is_steep(curves, x)
    frame = curves[curves[measure].notna() & ((curves[x] > 0) | (not steep))]
    if frame.empty:
        return None
    frame = with_titles(frame)
    title = {"roc_auc": "ROC-AUC on a sample", "loss": "Training loss", "learning_rate": "Learning rate"}[measure]
    last = {name: float(part[measure].iloc[-1]) for name, part in _by_series(frame)}
    ends = [
        f"{name} from {number_text.number(part[measure].iloc[0])} to {number_text.number(last[name])}"
        for name, part in _by_series(frame)
    ]
    text = f"{title} during training: {_some(ends, '; ')}."
    restarts = find_restarts(frame)
    if len(restarts):
        counts = restarts.groupby("series", sort=False).size()
        text += " Restarts of the learning rate, marked by diamonds: "
        text += _some([f"{name} {count}" for name, count in counts.items()]) + "."
    smallest, largest = float(frame[measure].min()), float(frame[measure].max())
    if floor is not None and measure == "roc_auc":
        smallest, largest = min(smallest, floor), max(largest, floor)
        text += f" {model_title(FLOOR).capitalize()} reaches {number_text.score(floor)} on all such pairs."
    margin = 0.05 * (largest - smallest) or 0.01
    domain = (smallest - margin, largest + margin)
    scale = alt.Scale(type="log", nice=False) if steep else alt.Scale()
    tens = [10.0**i for i in range(-2, 13) if 10.0**i <= frame[x].max()]
    x_axis = alt.Axis(format="~s", values=tens) if steep else alt.Axis(format="~s", tickMinStep=1, tickCount=5)
    axes = {
        "x": alt.X(f"{x}:Q", title=OVER[x], scale=scale, axis=x_axis),
        "y": alt.Y(
            f"{measure}:Q", title=title, scale=alt.Scale(domain=domain, zero=False), axis=alt.Axis(format=".3~g")
        ),
    }
    tooltip = [
        alt.Tooltip("series:N", title="Model"), alt.Tooltip("model:N", title="Name in settings"), "epoch", "batch",
        alt.Tooltip("examples:Q", format=","), alt.Tooltip("seconds:Q", format=".3g"),
        alt.Tooltip("learning_rate:Q", title="learning rate", format=".3g"),
        alt.Tooltip(f"{measure}:Q", title=title, format=".3g"),
    ]  # fmt: skip
    color = _color(models)
    lines = alt.Chart(frame).mark_line(point={"size": 14}, strokeWidth=2).encode(**axes, color=color, tooltip=tooltip)
    diamonds = (
        alt.Chart(restarts)
        .mark_point(shape="diamond", size=80, filled=True, opacity=1)
        .encode(**axes, color=color, tooltip=tooltip)
    )
    layers = [lines, diamonds]
    named = frame[["model", "series"]]
    if floor is not None and measure == "roc_auc":
        rule = alt.Chart(pd.DataFrame({measure: [floor]})).mark_rule(strokeDash=[5, 4], color=_grey())
        layers.insert(0, rule.encode(y=axes["y"]))
        last[model_title(FLOOR)] = floor
        named = pd.concat([named, pd.DataFrame({"model": [FLOOR], "series": [model_title(FLOOR)]})])
    return Figure(_labelled(layers, named, models, last, domain, measure), text)


OVER = {"examples": "Examples", "batch": "Batches", "epoch": "Epochs", "seconds": "Seconds"}


def _is_steep(curves: pd.DataFrame, x: str) -> bool:
    """Whether some curves are over before the others have really begun, so that a linear axis would crush them."""
    if curves.empty or x == "epoch":
        return False
    lengths = curves.groupby("model")[x].max()
    return bool(lengths.min() < 0.2 * lengths.max())


def cost_chart(rows: pd.DataFrame, models: Sequence[str], metric: str, protocol: str) -> Figure | None:
    """A metric of every model over its training time; columns model, seconds and value."""
    frame = rows.dropna(subset=["seconds", "value"])
    if frame.empty:
        return None
    frame = with_titles(frame.assign(seconds=frame["seconds"].clip(lower=0.01)))
    title = metric_title(metric, protocol)
    best = frame.iloc[int(frame["value"].argmax())]
    text = (
        f"{title} of {len(frame)} models over their training time: {best['series']} is best with "
        f"{number(best['value'], metric, protocol)} after {number_text.seconds(best['seconds'])}."
    )
    low, high = frame["seconds"].min(), frame["seconds"].max()
    tens = [10.0**i for i in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)]
    axis = _axis(metric, protocol)
    chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            x=alt.X(
                "seconds:Q",
                title="Training time in seconds",
                scale=alt.Scale(type="log", domain=[tens[0] / 1.5, tens[-1] if len(tens) > 1 else tens[0] * 10]),
                axis=alt.Axis(values=tens, format="~g"),
            ),
            y=alt.Y("value:Q", title=title, scale=_PADDED, axis=axis),
            color=_color(models),
            tooltip=[
                alt.Tooltip("series:N", title="Model"), alt.Tooltip("model:N", title="Name in settings"),
                alt.Tooltip("seconds:Q", format=".3g"), alt.Tooltip("value:Q", title=title, format=".3g"),
            ],
        )
    )  # fmt: skip
    names = chart.mark_text(align="left", baseline="bottom", dx=7, dy=-2, limit=200).transform_filter(
        alt.FieldOneOfPredicate("model", _apart(frame))
    )
    standings = [Standing(model, "", float(value)) for model, value in zip(frame["model"], frame["value"], strict=True)]
    layers = [*_floor_line(standings, "y", title, axis, _PADDED), chart, names.encode(text="series:N")]
    return Figure(_layered(layers, HEIGHT), text)


def _apart(frame: pd.DataFrame) -> list[str]:
    """Models whose names fit beside their points without overlapping; columns model, seconds and value."""
    span = max(float(frame["value"].max() - frame["value"].min()), 1e-9)
    names: list[str] = []
    kept = np.empty((0, 2))
    ordered = frame.sort_values("value", ascending=False)
    points = np.stack(
        [np.log10(ordered["seconds"].to_numpy()) / 1.5, ordered["value"].to_numpy() / span / 0.05], axis=1
    )
    for name, point in zip(ordered["model"], points, strict=True):
        if (np.abs(kept - point) > 1).any(axis=1).all():
            kept = np.vstack([kept, point])
            names.append(str(name))
    return names


def category_chart(rows: pd.DataFrame, protocol: str, metric: str) -> Figure | None:
    """One metric of every model in every category; columns category, model, value, low and high.

    Popularity is a tick in the category's colour, so that each point can be compared with that of its category.
    """
    frame = rows.dropna(subset=["value"])
    if frame.empty:
        return None
    frame = with_titles(frame.drop(columns="scoring", errors="ignore"))
    title = metric_title(metric, protocol)
    order = frame.groupby("series")["value"].mean().sort_values(ascending=False).index.tolist()
    leaders = frame.sort_values("value", ascending=False).drop_duplicates("category")
    best = [f"{row.series} in {row.category}" for row in leaders.itertuples()]
    categories = list(dict.fromkeys(frame["category"]))
    where = "1 category" if len(categories) == 1 else f"{len(categories)} categories"
    text = f"{title} of {len(order)} models in {where}. Best: {', '.join(best)}."
    color = alt.Color(
        "category:N", sort=categories, legend=alt.Legend(title=None, orient="top", labelLimit=0, columns=2)
    )
    axis = alt.Axis(format=_axis(metric, protocol).format, tickCount=8)
    x = alt.X("value:Q", title=title, scale=_PADDED, axis=axis)
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, size=80, opacity=0.9)
        .encode(
            x=x,
            y=alt.Y("series:N", sort=order, title=None, axis=_NAMES),
            color=color,
            shape=alt.Shape("category:N", sort=categories, legend=None),
            tooltip=[
                alt.Tooltip("category:N", title="Category"), alt.Tooltip("series:N", title="Model"),
                *(alt.Tooltip(f"{c}:Q", format=".3g") for c in ("value", "low", "high")),
            ],
        )
    )  # fmt: skip
    floor = frame[frame["model"] == FLOOR]
    lines = alt.Chart(floor).mark_rule(strokeDash=[4, 4], opacity=0.8).encode(x=x, color=color)
    return Figure(_layered([lines, points], _ROW * len(order) + _AXIS), text)


def is_share(metric: str, protocol: str) -> bool:
    """Whether a metric is a share, which is written in percent."""
    known = metrics.definition(metric, protocol)
    return known is not None and known.share


def number(value: float | None, metric: str, protocol: str) -> str:
    """A metric's value as the page writes it."""
    return number_text.percent(value, 1) if is_share(metric, protocol) else number_text.score(value)


def writer(metric: str, protocol: str) -> Callable[[Any], str]:
    """:func:`number` for one metric."""
    return lambda value: number(value, metric, protocol)


def over_title(name: str) -> str:
    """What people call a measure of how long a training has lasted."""
    return OVER[name]


def _axis(metric: str, protocol: str) -> alt.Axis:
    return alt.Axis(format="~%") if is_share(metric, protocol) else alt.Axis(format=".3~g")


def _score_axis(name: str, title: str, scores: np.ndarray, **more: Any) -> alt.X:
    """A linear axis for cosines; for unbounded scores (products of degrees) one that is logarithmic away from 0."""
    positive = scores[scores > 0]
    if not len(positive) or positive.max() <= _LARGEST_COSINES or positive.max() <= _SKEWED * np.median(positive):
        return alt.X(name, title=title, scale=alt.Scale(zero=False, nice=False), **more)
    low = float(np.percentile(positive, 10))
    tens = [10.0**i for i in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(positive.max()))))]
    scale = alt.Scale(type="symlog", constant=low, nice=False)
    return alt.X(name, title=title, scale=scale, axis=alt.Axis(values=[0, *tens], format=",.2~r"), **more)


def _color(models: Sequence[str]) -> Any:
    """Colours by model: every model keeps its colour, whichever models are shown; popularity is grey."""
    color = alt.Color("model:N", scale=alt.Scale(domain=list(models)), legend=None)
    return alt.condition(f"datum.model === '{FLOOR}'", alt.value(_grey()), color)


def _by_series(named: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), part) for name, part in named.groupby("series", sort=False)]


def _grey() -> str:
    return _GREYS["dark" if st.context.theme.type == "dark" else "light"]


def _some(parts: list[str], between: str = ", ") -> str:
    """The first three parts, and how many more there are."""
    more = [f"{len(parts) - 3} more"] if len(parts) > 3 else []
    return between.join([*parts[:3], *more])


def _counted(named: pd.DataFrame) -> str:
    count = named["series"].nunique()
    return "one model" if count == 1 else f"{count} models"


def _best_recall(named: pd.DataFrame, rate: float) -> str:
    recalls = [
        (float(np.interp(rate, part["false_positive_rate"], part["recall"])), name) for name, part in _by_series(named)
    ]
    recall, name = max(recalls)
    share, most = number_text.percent(rate), number_text.percent(recall, 1)
    return f"At a false positive rate of {share}, {name} finds the most: {most} of the held-out pairs."


def _best_f1(named: pd.DataFrame) -> str:
    best = [(float(part["f1"].max()), name) for name, part in _by_series(named)]
    f1, name = max(best)
    return f"The largest F1, {f1:.3f}, belongs to {name}."


def _median(histogram: pd.DataFrame) -> float:
    """Middle of the bin that holds the median; NaN without pairs."""
    ordered = histogram.sort_values("low")
    total = ordered["count"].sum()
    if not total:
        return float("nan")
    row = ordered.iloc[int(np.searchsorted(ordered["count"].cumsum(), total / 2))]
    return float(row["low"] + row["high"]) / 2
