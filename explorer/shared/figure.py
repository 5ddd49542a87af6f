"""A chart together with a text that says the same to those who cannot see it."""

from dataclasses import dataclass

import altair as alt


@dataclass(frozen=True)
class Figure:
    """A chart and its description."""

    chart: alt.Chart | alt.LayerChart
    text: str
