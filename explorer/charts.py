"""The charts, each with a text that says the same to those who cannot see it.

Belongs here: Altair specifications and their descriptions. Does not belong here: loading, and colours: those come
from the theme, which has a light and a dark palette.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from explorer.display import METRIC_TITLES

_HEIGHT = 380
_LARGEST_COSINES = 2.0  # of center_context scores, which are the sum of two
_PADDED = alt.Scale(zero=False, padding=20)


@dataclass(frozen=True)
class Figure:
    """A chart and its description."""

    chart: alt.Chart | alt.LayerChart
    text: str


def intervals(long: pa.Table, protocol: str, subset: str, metric: str) -> Figure | None:
    """One metric of all models as dots with 95 % intervals; None if nothing was measured."""
    wanted = pc.and_(pc.equal(long["protocol"], protocol), pc.equal(long["subset"], subset))
    frame = long.filter(pc.and_(wanted, pc.equal(long["metric"], metric))).to_pandas().dropna(subset=["value"])
    if frame.empty:
        return None
    frame["series"] = frame["model"] + " · " + frame["scoring"]
    frame = frame.sort_values("value", ascending=False)
    title = METRIC_TITLES.get(metric, metric)
    y = alt.Y("series:N", sort=frame["series"].tolist(), title=None, axis=alt.Axis(labelLimit=260))
    tooltip = [
        alt.Tooltip("series:N", title="Model"),
        *(alt.Tooltip(f"{name}:Q", format=".4f") for name in ("value", "low", "high")),
    ]
    base = alt.Chart(frame)
    bar = base.mark_rule(strokeWidth=3, color="gray", opacity=0.6).encode(
        x=alt.X("low:Q", title=title, scale=_PADDED), x2="high:Q", y=y, tooltip=tooltip
    )
    dot = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("value:Q", title=title, scale=_PADDED), y=y, tooltip=tooltip
    )
    best, last = frame.iloc[0], frame.iloc[-1]
    text = (
        f"{title} of {len(frame)} models with 95 % intervals: best {best['series']} with {best['value']:.3f}, "
        f"last {last['series']} with {last['value']:.3f}."
    )
    return Figure((bar + dot).properties(height=40 + 30 * len(frame)), text)


def roc(curves: pd.DataFrame, models: Sequence[str]) -> Figure:
    """ROC curves: recall over false positive rate; ``curves`` has the columns of ``core.evaluation.CURVES``."""
    text = f"ROC curves of {_series(curves)}. {_best_recall(curves, 0.1)}"
    diagonal = (
        alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]}))
        .mark_line(strokeDash=[2, 4], color="gray", opacity=0.6)
        .encode(x="x:Q", y="y:Q")
    )
    lines = _curve(curves, models, "false_positive_rate", "recall", "False positive rate", "Recall")
    return Figure((diagonal + lines).properties(height=_HEIGHT), text)


def precision_recall(curves: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Precision over recall."""
    text = f"Precision-recall curves of {_series(curves)}. {_best_f1(curves)}"
    lines = _curve(curves, models, "recall", "precision", "Recall", "Precision")
    return Figure(lines.properties(height=_HEIGHT), text)


def _curve(curves: pd.DataFrame, models: Sequence[str], x: str, y: str, x_title: str, y_title: str) -> alt.Chart:
    frame = curves.assign(place=np.arange(len(curves)))
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(domain=[0, 1])),
            y=alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(domain=[0, 1])),
            color=_color(models, curves),
            strokeDash=alt.StrokeDash("scoring:N", legend=alt.Legend(title=None, orient="top")),
            order="place:Q",  # the rows' order is the curve's; sorting by x would tear vertical stretches apart
            tooltip=["model", "scoring", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("threshold", x, y))],
        )
    )


