"""Where served lists come from: one artefact, with its version, with or without the table of products."""

import numpy as np
import pytest

from core.errors import InputError
from core.recommendations.served import ASSET, UNPUBLISHED, served, served_categories, served_version
from core.store import Store
from tests.core.serving.shops import lists_of, table

ROWS = [{"product_id": "a", "title": "A"}, {"product_id": "b", "title": "B"}]


def test_the_current_version_is_read(tmp_path):
    store = Store(tmp_path)
    assert served_version(store, "shoes") is None
    with pytest.raises(FileNotFoundError):
        served(store, "shoes")
    store.write(ASSET, "shoes", lists_of(table(ROWS), {"a": ["b"]}))
    written = store.write(ASSET, "shoes", lists_of(table(ROWS), {"b": ["a"]}))
    assert served_version(store, "shoes") == written.version
    whole, light = served(store, "shoes"), served(store, "shoes", with_products=False)
    assert whole.version == light.version == written.version
    assert whole.recommendations.products["title"].to_pylist() == ["A", "B"]
    assert light.recommendations.products.num_rows == 0
    for found in (whole, light):
        assert found.recommendations.neighbours["goes_with"].tolist() == [[-1] * 4, [0, -1, -1, -1]]
        assert isinstance(found.recommendations.neighbours["goes_with"], np.memmap)
        assert found.recommendations.info == {"made": "by hand"}


def test_an_artefact_without_a_field_is_damaged(tmp_path):
    store = Store(tmp_path)
    store.write(ASSET, "shoes", table(ROWS))
    with pytest.raises(InputError, match=r"has no field 'neighbours'.*materialize the asset again"):
        served(store, "shoes")


def test_lists_that_were_never_published_are_served_until_a_published_version_is_there(tmp_path):
    store = Store(tmp_path)
    made = store.write(UNPUBLISHED, "shoes", lists_of(table(ROWS), {"a": ["b"]}))
    assert served_version(store, "shoes") == served(store, "shoes").version == made.version
    published = store.write(ASSET, "shoes", lists_of(table(ROWS), {"b": ["a"]}))
    store.write(UNPUBLISHED, "shoes", lists_of(table(ROWS), {"a": ["b"]}))  # not published yet
    store.write(UNPUBLISHED, "hats", lists_of(table(ROWS), {"a": ["b"]}))
    assert served_version(store, "shoes") == served(store, "shoes").version == published.version
    assert served_categories(store) == ["hats", "shoes"]
