"""Which assets have to be made again, by manifests alone; and the digests that decide it."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from core.changes import Expected, changes
from core.graph import ProductGraph
from core.interfaces import TrainedModel
from core.store.artefacts import Store
from core.store.manifest import Manifest

SOURCE = {"source": {"path": "a.csv", "size": 5}}
EXPECTED = [
    Expected("raw", "1", source=SOURCE),
    Expected("pairs", "1", inputs=("raw",), config={"w": 1.0, "names": ("a", "b")}),
    Expected("model", "2", inputs=("pairs",), config={"dim": 4}),
]


def manifest(asset, digest="d", **info):
    return Manifest(asset, "c", "v", "table", {}, 0.0, info, digest)


def stored(**changed):
    found = {
        "raw": manifest("raw", code_version="1", inputs={}, source=SOURCE, config={}),
        "pairs": manifest("pairs", code_version="1", inputs={"raw": "d"}, config={"w": 1.0, "names": ["a", "b"]}),
        "model": manifest("model", code_version="2", inputs={"pairs": "d"}, config={"dim": 4}),
    }
    return (found | changed).get


def test_what_is_as_it_would_be_made_now_is_left_alone():
    assert changes(EXPECTED, stored()) == {}


@pytest.mark.parametrize(
    ("changed", "asset", "reason"),
    [
        ({"model": None}, "model", "was never made"),
        ({"model": manifest("model")}, "model", "earlier version of this program"),
        ({"model": manifest("model", code_version="1", inputs={"pairs": "d"}, config={"dim": 4})}, "model",
         "was made by code version 1, the current one is 2"),
        ({"model": manifest("model", code_version="2", inputs={"pairs": "d"}, config={"dim": 8})}, "model",
         "settings changed: dim 8 → 4"),
        ({"model": manifest("model", code_version="2", inputs={"pairs": "d"}, config={"dim": 4, "old": 1})}, "model",
         "settings changed: old 1 → None"),
        ({"raw": manifest("raw", code_version="1", inputs={}, source={}, config={})}, "raw", "its source changed"),
        ({"raw": manifest("raw", "e", code_version="1", inputs={}, source=SOURCE, config={})}, "pairs",
         "raw changed since"),
    ],
)  # fmt: skip
def test_each_kind_of_change_is_named_at_the_asset_where_it_starts(changed, asset, reason):
    found = changes(EXPECTED, stored(**changed))
    assert list(found) == [asset] and reason in found[asset]


def test_where_nothing_is_known_of_the_source_it_counts_as_unchanged():
    assert changes([dataclasses.replace(EXPECTED[0], source=None)], stored()) == {}


VALUES = [
    pa.table({"a": ["x", "y"], "n": [1, 2]}),
    np.arange(12, dtype=np.float32).reshape(3, 4),
    ProductGraph(np.array([0, 1, 2]), np.array([1, 0], dtype=np.int32), np.array([0.5, 0.5])),
]


@pytest.mark.parametrize("value", VALUES, ids=["table", "array", "dataclass"])
def test_equal_content_has_an_equal_digest_and_other_content_another(tmp_path, value):
    store = Store(tmp_path)
    first, again = store.write("x", "c", value), store.write("x", "c", value, {"run_id": "other"})
    assert first.digest == again.digest and first.version != again.version
    assert store.manifest("x", "c").digest == first.digest
    assert len({store.write("x", "c", other).digest for other in VALUES}) == len(VALUES)
    assert store.write("x", "c", np.arange(12, dtype=np.float32).reshape(4, 3)).digest != first.digest


def test_how_long_it_took_is_not_content(tmp_path):
    store, rng = Store(tmp_path), np.random.default_rng(0)
    made = TrainedModel("m", np.ones(3, dtype=bool), rng.random((3, 2)).astype(np.float32), info={"seconds": 1.0})
    first = store.write("x", "c", made)
    assert store.write("x", "c", dataclasses.replace(made, info={"seconds": 2.0})).digest == first.digest
    assert store.write("x", "c", dataclasses.replace(made, seen=np.zeros(3, dtype=bool))).digest != first.digest


def test_the_digests_of_files_are_those_of_their_bytes(tmp_path):
    import hashlib

    store = Store(tmp_path)
    entry = store.write("x", "c", np.arange(5)).fields["value"]
    data = store.file("x", "c", "value").read_bytes()
    assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
