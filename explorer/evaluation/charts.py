"""Charts of the evaluation page, each with a description for people who cannot see it."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.evaluation import metrics
from explorer.evaluation.curve_marks import find_cliff, find_restarts
from explorer.shared.figure import Figure

_HEIGHT = 380
_TALL = 440
_LARGEST_COSINES = 2.0  # center_context scores are the sum of two cosines
_PADDED = alt.Scale(zero=False, padding=20)


def interval_chart(long: pa.Table, protocol: str, subset: str, metric: str) -> Figure | None:
    """One metric of all models as points with 95 % intervals; None if nothing was measured."""
    rows = pc.and_(pc.equal(long["protocol"], protocol), pc.equal(long["subset"], subset))
    frame = long.filter(pc.and_(rows, pc.equal(long["metric"], metric))).to_pandas().dropna(subset=["value"])
    if frame.empty:
        return None
    frame["series"] = frame["model"] + " · " + frame["scoring"]
    frame = frame.sort_values("value", ascending=False)
    title = metrics.title(metric)
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
        f"{title} of {len(frame)} models and scorings with 95 % intervals: {best['series']} is best with "
        f"{best['value']:.3f}, {last['series']} is last with {last['value']:.3f}."
    )
    return Figure((bar + dot).properties(height=40 + 30 * len(frame)), text)


def roc_chart(curves: pd.DataFrame, models: Sequence[str]) -> Figure:
    """ROC curves, recall over false positive rate; ``curves`` has the columns of ``core.evaluation.CURVES``."""
    text = f"ROC curves of {_series(curves)}. {_best_recall(curves, 0.1)}"
    diagonal = (
        alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]}))
        .mark_line(strokeDash=[2, 4], color="gray", opacity=0.6)
        .encode(x="x:Q", y="y:Q")
    )
    lines = _curve(curves, models, "false_positive_rate", "recall", "False positive rate", "Recall")
    return Figure((diagonal + lines).properties(height=_TALL), text)


def precision_recall_chart(curves: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Precision over recall."""
    text = f"Precision-recall curves of {_series(curves)}. {_best_f1(curves)}"
    lines = _curve(curves, models, "recall", "precision", "Recall", "Precision")
    return Figure(lines.properties(height=_TALL), text)


def _curve(curves: pd.DataFrame, models: Sequence[str], x: str, y: str, x_title: str, y_title: str) -> alt.Chart:
    frame = curves.assign(position=np.arange(len(curves)))
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=alt.X(f"{x}:Q", title=x_title, scale=alt.Scale(domain=[0, 1])),
            y=alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(domain=[0, 1])),
            color=_color(models, curves),
            strokeDash=alt.StrokeDash("scoring:N", legend=alt.Legend(title=None, orient="top")),
            order="position:Q",  # rows are in the order of the curve; sorting by x would break up vertical segments
            tooltip=["model", "scoring", *(alt.Tooltip(f"{c}:Q", format=".3f") for c in ("threshold", x, y))],
        )
    )


