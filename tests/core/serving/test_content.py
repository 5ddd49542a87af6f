"""The index by brand and categories has the cosines of the content model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.models.content_knn.similarity import features
from core.serving import content
from core.serving.answers import Shop
from tests.core.serving.shops import lists_of, served_shop, table

BRANDS = st.sampled_from([None, "", "Acme", " ACME ", "bo", "Unknown"])
SHELVES = st.lists(st.sampled_from(["Root", "X", "Y", "Z"]), max_size=4)


@settings(max_examples=25)
@given(rows=st.lists(st.tuples(BRANDS, SHELVES), min_size=2, max_size=12))
def test_cosines_are_those_of_the_content_model(tmp_path_factory, rows):
    products = table(
        {"product_id": f"p{i:02d}", "brand": brand, "categories": shelves} for i, (brand, shelves) in enumerate(rows)
    )
    shop = served_shop(tmp_path_factory.mktemp("shop"), lists_of(products, {"p00": ["p01"]}))
    expected = (features(products) @ features(products).T).toarray()
    for node, (brand, shelves) in enumerate(rows):
        terms = content.terms_of_fields(brand, shelves)
        nodes, cosines = shop.products.fields.similar(terms, shop.products.popularity, 100)
        wanted = {other: value for other, value in enumerate(expected[node]) if value >= content.FLOOR}
        assert dict(zip(nodes.tolist(), cosines.tolist(), strict=True)) == pytest.approx(wanted, abs=1e-5)
        assert np.all(np.diff(cosines) <= 1e-9)


@pytest.fixture
def brushes(tmp_path) -> Shop:
    titles = {"a": "Round Brush, 12 mm", "b": "brush_flat", "c": "Größe 7 comb", "d": None}
    products = table({"product_id": name, "title": title} for name, title in titles.items())
    return served_shop(tmp_path, lists_of(products, {"a": ["b", "c"], "b": ["c"]}))


@pytest.mark.parametrize(
    ("title", "nodes"),
    [("BRUSH", [1, 0]), ("a GRÖSSE größe", [2]), ("round", [0]), ("7", []), ("", []), (None, [])],
)  # of equal cosines the more popular one: b is in one list, a in none; and b has fewer other words
def test_titles_by_their_words(brushes, title, nodes):
    found, _ = brushes.products.words.similar(content.terms_of_title(title), brushes.products.popularity, 9)
    assert found.tolist() == nodes


def test_a_frequent_value_is_searched_among_popular_products_only(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "FAN_OUT", 2)
    products = table({"product_id": f"p{i}", "brand": "Acme" if i < 5 else "Bo"} for i in range(8))
    lists = lists_of(products, {"p0": ["p3", "p4"], "p1": ["p4"]})
    shop = served_shop(tmp_path, lists)
    nodes, _ = shop.products.fields.similar(["b:acme"], shop.products.popularity, 9)
    assert nodes.tolist() == [4, 3]
