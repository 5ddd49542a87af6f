"""The map page over the hand-made store."""

import json

import pytest

from tests import explorer_fixture as fixture
from tests.explorer_pages import MAP, choose, rerun, search, texts


def test_the_map_shows_the_product_of_the_address_and_its_neighbours(full, start):
    at = start(full, MAP, product=fixture.WARM)
    (chart,) = at.get("deck_gl_json_chart")
    layers = {layer["id"]: layer for layer in json.loads(chart.proto.json)["layers"]}
    projection = full.read("projection/skipgram", fixture.CATEGORY)
    ids = fixture.products()["product_id"].to_pylist()
    drawn = sum(len(layer["data"]) for name, layer in layers.items() if name.startswith("group"))
    assert drawn == len(projection.nodes)
    index = projection.nodes.tolist().index(ids.index(fixture.WARM))
    assert layers["chosen"]["data"] == [pytest.approx((projection.position[index] * 400).tolist(), abs=0.1)]
    assert len(layers["neighbours"]["data"]) == len(layers["lines"]["data"]) == 10
    assert "Gadget 007" in at.header[0].value
    assert "placed next to their nearest" in texts(at)


def test_the_map_is_searched_with_the_keyboard(full, start):
    at = start(full, MAP)
    choose(at, "map search", search(at, "map search", "gadget 007")["hits"][0]["id"])
    assert at.query_params["product"] == fixture.WARM
    at.segmented_control(key="colour").set_value("brand")
    rerun(at)
    assert "coloured by brand" in at.get("deck_gl_json_chart")[0].proto.alt


def test_a_product_that_is_not_on_the_map(full, start):
    at = start(full, MAP, product=fixture.LONELY)
    assert "has not seen this product" in at.info[0].value
    at = start(full, MAP, product=fixture.SCRIPT)
    assert "\\<script\\>" in at.header[0].value


def test_no_map_is_shown_while_its_numbers_mean_other_products(tmp_path, start):
    store = fixture.write(tmp_path)
    store.write("product_pairs", "alpha", fixture.pairs())  # made again later with the same contents
    assert start(store, MAP).get("deck_gl_json_chart")
    store.write("product_pairs", "alpha", fixture.pairs(seed=2))
    at = start(store, MAP)
    assert not at.get("deck_gl_json_chart") and "There are no maps" in at.info[0].value
