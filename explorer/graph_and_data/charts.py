"""Charts of the graph, the metadata and the models' lists, each with its description."""

import itertools
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from explorer.shared.figure import Figure

_HEIGHT = 380


def degree_chart(degree: np.ndarray) -> Figure:
    """Products by number of training pairs, in bins of doubling width; those without a pair have their own bin."""
    edges = [0, 1]
    while edges[-1] <= degree.max(initial=0):
        edges.append(edges[-1] * 2)
    counts = np.histogram(degree, [*edges])[0]
    labels = [str(a) if b - a == 1 else f"{a:,}–{b - 1:,}" for a, b in itertools.pairwise(edges)]
    paired = degree[degree > 0]
    text = (
        f"{len(degree):,} products: {int((degree == 0).sum()):,} have no training pair. The others have "
        f"{np.median(paired) if len(paired) else 0:.0f} in the median and at most {int(degree.max(initial=0)):,}."
    )
    return Figure(_bars(labels, counts, "Training pairs of a product", "Products"), text)


def weight_chart(edges: np.ndarray, counts: np.ndarray) -> Figure:
    """Pairs by weight; ``edges [n + 1]`` double from one to the next, ``counts [n]``."""
    labels = [f"{a:g}–{b:g}" for a, b in itertools.pairwise(edges.tolist())]
    most = labels[int(np.argmax(counts))] if len(labels) else "–"
    text = f"{int(counts.sum()):,} training pairs by weight; most weigh {most}."
    return Figure(_bars(labels, counts, "Weight of a pair", "Pairs"), text)


def component_chart(sizes: np.ndarray) -> Figure:
    """Connected components by size, from ``sizes`` in descending order; the largest is only described, not drawn."""
    bins = np.bincount(np.log2(sizes[1:]).astype(int))[1:]  # a component has at least two products
    labels = [f"{2**i:,}–{2 ** (i + 1) - 1:,}" for i in range(1, len(bins) + 1)]
    total = int(sizes.sum())
    largest = int(sizes[0]) if len(sizes) else 0
    text = (
        f"{len(sizes):,} components of products that have a pair. The largest holds {largest:,} products, "
        f"{largest / max(total, 1):.1%} of them; the chart counts the others."
    )
    return Figure(_bars(labels, bins, "Products in the component", "Components"), text)


def coverage_chart(rows: pd.DataFrame) -> Figure:
    """Share of products with each metadata field; columns field, products and share."""
    text = "Metadata coverage: " + ", ".join(f"{r.field} {r.share:.0%}" for r in rows.itertuples()) + "."
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            y=alt.Y("field:N", sort=rows["field"].tolist(), title=None),
            x=alt.X(
                "share:Q", title="Products with this field", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])
            ),
            tooltip=["field", alt.Tooltip("products:Q", format=","), alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(height=_HEIGHT)
    )
    return Figure(chart, text)


def popularity_chart(rows: pd.DataFrame, models: Sequence[str]) -> Figure | None:
    """Share of each model's list entries that goes to each tenth of the products; columns model, tenth and share."""
    if rows.empty:
        return None
    top = rows[rows["tenth"] == 10].sort_values("share", ascending=False)
    first, last = top.iloc[0], top.iloc[-1]
    text = (
        "Percentage of list entries that go to each tenth of the products, from the least popular on the left. "
        f"The most popular tenth gets {first['share']:.0%} of {first['model']}'s entries and "
        f"{last['share']:.0%} of {last['model']}'s; without bias, it would be 10%."
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


def agreement_chart(overlap: np.ndarray, k: int, a: str, b: str) -> Figure:
    """Products by how many of their first ``k`` neighbours models ``a`` and ``b`` share; ``overlap`` int ``[s]``."""
    counts = np.bincount(overlap, minlength=k + 1)
    text = (
        f"{a} and {b} share {overlap.mean() if len(overlap) else 0:.1f} of a product's first {k} neighbours on "
        f"average; {counts[0]:,} of {len(overlap):,} products share none."
    )
    return Figure(
        _bars(
            [str(i) for i in range(k + 1)],
            counts,
            f"Shared neighbours among the first {k}",
            "Products",
            height=260,
            angle=0,
        ),
        text,
    )


def _bars(
    labels: Sequence[str], counts: np.ndarray, x_title: str, y_title: str, height: int = _HEIGHT, angle: int = -40
) -> alt.Chart:
    """One bar per label, in the order of the labels."""
    frame = pd.DataFrame({"label": labels, "count": counts})
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("label:N", sort=list(labels), title=x_title, axis=alt.Axis(labelAngle=angle)),
            y=alt.Y("count:Q", title=y_title, axis=alt.Axis(format="~s", tickMinStep=1)),
            tooltip=[alt.Tooltip("label:N", title=x_title), alt.Tooltip("count:Q", title=y_title, format=",")],
        )
        .properties(height=height)
    )
