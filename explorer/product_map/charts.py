"""The legend of the map, with a description."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from explorer.shared.figure import Figure


def group_chart(names: Sequence[str], sizes: Sequence[int], colours: Sequence[str]) -> Figure:
    """Number of points in each group, in the colours of the map: its legend."""
    frame = pd.DataFrame({"group": names, "products": sizes})
    frame = frame[frame["products"] > 0]
    largest = frame.iloc[int(frame["products"].argmax())] if len(frame) else None
    text = "No products." if largest is None else (
        f"{frame['products'].sum():,} products in {len(frame)} groups. The largest is {largest['group']} with "
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
