"""Charts of the graph, the metadata and the models' lists, each with its description."""

import itertools
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from explorer.graph_and_data.order_statistics import OrderStatistics
from explorer.shared.figure import Figure

_HEIGHT = 380
_SIDES = ("models may know", "are held out")


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


def orders_chart(statistics: OrderStatistics) -> Figure | None:
    """Orders by day or week, those that are held out in a colour of their own; None without any times."""
    if not len(statistics.days):
        return None
    unit = "week" if statistics.weekly else "day"
    later = int(statistics.later.sum())
    text = (
        f"{int(statistics.known.sum()) + later:,} orders by {unit}, from {statistics.days[0]} to {statistics.days[-1]}"
        f" (UTC); {f'{later:,} of them are held out' if later else 'none is held out'}."
    )
    if statistics.without_time:
        text += f" {statistics.without_time:,} orders without a time are left out."
    sides = zip(_SIDES, (statistics.known, statistics.later), strict=True)
    rows = pd.concat(
        [pd.DataFrame({"day": statistics.days, "orders": counts, "side": name}) for name, counts in sides],
        ignore_index=True,
    )
    rows["day"] = rows["day"].astype("datetime64[ns]")
    chart = (
        alt.Chart(rows[rows["orders"] > 0])
        .mark_bar()
        .encode(
            x=alt.X(
                f"{'yearweek' if statistics.weekly else 'yearmonthdate'}(day):T",
                title=None,
                axis=alt.Axis(format="%d %b %Y", labelAngle=-40, labelOverlap=True),
            ),
            y=alt.Y("orders:Q", title=f"Orders per {unit}", axis=alt.Axis(format="~s", tickMinStep=1)),
            color=alt.Color(
                "side:N",
                sort=list(_SIDES),
                title=None,
                scale=alt.Scale(domain=list(_SIDES)),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip("day:T", title="Week of" if statistics.weekly else "Day", format="%Y-%m-%d"),
                alt.Tooltip("side:N", title="Orders that"),
                alt.Tooltip("orders:Q", title="Orders", format=","),
            ],
        )
        .properties(height=_HEIGHT)
    )
    return Figure(chart, text)


def order_size_chart(sizes: np.ndarray) -> Figure:
    """Orders by number of different products, in bins of doubling width; entry n of ``sizes`` counts those of n."""
    edges = [1]
    while edges[-1] < len(sizes):
        edges.append(edges[-1] * 2)
    counts = [int(sizes[a:b].sum()) for a, b in itertools.pairwise(edges)]
    labels = [str(a) if b - a == 1 else f"{a:,}–{b - 1:,}" for a, b in itertools.pairwise(edges)]
    total = int(sizes.sum())
    median = int(np.searchsorted(np.cumsum(sizes), total / 2)) if total else 0
    text = (
        f"An order holds {median:,} different {'product' if median == 1 else 'products'} in the median and at most "
        f"{len(sizes) - 1:,}. {counts[0] / max(total, 1):.0%} hold a single product."
    )
    return Figure(_bars(labels, np.array(counts), "Different products in the order", "Orders"), text)


def age_chart(statistics: OrderStatistics) -> Figure | None:
    """Share of the products whose latest purchase is at most so many days old; None without any times."""
    if not len(statistics.ages):
        return None
    month = (
        statistics.bought_since[np.searchsorted(statistics.ages, 30, side="right") - 1]
        if statistics.ages[0] <= 30
        else 0.0
    )
    text = (
        f"{month:.0%} of the {statistics.products:,} products in orders were bought in the last 30 days before the "
        f"latest order; the latest purchase of some lies {int(statistics.ages[-1]):,} days back."
    )
    rows = pd.DataFrame({"age": statistics.ages, "share": statistics.bought_since})
    chart = (
        alt.Chart(rows)
        .mark_area(line=True, opacity=0.25, interpolate="step-after")
        .encode(
            x=alt.X("age:Q", title="Days before the latest order"),
            y=alt.Y(
                "share:Q",
                title="Products bought since",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
            tooltip=[
                alt.Tooltip("age:Q", title="Days", format=","),
                alt.Tooltip("share:Q", title="Bought since", format=".1%"),
            ],
        )
        .properties(height=260)
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
