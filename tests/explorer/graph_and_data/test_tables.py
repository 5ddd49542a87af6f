"""The tables of the page Graph and data."""

import pytest

from explorer.graph_and_data import tables
from tests import explorer_fixture as fixture


def test_coverage_counts_only_products_that_have_metadata():
    rows = tables.coverage_rows(fixture.products()).set_index("field")
    assert rows.loc["title", "products"] == fixture.N - 2
    assert rows.loc["title", "share"] == pytest.approx((fixture.N - 2) / (fixture.N - 1))
    assert rows.loc["image", "products"] == 2
    nothing = tables.coverage_rows(fixture.products().slice(0, 0))
    assert nothing["share"].tolist() == [0.0] * len(nothing)