def threshold_chart(curve: pd.DataFrame) -> Figure:
    """Precision, recall and F1 of one model by threshold; the best F1 and the cliff, if there is one, are marked."""
    frame = curve.dropna(subset=["threshold"])
    best = frame.iloc[int(np.argmax(frame["f1"].to_numpy()))]
    text = (
        f"Precision, recall and F1 by threshold: F1 is largest, {best['f1']:.3f}, at {best['threshold']:.3g}, where "
        f"precision is {best['precision']:.3f} and recall {best['recall']:.3f}."
    )
    marks = [{"threshold": best["threshold"], "what": "best F1"}]
    cliff = find_cliff(curve)
    if cliff is not None:
        marks.append({"threshold": cliff.threshold, "what": "cliff"})
        text += (
            f" The cliff is at {cliff.threshold:.3g}: {cliff.positives:.0%} of the positive and {cliff.negatives:.0%} "
            f"of the negative pairs have this same score, so precision falls from {cliff.before:.3f} to "
            f"{cliff.after:.3f} at once."
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
    marked = alt.Chart(pd.DataFrame(marks))
    rules = marked.mark_rule(color="gray").encode(
        x="threshold:Q",
        strokeDash=alt.StrokeDash(
            "what:N",
            scale=alt.Scale(domain=["best F1", "cliff"], range=[[4, 4], [1, 0]]),
            legend=alt.Legend(title=None, orient="bottom"),
        ),
        tooltip=[alt.Tooltip("what:N", title="Mark"), alt.Tooltip("threshold:Q", format=".3g")],
    )
    return Figure((lines + rules).properties(height=_HEIGHT), text)


def score_chart(scores: pd.DataFrame) -> Figure:
    """Histogram of the scores of positive and negative pairs of one model; columns low, high, label and count."""
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


def learning_chart(curves: pd.DataFrame, models: Sequence[str], measure: str, x: str) -> Figure | None:
    """Learning curves: ``measure`` (roc_auc, loss or learning_rate) over ``x`` (epoch, batch, examples or seconds).

    Diamonds mark the points at which the learning rate was raised again. None if ``measure`` was not measured.
    """
    frame = curves.dropna(subset=[measure])
    if frame.empty:
        return None
    title = {"roc_auc": "ROC-AUC on a sample", "loss": "Training loss", "learning_rate": "Learning rate"}[measure]
    ends = [
        f"{model} from {part[measure].iloc[0]:.3g} to {part[measure].iloc[-1]:.3g}"
        for model, part in frame.groupby("model", sort=False)
    ]
    text = f"{title} during training: {'; '.join(ends)}."
    restarts = find_restarts(frame)
    if len(restarts):
        counts = restarts.groupby("model", sort=False).size()
        text += " Restarts of the learning rate, marked by diamonds: "
        text += ", ".join(f"{model} {count}" for model, count in counts.items()) + "."
    color = _color(models, frame)
    tooltip = [
        "model", "epoch", "batch", alt.Tooltip("examples:Q", format=","), alt.Tooltip("seconds:Q", format=".1f"),
        alt.Tooltip("learning_rate:Q", format=".3g"), alt.Tooltip(f"{measure}:Q", format=".4f"),
    ]  # fmt: skip
    axes = {
        "x": alt.X(f"{x}:Q", title=x.capitalize(), axis=alt.Axis(format="~s", tickMinStep=1, tickCount=6)),
        "y": alt.Y(f"{measure}:Q", title=title, scale=alt.Scale(zero=False)),
    }
    lines = alt.Chart(frame).mark_line(point={"size": 14}, strokeWidth=2).encode(**axes, color=color, tooltip=tooltip)
    diamonds = (
        alt.Chart(restarts)
        .mark_point(shape="diamond", size=80, filled=True, opacity=1)
        .encode(**axes, color=color, tooltip=tooltip)
    )
    return Figure((lines + diamonds).properties(height=_HEIGHT), text)


def cost_chart(rows: pd.DataFrame, models: Sequence[str], metric: str) -> Figure | None:
    """A metric of every model over its training time; columns model, seconds and value."""
    frame = rows.dropna(subset=["seconds", "value"])
    if frame.empty:
        return None
    frame = frame.assign(seconds=frame["seconds"].clip(lower=0.01))
    title = metrics.title(metric)
    best = frame.iloc[int(frame["value"].argmax())]
    text = (
        f"{title} of {len(frame)} models over their training time: {best['model']} is best with {best['value']:.3f} "
        f"after {best['seconds']:.3g} seconds."
    )
    low, high = frame["seconds"].min(), frame["seconds"].max()
    tens = [10.0**i for i in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)]
    chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            x=alt.X(
                "seconds:Q",
                title="Training time (s)",
                scale=alt.Scale(type="log", domain=[tens[0], tens[-1] if len(tens) > 1 else tens[0] * 10]),
                axis=alt.Axis(values=tens, format="~g"),
            ),
            y=alt.Y("value:Q", title=title, scale=_PADDED),
            color=alt.Color("model:N", scale=alt.Scale(domain=list(models)), legend=None),
            tooltip=["model", alt.Tooltip("seconds:Q", format=".3g"), alt.Tooltip("value:Q", format=".4f")],
        )
    )
    names = chart.mark_text(align="left", dx=9, limit=200).transform_filter(
        alt.FieldOneOfPredicate("model", _apart(frame))
    )
    return Figure((chart + names.encode(text="model:N")).properties(height=_HEIGHT), text)


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


