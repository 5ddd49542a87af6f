"""Vectors of the final models in a folder: NumPy's files, Parquet, ids, and what is refused."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.delivery import vectors as module
from core.delivery.place import Shipment, deliver
from core.errors import InputError
from core.interfaces import TrainedModel
from core.progress import silent
from core.recommendations import FinalModels
from tests.core.delivery import shop


def models(products, dim=3):
    rng = np.random.default_rng(1)
    seen = np.arange(products) != 1
    center, context = rng.random((2, products, dim), dtype=np.float32) * seen[:, None]
    return FinalModels(
        {
            "skipgram": TrainedModel("skipgram", seen, center, context),
            "matrix_factorization": TrainedModel("matrix_factorization", seen, center[:, :2].copy()),
            "rp3beta": TrainedModel("rp3beta", seen),
        }
    )


def send(folder, of, final, digest="x", **more):
    place = shop.place(vectors={"url": str(folder), **more})
    return place, deliver(place, Shipment("shoes", of, digest, final), silent)


def version(folder):
    return folder / "shoes" / json.loads((folder / "shoes" / "current.json").read_text())["version"]


@pytest.mark.parametrize("ids", [None, shop.STRANGE])
def test_the_rows_of_all_files_belong_together(tmp_path, ids, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 4)  # several blocks
    of = shop.lists("a", ids=ids)
    names = of.products["product_id"].to_pylist()
    final = models(len(names))
    _, receipt = send(tmp_path, of, final)
    assert not receipt.problem and receipt.rows == 2 * (len(names) - 1) and receipt.compared > 8
    at = version(tmp_path)
    assert sorted(path.name for path in at.iterdir()) == [
        "ids.parquet", "matrix_factorization.center.npy", "matrix_factorization.parquet", "skipgram.center.npy",
        "skipgram.context.npy", "skipgram.parquet",
    ]  # fmt: skip
    assert pq.read_table(at / "ids.parquet")["product"].to_pylist() == names
    for side in ("center", "context"):
        array = np.load(at / f"skipgram.{side}.npy")
        np.testing.assert_array_equal(array, getattr(final.models["skipgram"], side))
        table = pq.read_table(at / "skipgram.parquet")
        assert table["product"].to_pylist() == [name for node, name in enumerate(names) if node != 1]
        np.testing.assert_array_equal(np.array(table[side].to_pylist(), np.float32), np.delete(array, 1, axis=0))
    assert pq.read_schema(at / "matrix_factorization.parquet").names == ["product", "center"]


def test_one_format_and_the_way_back(tmp_path):
    of = shop.lists("a")
    for digest in "xyz":
        place, _ = send(tmp_path, of, models(6), digest, formats=["npy"])
    assert sorted(path.suffix for path in version(tmp_path).iterdir()) == [".npy", ".npy", ".npy", ".parquet"]
    assert (place.current().digest, place.put_back().digest, place.previous().digest) == ("z", "y", "z")


def test_models_that_are_missing_or_of_other_products_are_refused(tmp_path):
    with pytest.raises(InputError, match="there are no final models"):
        send(tmp_path, shop.lists("a"), None)
    with pytest.raises(InputError, match="skipgram knows 7 products and the lists 6"):
        send(tmp_path, shop.lists("a"), models(7))
    _, receipt = send(tmp_path, shop.lists("a"), FinalModels({"rp3beta": TrainedModel("rp3beta", np.ones(6, bool))}))
    assert receipt.rows == 0 and [path.name for path in version(tmp_path).iterdir()] == ["ids.parquet"]


@pytest.mark.parametrize("file", ["skipgram.center.npy", "skipgram.parquet"])
def test_what_is_read_back_wrong_is_not_published(tmp_path, monkeypatch, file):
    place, _ = send(tmp_path, shop.lists("a"), models(6))
    other = models(6).models["skipgram"].center + 1
    write = module._write_array if file.endswith("npy") else module._batches

    def wrong(*arguments):
        if file.endswith("npy"):
            return write(arguments[0], other)
        return write(TrainedModel("skipgram", np.arange(6) != 1, other, other), arguments[1])

    monkeypatch.setattr(module, write.__name__, wrong)
    formats = ["npy" if file.endswith("npy") else "parquet"]
    _, receipt = send(
        tmp_path, shop.lists("b"), FinalModels({"skipgram": models(6).models["skipgram"]}), "y", formats=formats
    )
    assert "is not the one sent" in receipt.problem and place.current().digest == "x"
