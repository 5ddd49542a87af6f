"""A chart together with a description for people who cannot see it."""

from dataclasses import dataclass

import altair as alt


@dataclass(frozen=True)
class Figure:
    """A chart and its description.

    Attributes:
        chart: for ``st.altair_chart``.
        text: says in one or two sentences what the chart shows.
    """

    chart: alt.Chart | alt.LayerChart
    text: str
