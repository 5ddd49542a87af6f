"""The map of a category as a deck.gl scene: its points and their colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pydeck

from explorer.product_map.groups import Grouping

MAX_POINTS = 100_000
"""Maximum number of points that are sent to the browser."""
MAX_NAMED_POINTS = 20_000
"""Maximum number of points with a name to show under the mouse: names take several times the space of positions."""
_GREY = {"light": ((150, 160, 164), (205, 212, 214)), "dark": ((120, 132, 138), (64, 76, 82))}
"""Colours of the groups other and unknown, by theme."""
_MARK = {"light": (200, 30, 30), "dark": (255, 226, 120)}
"""Colour of the chosen product and of the lines to its neighbours, by theme."""
_EXTENT = 400.0
"""Scene units from the centre to the edge; deck.gl's orthographic view shows one unit as one pixel at zoom 0."""


def sample_points(count: int, limit: int = MAX_POINTS, seed: int = 0) -> np.ndarray:
    """Ascending indices of the points that are drawn: all of them, or ``limit`` random ones."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def group_colours(palette: Sequence[str], theme: str, count: int) -> list[tuple[int, int, int]]:
    """RGB colours of ``count`` groups, then of other and unknown; ``palette`` holds the hex colours of the theme."""
    group_colours = [_rgb(palette[i % len(palette)]) for i in range(count)]
    return [*group_colours, *_GREY[theme]]


def hex_colour(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.lstrip("#")[:6])
    return red, green, blue


@dataclass(frozen=True)
class Scene:
    """A drawable map.

    Attributes:
        deck: for ``st.pydeck_chart``.
        layers: layer id → int indices (into the projection) of its points, in the order of the layer's data.
    """

    deck: pydeck.Deck
    layers: dict[str, np.ndarray]

    def picked(self, indices: dict[str, list[int]]) -> int | None:
        """Index of the point that a selection (layer id → indices) names, or None."""
        for layer, chosen in indices.items():
            points = self.layers.get(layer, np.empty(0, int))
            if chosen and 0 <= chosen[0] < len(points):
                return int(points[chosen[0]])
        return None


def build_scene(
    position: np.ndarray,
    shown: np.ndarray,
    grouping: Grouping,
    colour_of: Sequence[tuple[int, int, int]],
    theme: str,
    chosen: int | None = None,
    neighbours: np.ndarray | None = None,
    names: Sequence[str] | None = None,
) -> Scene:
    """One layer of points per group, larger groups above; the chosen product and its neighbours are on top.

    Args:
        position: float32 ``[m, 2]`` in -1..1.
        shown: int indices of the points to draw.
        grouping: groups of all ``m`` points.
        colour_of: RGB colour of each group.
        theme: light or dark.
        chosen: index of the chosen product, if any.
        neighbours: int indices of its neighbours.
        names: text to show under the mouse for each of ``shown``; it is never interpreted as markup.
    """
    points = (np.asarray(position) * _EXTENT).round(1)
    layers, indices = [], {}
    radius = float(np.clip(40 / np.sqrt(max(len(shown), 1)) * 4, 0.6, 5))
    for group in reversed(range(len(grouping.names))):
        members = np.flatnonzero(grouping.of[shown] == group)
        if len(members):
            layer, indices[f"group {group}"] = f"group {group}", shown[members]
            layers.append(_points(layer, points[shown[members]], colour_of[group], radius, 190))
            if names is not None:
                rows = zip(points[shown[members]].tolist(), members.tolist(), strict=True)
                layers[-1] |= {"data": [{"at": at, "name": names[i]} for at, i in rows], "getPosition": "@@=at"}
    if chosen is not None:
        near = np.empty(0, int) if neighbours is None else neighbours
        mark = _MARK[theme]
        start = points[chosen].tolist()
        lines = {
            "@@type": "LineLayer", "id": "lines", "data": [{"from": start, "to": end} for end in points[near].tolist()],
            "getSourcePosition": "@@=from", "getTargetPosition": "@@=to", "getColor": [*mark, 150], "getWidth": 1.5,
        }  # fmt: skip
        layers.append(lines)
        indices |= {"neighbours": near, "chosen": np.array([chosen])}
        layers.append(_points("neighbours", points[near], mark, 2.5, 230, smallest=3))
        # A ring does not hide the neighbours, which often lie inside it.
        ring = {"filled": False, "stroked": True, "getLineColor": [*mark, 255], "lineWidthMinPixels": 3}
        layers.append(_points("chosen", points[[chosen]], mark, 6.0, 255, smallest=11) | ring)
    view = {"target": [0, 0], "zoom": -0.75, "minZoom": -2, "maxZoom": 9}
    return Scene(_Deck(layers, view, {"text": "{name}"} if names is not None else None), indices)


def _points(
    name: str, points: np.ndarray, colour: tuple[int, int, int], radius: float, alpha: int, smallest: float = 1.5
) -> dict[str, Any]:
    return {
        "@@type": "ScatterplotLayer", "id": name, "data": points, "getPosition": "@@=-",
        "getFillColor": [*colour, alpha], "getRadius": radius, "radiusMinPixels": smallest, "radiusMaxPixels": 14,
        "pickable": True,
    }  # fmt: skip


class _Deck(pydeck.Deck):
    """A scene with NumPy arrays as data; pydeck's own encoder takes seconds for 100,000 rows."""

    def __init__(self, layers: list[dict[str, Any]], view: dict[str, Any], tooltip: dict[str, str] | None) -> None:
        super().__init__(layers=[], map_provider=None, tooltip=tooltip or False)
        self._spec = {
            "initialViewState": view,
            "views": [{"@@type": "OrthographicView", "id": "map", "controller": True, "flipY": False}],
            "layers": layers,
        }

    def to_json(self) -> str:
        return orjson.dumps(self._spec, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _plain(value: Any) -> Any:
    return np.ascontiguousarray(value).tolist() if isinstance(value, np.ndarray) else value