def category_chart(rows: pd.DataFrame, metric: str) -> Figure | None:
    """One metric of every model in every category; columns category, series, value, low and high."""
    frame = rows.dropna(subset=["value"])
    if frame.empty:
        return None
    title = metrics.title(metric)
    order = frame.groupby("series")["value"].mean().sort_values(ascending=False).index.tolist()
    leaders = frame.sort_values("value", ascending=False).drop_duplicates("category")
    best = [f"{row.series} in {row.category}" for row in leaders.itertuples()]
    text = (
        f"{title} of {len(order)} models and scorings in {frame['category'].nunique()} categories. Best: "
        f"{', '.join(best)}."
    )
    chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=80, opacity=0.9)
        .encode(
            x=alt.X("value:Q", title=title, scale=_PADDED),
            y=alt.Y("series:N", sort=order, title=None, axis=alt.Axis(labelLimit=260)),
            color=alt.Color("category:N", legend=alt.Legend(title=None, orient="top")),
            shape=alt.Shape("category:N", legend=None),
            tooltip=["category", "series", *(alt.Tooltip(f"{c}:Q", format=".4f") for c in ("value", "low", "high"))],
        )
        .properties(height=60 + 24 * len(order))
    )
    return Figure(chart, text)


def _score_axis(name: str, title: str, scores: np.ndarray, **more: Any) -> alt.X:
    """A linear axis for cosines; for unbounded scores (products of degrees) one that is logarithmic away from 0."""
    positive = scores[scores > 0]
    if not len(positive) or positive.max() <= _LARGEST_COSINES or positive.max() <= 20 * np.median(positive):
        return alt.X(name, title=title, scale=alt.Scale(zero=False, nice=False), **more)
    low = float(np.percentile(positive, 10))
    tens = [10.0**i for i in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(positive.max()))))]
    scale = alt.Scale(type="symlog", constant=low, nice=False)
    return alt.X(name, title=title, scale=scale, axis=alt.Axis(values=[0, *tens], format=",.2~r"), **more)


def _color(models: Sequence[str], shown: pd.DataFrame) -> alt.Color:
    """Colours by model: every model keeps its colour, whichever models are shown."""
    present = [model for model in models if model in set(shown["model"])]
    return alt.Color(
        "model:N",
        scale=alt.Scale(domain=list(models)),
        legend=alt.Legend(title=None, orient="bottom", columns=2, values=present, labelLimit=150),
    )


def _series(curves: pd.DataFrame) -> str:
    count = len(curves.groupby(["model", "scoring"]))
    return "one model" if count == 1 else f"{count} models and scorings"


def _best_recall(curves: pd.DataFrame, rate: float) -> str:
    recalls = [
        (float(np.interp(rate, part["false_positive_rate"], part["recall"])), f"{model} ({scoring})")
        for (model, scoring), part in curves.groupby(["model", "scoring"], sort=False)
    ]
    recall, name = max(recalls)
    return f"At a false positive rate of {rate:.0%}, {name} finds the most: {recall:.1%} of the related pairs."


def _best_f1(curves: pd.DataFrame) -> str:
    best = [
        (float(part["f1"].max()), f"{model} ({scoring})")
        for (model, scoring), part in curves.groupby(["model", "scoring"], sort=False)
    ]
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
