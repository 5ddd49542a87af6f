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
_TALL = 440
_LARGEST_COSINES = 2.0  # of center_context scores, which are the sum of two
_CLIFF = 0.05
"""Share of the pairs that has to be gained at one threshold to speak of a cliff."""
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
        f"{title} of {len(frame)} models and scorings with 95 % intervals: best {best['series']} with "
        f"{best['value']:.3f}, last {last['series']} with {last['value']:.3f}."
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
    return Figure((diagonal + lines).properties(height=_TALL), text)


def precision_recall(curves: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Precision over recall."""
    text = f"Precision-recall curves of {_series(curves)}. {_best_f1(curves)}"
    lines = _curve(curves, models, "recall", "precision", "Recall", "Precision")
    return Figure(lines.properties(height=_TALL), text)


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
    """Precision, recall and F1 of one model by threshold, with the best F1 and the cliff, if there is one, marked."""
    frame = curve.dropna(subset=["threshold"])
    best = frame.iloc[int(np.argmax(frame["f1"].to_numpy()))]
    text = (
        f"Precision, recall and F1 by threshold: F1 is largest, {best['f1']:.3f}, at {best['threshold']:.3g}, where "
        f"precision is {best['precision']:.3f} and recall {best['recall']:.3f}."
    )
    marks = [{"threshold": best["threshold"], "what": "best F1"}]
    fall = cliff(curve)
    if fall is not None:
        marks.append({"threshold": fall.threshold, "what": "cliff"})
        text += (
            f" The cliff is at {fall.threshold:.3g}: {fall.positives:.0%} of the positive and {fall.negatives:.0%} of "
            f"the negative pairs have this one score, so precision falls from {fall.before:.3f} to {fall.after:.3f} at "
            "once."
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


@dataclass(frozen=True)
class Cliff:
    """A threshold at which many pairs are gained at once.

    Attributes:
        threshold: the score that they share.
        positives, negatives: share of the positive and of the negative pairs gained there.
        before, after: precision just above it and at it.
    """

    threshold: float
    positives: float
    negatives: float
    before: float
    after: float


def cliff(curve: pd.DataFrame) -> Cliff | None:
    """The widest step of a curve, or None if no step gains a twentieth of all pairs.

    Curves have a point for every 1 % or less of the pairs, unless pairs share a score: those a model cannot place.
    """
    if len(curve) < 2:
        return None
    steps = curve[["recall", "false_positive_rate"]].diff()
    width = steps.sum(axis="columns").to_numpy()
    place = int(np.argmax(width))
    row, above = curve.iloc[place], curve.iloc[place - 1]
    if width[place] < 2 * _CLIFF or not np.isfinite(row["threshold"]):
        return None
    gained = steps.iloc[place]
    return Cliff(
        float(row["threshold"]),
        float(gained["recall"]),
        float(gained["false_positive_rate"]),
        float(above["precision"]),
        float(row["precision"]),
    )


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
    """A learning curve: ``measure`` (roc_auc, loss or learning_rate) over ``x`` (epoch, batch, examples or seconds).

    Points at which the learning rate was raised again are marked by diamonds.
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
    again = restarts(frame)
    if len(again):
        counts = again.groupby("model", sort=False).size()
        text += " Restarts of the learning rate, marked by diamonds: "
        text += ", ".join(f"{model} {count}" for model, count in counts.items()) + "."
    color = _color(models, frame)
    tooltip = [
        "model", "epoch", "batch", alt.Tooltip("examples:Q", format=","), alt.Tooltip("seconds:Q", format=".1f"),
        alt.Tooltip("learning_rate:Q", format=".3g"), alt.Tooltip(f"{measure}:Q", format=".4f"),
    ]  # fmt: skip
    place = {
        "x": alt.X(f"{x}:Q", title=x.capitalize(), axis=alt.Axis(format="~s", tickMinStep=1, tickCount=6)),
        "y": alt.Y(f"{measure}:Q", title=title, scale=alt.Scale(zero=False)),
    }
    lines = alt.Chart(frame).mark_line(point={"size": 14}, strokeWidth=2).encode(**place, color=color, tooltip=tooltip)
    diamonds = (
        alt.Chart(again)
        .mark_point(shape="diamond", size=80, filled=True, opacity=1)
        .encode(**place, color=color, tooltip=tooltip)
    )
    return Figure((lines + diamonds).properties(height=_HEIGHT), text)


def restarts(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of learning curves at which the learning rate is higher than in the row before, by a hundredth."""
    before = curves.groupby("model", sort=False)["learning_rate"].shift()
    return curves[curves["learning_rate"] > before * 1.01]


def cost_and_quality(rows: pd.DataFrame, models: Sequence[str], metric: str) -> Figure | None:
    """What a model costs against what it is worth; columns model, seconds, value."""
    frame = rows.dropna(subset=["seconds", "value"])
    if frame.empty:
        return None
    frame = frame.assign(seconds=frame["seconds"].clip(lower=0.01))
    title = METRIC_TITLES.get(metric, metric)
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
    """Models whose names can stand beside their points without covering another name; columns model, seconds, value."""
    span = max(float(frame["value"].max() - frame["value"].min()), 1e-9)
    names: list[str] = []
    kept = np.empty((0, 2))
    ordered = frame.sort_values("value", ascending=False)
    places = np.stack(
        [np.log10(ordered["seconds"].to_numpy()) / 1.5, ordered["value"].to_numpy() / span / 0.05], axis=1
    )
    for name, place in zip(ordered["model"], places, strict=True):
        if (np.abs(kept - place) > 1).any(axis=1).all():
            kept = np.vstack([kept, place])
            names.append(str(name))
    return names


def across(rows: pd.DataFrame, metric: str) -> Figure | None:
    """One metric of every model in every category; columns category, series, value, low, high."""
    frame = rows.dropna(subset=["value"])
    if frame.empty:
        return None
    title = METRIC_TITLES.get(metric, metric)
    order = frame.groupby("series")["value"].mean().sort_values(ascending=False).index.tolist()
    leaders = frame.sort_values("value", ascending=False).drop_duplicates("category")
    best = [f"{row.series} in {row.category}" for row in leaders.itertuples()]
    text = (
        f"{title} of {len(order)} models and scorings in {frame['category'].nunique()} categories; best: "
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


def groups(names: Sequence[str], sizes: Sequence[int], colours: Sequence[str]) -> Figure:
    """Points of a map by group, in the colours of the map: its legend."""
    frame = pd.DataFrame({"group": names, "products": sizes})
    frame = frame[frame["products"] > 0]
    largest = frame.iloc[int(frame["products"].argmax())] if len(frame) else None
    text = "No products." if largest is None else (
        f"{frame['products'].sum():,} products in {len(frame)} groups; the largest is {largest['group']} with "
        f"{largest['products']:,}."
    )  # fmt: skip
    y = alt.Y("group:N", sort=list(names), title=None, axis=alt.Axis(labelLimit=150, domain=False, ticks=False))
    base = alt.Chart(frame).encode(y=y, tooltip=["group", alt.Tooltip("products:Q", format=",")])
    squares = base.mark_square(size=160, opacity=1).encode(
        x=alt.value(8),
        color=alt.Color("group:N", scale=alt.Scale(domain=list(names), range=list(colours)), legend=None),
    )
    counts = base.mark_text(align="left", color="gray").encode(x=alt.value(24), text=alt.Text("products:Q", format=","))
    return Figure((squares + counts).properties(height=24 * len(frame)), text)


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


def weights(edges: np.ndarray, counts: np.ndarray) -> Figure:
    """Pairs by weight; ``edges [n + 1]`` in doubling steps, ``counts [n]``."""
    labels = [f"{a:g}–{b:g}" for a, b in itertools.pairwise(edges.tolist())]
    frame = pd.DataFrame({"weight": labels, "pairs": counts})
    most = labels[int(np.argmax(counts))] if len(labels) else "–"
    text = f"{int(counts.sum()):,} training pairs by weight; most weigh {most}."
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("weight:N", sort=labels, title="Weight of a pair", axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("pairs:Q", title="Pairs", axis=alt.Axis(format="~s")),
            tooltip=["weight", alt.Tooltip("pairs:Q", format=",")],
        )
        .properties(height=_HEIGHT)
    )
    return Figure(chart, text)


def components(sizes: np.ndarray) -> Figure:
    """Connected components by size, descending ``sizes``; the largest apart, the rest in doubling bins."""
    rest = sizes[1:]
    bins = np.bincount(np.log2(rest).astype(int)) if len(rest) else np.empty(0, int)
    labels = ["2–3" if i == 1 else f"{2**i:,}–{2 ** (i + 1) - 1:,}" for i in range(len(bins))]
    frame = pd.DataFrame({"size": labels, "components": bins})
    frame = frame[frame["components"] > 0]
    total = int(sizes.sum())
    largest = int(sizes[0]) if len(sizes) else 0
    text = (
        f"{len(sizes):,} components of products that have a pair. The largest holds {largest:,} products, "
        f"{largest / max(total, 1):.1%} of them; the chart counts the others."
    )
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("size:N", sort=labels, title="Products in the component", axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("components:Q", title="Components"),
            tooltip=["size", alt.Tooltip("components:Q", format=",")],
        )
        .properties(height=_HEIGHT)
    )
    return Figure(chart, text)


def popularity_bias(rows: pd.DataFrame, models: Sequence[str]) -> Figure | None:
    """What share of each model's list entries falls on each tenth of the products; columns model, tenth, share."""
    if rows.empty:
        return None
    top = rows[rows["tenth"] == 10].sort_values("share", ascending=False)
    first, last = top.iloc[0], top.iloc[-1]
    text = (
        "Who is listed: the percentage of list entries that go to each tenth of the products, the least popular on "
        f"the left. The most popular tenth gets {first['share']:.0%} of {first['model']}'s entries and "
        f"{last['share']:.0%} of {last['model']}'s; without bias it would be 10%."
    )
    present = [name for name in models if name in set(rows["model"])]
    base = alt.Chart(rows).encode(
        x=alt.X("tenth:O", title="Products by popularity, in tenths", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("model:N", sort=present, title=None, axis=alt.Axis(labelLimit=220)),
        tooltip=["model", "tenth", alt.Tooltip("share:Q", format=".1%")],
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "share:Q",
            scale=alt.Scale(type="sqrt", scheme="teals", domain=[0, 1]),
            legend=None,
        )
    )
    dark_cell = alt.condition("datum.share > 0.35", alt.value("white"), alt.value("#16242b"))
    numbers = (
        base.transform_calculate(percent="round(100 * datum.share)")
        .mark_text(fontSize=10)
        .encode(text="percent:Q", color=dark_cell)
    )
    return Figure((cells + numbers).properties(height=60 + 26 * len(present)), text)


def agreement(overlap: np.ndarray, k: int, a: str, b: str) -> Figure:
    """Products by how many of their first ``k`` neighbours two models share; ``overlap`` int ``[s]``."""
    counts = np.bincount(overlap, minlength=k + 1)
    frame = pd.DataFrame({"shared": np.arange(k + 1), "products": counts})
    text = (
        f"{a} and {b} share {overlap.mean() if len(overlap) else 0:.1f} of a product's first {k} neighbours on "
        f"average; {counts[0]:,} of {len(overlap):,} products share none."
    )
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("shared:O", title=f"Neighbours shared among the first {k}", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("products:Q", title="Products", axis=alt.Axis(format="~s")),
            tooltip=["shared", alt.Tooltip("products:Q", format=",")],
        )
        .properties(height=260)
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
        legend=alt.Legend(title=None, orient="bottom", columns=2, values=present, labelLimit=150),
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
