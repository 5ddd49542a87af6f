"""The scene of the map: points, colours and clicks."""

import numpy as np

from explorer.product_map import groups, scene
from tests import explorer_fixture as fixture


def test_a_click_on_the_map_names_the_product():
    products = fixture.products()
    grouping = groups.group_products(products, np.arange(fixture.N), "brand")
    position = np.random.default_rng(0).uniform(-1, 1, (fixture.N, 2)).astype(np.float32)
    shown = scene.sample_points(fixture.N, 30)
    assert len(shown) == 30 and len(np.unique(shown)) == 30
    colours = scene.group_colours(["#0f6b6b", "#d1662b"], "light", len(grouping.names) - 2)
    drawing = scene.build_scene(position, shown, grouping, colours, "light", chosen=7, neighbours=np.array([1, 2]))
    for group in range(len(grouping.names)):
        points = shown[grouping.of[shown] == group].tolist()
        for i, point in enumerate(points):
            assert drawing.picked({f"group {group}": [i]}) == point
    assert drawing.picked({"chosen": [0]}) == 7 and drawing.picked({"neighbours": [1]}) == 2
    assert (
        drawing.picked({}) is None
        and drawing.picked({"lines": [0]}) is None
        and drawing.picked({"chosen": [5]}) is None
    )


def test_colours_repeat_when_the_palette_is_short():
    colours = scene.group_colours(["#0f6b6b", "#d1662b"], "dark", 3)
    assert colours[0] == colours[2] == (15, 107, 107) and len(colours) == 5
    assert scene.hex_colour(colours[0]) == "#0f6b6b"
