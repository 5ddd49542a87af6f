"""The form of a shop's lists: rows in order, in batches of any size, and stored as they are."""

import numpy as np
import pyarrow as pa
import pytest

from core.recommendations import RECOMMENDATIONS, Recommendations
from core.store import Store


@pytest.fixture
def lists() -> Recommendations:
    nodes = {
        "goes_with": np.array([[1, 2], [0, -1], [-1, -1]], np.int32),
        "similar": np.array([[2, -1], [-1, -1], [0, 1]], np.int32),
    }
    scores = {
        "goes_with": np.array([[0.5, np.nan], [0.25, np.nan], [np.nan, np.nan]], np.float32),
        "similar": np.array([[0.75, np.nan], [np.nan, np.nan], [0.75, 0.5]], np.float32),
    }
    sources = {
        "goes_with": np.array([[1, 3], [1, 0], [0, 0]], np.uint8),
        "similar": np.array([[2, 0], [0, 0], [0, 1]], np.uint8),
    }
    return Recommendations(pa.table({"product_id": ["a", "b", "c"]}), nodes, scores, sources, {"k": 2})


@pytest.mark.parametrize("rows", [1, 2, 3, 1000])
def test_batches_of_any_size_make_the_same_rows(lists: Recommendations, rows: int) -> None:
    table = pa.Table.from_batches(lists.batches(rows), RECOMMENDATIONS)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("a", "goes_with", 1, "b", 0.5, "model"),
        ("a", "goes_with", 2, "c", None, "popular"),
        ("b", "goes_with", 1, "a", 0.25, "model"),
        ("a", "similar", 1, "c", 0.75, "content"),
        ("c", "similar", 1, "a", 0.75, "pinned"),
        ("c", "similar", 2, "b", 0.5, "model"),
    ]
    assert lists.rows == table.num_rows


def test_the_store_returns_what_was_stored(lists: Recommendations, tmp_path: object) -> None:
    store = Store(str(tmp_path))
    store.write("recommendations", "shoes", lists)
    read = store.read("recommendations", "shoes")
    assert read.slots == lists.slots and read.info == {"k": 2}
    assert list(read.batches()) == list(lists.batches())