def by_threshold(curve: pd.DataFrame) -> Figure:
    """Precision, recall and F1 of one model by threshold."""
    frame = curve.dropna(subset=["threshold"])
    best = frame.iloc[int(np.argmax(frame["f1"].to_numpy()))]
    text = (
        f"Precision, recall and F1 by threshold: F1 is largest, {best['f1']:.3f}, at {best['threshold']:.3g}, where "
        f"precision is {best['precision']:.3f} and recall {best['recall']:.3f}."
    )
    long = frame.melt("threshold", ["precision", "recall", "f1"], "measure", "value")
    lines = (
        alt.Chart(long)
        .mark_line(strokeWidth=2)
        .encode(
            x=_score_axis(
                "threshold:Q", "Score at or above which a pair is called related", frame["threshold"].to_numpy()
            ),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(
                "measure:N", sort=["precision", "recall", "f1"], legend=alt.Legend(title=None, orient="bottom")
            ),
            tooltip=["measure", alt.Tooltip("threshold:Q", format=".3f"), alt.Tooltip("value:Q", format=".3f")],
        )
    )
    mark = (
        alt.Chart(pd.DataFrame({"threshold": [best["threshold"]]}))
        .mark_rule(strokeDash=[4, 4], color="gray")
        .encode(x="threshold:Q")
    )
    return Figure((lines + mark).properties(height=_HEIGHT), text)


def score_histogram(scores: pd.DataFrame) -> Figure:
    """Scores of positive and negative pairs of one model; columns low, high, label, count."""
    total = scores.groupby("label")["count"].sum()
    middle = {label: _median(scores[scores["label"] == label]) for label in ("positive", "negative")}
    text = (
        f"Scores of {total.get('positive', 0):,} positive and {total.get('negative', 0):,} negative pairs: the median "
        f"positive scores about {middle['positive']:.3g}, the median negative about {middle['negative']:.3g}."
    )
    frame = scores.assign(share=scores["count"] / scores["label"].map(total).clip(lower=1))
    chart = (
        alt.Chart(frame)
        .mark_bar(opacity=0.6, binSpacing=0)
        .encode(
            x=_score_axis("low:Q", "Score", scores["high"].to_numpy(), bin="binned"),
            x2="high:Q",
            y=alt.Y("share:Q", title="Share of the pairs", stack=None, axis=alt.Axis(format="%")),
            color=alt.Color("label:N", sort=["positive", "negative"], legend=alt.Legend(title=None, orient="bottom")),
            tooltip=[
                alt.Tooltip("label:N", title="Pairs"),
                alt.Tooltip("low:Q", title="From", format=".3g"),
                alt.Tooltip("high:Q", title="To", format=".3g"),
                alt.Tooltip("count:Q", title="Count", format=","),
            ],
        )
        .properties(height=_HEIGHT)
    )
    return Figure(chart, text)


def learning(curves: pd.DataFrame, models: Sequence[str], measure: str, x: str) -> Figure | None:
    """A learning curve: ``measure`` (roc_auc or loss) over ``x`` (epoch, batch, examples or seconds)."""
    frame = curves.dropna(subset=[measure])
    if frame.empty:
        return None
    title = {"roc_auc": "ROC-AUC on a sample", "loss": "Training loss"}[measure]
    ends = [
        f"{model} from {part[measure].iloc[0]:.3f} to {part[measure].iloc[-1]:.3f}"
        for model, part in frame.groupby("model", sort=False)
    ]
    text = f"{title} during training: {'; '.join(ends)}."
    chart = (
        alt.Chart(frame)
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X(f"{x}:Q", title=x.capitalize(), axis=alt.Axis(format="~s", tickMinStep=1, tickCount=6)),
            y=alt.Y(f"{measure}:Q", title=title, scale=alt.Scale(zero=False)),
            color=_color(models, frame),
            tooltip=[
                "model", "epoch", "batch", alt.Tooltip("examples:Q", format=","),
                alt.Tooltip("seconds:Q", format=".1f"), alt.Tooltip(f"{measure}:Q", format=".4f"),
            ],
        )
        .properties(height=_HEIGHT)
    )  # fmt: skip
    return Figure(chart, text)


def groups(names: Sequence[str], sizes: Sequence[int], colours: Sequence[str]) -> Figure:
    """Points of a map by group, in the colours of the map: its legend."""
    frame = pd.DataFrame({"group": names, "products": sizes})
    frame = frame[frame["products"] > 0]
    largest = frame.iloc[frame["products"].argmax()] if len(frame) else None
    text = "No products." if largest is None else (
        f"{frame['products'].sum():,} products in {len(frame)} groups; the largest is {largest['group']} with "
        f"{largest['products']:,}."
    )  # fmt: skip
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            y=alt.Y("group:N", sort=list(names), title=None, axis=alt.Axis(labelLimit=150)),
            x=alt.X("products:Q", title="Products", axis=alt.Axis(format="~s", tickCount=4)),
            color=alt.Color("group:N", scale=alt.Scale(domain=list(names), range=list(colours)), legend=None),
            tooltip=["group", alt.Tooltip("products:Q", format=",")],
        )
        .properties(height=50 + 24 * len(frame))
    )
    return Figure(chart, text)


