"""Names of products."""

import pytest

from explorer.shared import product_names


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ({"title": " A \n lamp ", "brand": "Acme", "categories": ["X"]}, "A lamp"),
        ({"title": None, "brand": "Acme", "categories": ["X", "Y"]}, "Acme · P1"),
        ({"title": "", "brand": None, "categories": ["X", "Y"]}, "Y · P1"),
        ({"title": None, "brand": "", "categories": []}, "P1"),
    ],
)
def test_every_product_has_a_name(product, name):
    assert product_names.product_name(product | {"product_id": "P1"}) == name