def degrees(degree: np.ndarray) -> Figure:
    """Products by number of training pairs, in bins that double in width; products without a pair are a bin."""
    edges = [0, 1]
    while edges[-1] <= degree.max(initial=0):
        edges.append(edges[-1] * 2)
    counts = np.histogram(degree, [*edges])[0]
    labels = [str(a) if b - a == 1 else f"{a:,}–{b - 1:,}" for a, b in itertools.pairwise(edges)]
    frame = pd.DataFrame({"pairs": labels, "products": counts})
    some = degree[degree > 0]
    text = (
        f"{len(degree):,} products: {int((degree == 0).sum()):,} have no training pair; those that have one have "
        f"{np.median(some) if len(some) else 0:.0f} in the median and {int(degree.max(initial=0)):,} at most."
    )
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("pairs:N", sort=labels, title="Training pairs of a product", axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("products:Q", title="Products", axis=alt.Axis(format="~s")),
            tooltip=["pairs", alt.Tooltip("products:Q", format=",")],
        )
        .properties(height=_HEIGHT)
    )
    return Figure(chart, text)


def coverage(rows: pd.DataFrame) -> Figure:
    """Share of products with each piece of metadata; columns field, products, share."""
    text = "Metadata coverage: " + ", ".join(f"{r.field} {r.share:.0%}" for r in rows.itertuples()) + "."
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            y=alt.Y("field:N", sort=rows["field"].tolist(), title=None),
            x=alt.X(
                "share:Q", title="Products that have it", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])
            ),
            tooltip=["field", alt.Tooltip("products:Q", format=","), alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(height=_HEIGHT)
    )
    return Figure(chart, text)


def _score_axis(name: str, title: str, scores: np.ndarray, **more: Any) -> alt.X:
    """Linear for cosines; logarithmic away from 0 for scores without a bound, such as products of degrees."""
    positive = scores[scores > 0]
    if not len(positive) or positive.max() <= _LARGEST_COSINES or positive.max() <= 20 * np.median(positive):
        return alt.X(name, title=title, scale=alt.Scale(zero=False, nice=False), **more)
    low = float(np.percentile(positive, 10))
    tens = [10.0**i for i in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(positive.max()))))]
    scale = alt.Scale(type="symlog", constant=low, nice=False)
    return alt.X(name, title=title, scale=scale, axis=alt.Axis(values=[0, *tens], format=",.2~r"), **more)


def _color(models: Sequence[str], shown: pd.DataFrame) -> alt.Color:
    """Every model keeps its colour, whichever of them are shown."""
    present = [model for model in models if model in set(shown["model"])]
    return alt.Color(
        "model:N",
        scale=alt.Scale(domain=list(models)),
        legend=alt.Legend(title=None, orient="bottom", columns=3, values=present, labelLimit=200),
    )


def _series(curves: pd.DataFrame) -> str:
    count = len(curves.groupby(["model", "scoring"]))
    return "one model" if count == 1 else f"{count} models and scorings"


def _best_recall(curves: pd.DataFrame, rate: float) -> str:
    found = [
        (float(np.interp(rate, part["false_positive_rate"], part["recall"])), f"{model} ({scoring})")
        for (model, scoring), part in curves.groupby(["model", "scoring"], sort=False)
    ]
    recall, name = max(found)
    return f"At a false positive rate of {rate:.0%}, {name} finds the most: {recall:.1%} of the related pairs."


def _best_f1(curves: pd.DataFrame) -> str:
    found = [
        (float(part["f1"].max()), f"{model} ({scoring})")
        for (model, scoring), part in curves.groupby(["model", "scoring"], sort=False)
    ]
    f1, name = max(found)
    return f"The largest F1, {f1:.3f}, belongs to {name}."


def _median(histogram: pd.DataFrame) -> float:
    """Middle of the bin that holds the median; NaN without pairs."""
    ordered = histogram.sort_values("low")
    total = ordered["count"].sum()
    if not total:
        return float("nan")
    row = ordered.iloc[int(np.searchsorted(ordered["count"].cumsum(), total / 2))]
    return float(row["low"] + row["high"]) / 2
