"""What is prepared of a version: the same as its table says, once, and only from files that are whole."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.recommendations.served import ASSET
from core.serving import prepared
from core.serving.prepared import Products, folder_of, is_prepared, prepare
from core.store import Store
from tests.core.serving.shops import lists_of, table

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROW = st.fixed_dictionaries(
    {
        "product_id": TEXT.filter(bool),
        "title": st.none() | TEXT,
        "brand": st.none() | TEXT,
        "price": st.none() | st.floats(0, 1e6, width=32),
        "categories": st.none() | st.lists(st.none() | TEXT.filter(bool), max_size=3),
    }
)
ROWS = [{"product_id": name, "brand": "Acme"} for name in "abc"]


@settings(max_examples=40)
@given(rows=st.lists(ROW, min_size=1, max_size=9, unique_by=lambda row: row["product_id"]), batch=st.integers(1, 4))
def test_products_are_those_of_the_table(tmp_path_factory, rows, batch):
    folder = tmp_path_factory.mktemp("prepared")
    products = table(rows)
    store = Store(folder / "store")
    version = store.write(ASSET, "shoes", lists_of(products, {})).version
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "_BATCH", batch)
        found = Products(prepare(store, "shoes", folder / "serving", version))
    assert len(found) == len(rows)
    for node, row in enumerate(products.to_pylist()):
        assert found.ids.find(row["product_id"]) == node and found.ids[node] == row["product_id"]
        assert found.brands[node] == (row["brand"] or "")
        known = {"product": row["product_id"], "title": row["title"], "brand": row["brand"]}
        card = json.loads(b"{" + found.cards.raw(node) + b"}")
        assert card == {name: value for name, value in known.items() if value is not None}
        price = found.prices[node]
        assert np.isnan(price) if row["price"] is None else price == np.float32(row["price"])
        shelves = [(name or "").replace(prepared.SEPARATOR, " ") for name in row["categories"] or []]
        assert found.categories(node) == shelves or (shelves == [""] and found.categories(node) == [])


def test_popular_products_are_those_of_many_lists(tmp_path):
    store = Store(tmp_path / "store")
    lists = lists_of(table(ROWS), {"a": ["c", "b"], "b": ["c"]}, similar={"c": ["a"]})
    version = store.write(ASSET, "shoes", lists).version
    found = Products(prepare(store, "shoes", tmp_path / "serving", version))
    assert found.popularity.tolist() == [0, 1, 2] and found.popular.tolist() == [2, 1]


def test_a_version_is_prepared_once_and_the_one_before_it_stays(tmp_path):
    store, root = Store(tmp_path / "store"), tmp_path / "serving"
    versions = []
    for _ in range(3):
        versions.append(store.write(ASSET, "shoes", lists_of(table(ROWS), {})).version)
        folder = prepare(store, "shoes", root, versions[-1])
        (folder / "mark").touch()
        assert prepare(store, "shoes", root, versions[-1]) == folder and (folder / "mark").exists()
    kept = [is_prepared(folder_of(root, "shoes", version)) for version in versions]
    newest_before = sorted(versions[:2])[-1]  # names of the same second are in no order
    assert kept[2] and sum(kept) == 2 and kept[versions.index(newest_before)]


def test_what_a_killed_process_left_is_removed(tmp_path):
    store, root = Store(tmp_path / "store"), tmp_path / "serving"
    version = store.write(ASSET, "shoes", lists_of(table(ROWS), {})).version
    (root / "shoes" / ".0.tmp").mkdir(parents=True)
    folder_of(root, "shoes", version).mkdir()  # it has no sign of being complete
    prepare(store, "shoes", root, version)
    assert sorted(path.name for path in (root / "shoes").iterdir()) == [f"{version}.{prepared.FORMAT}", "lock"]


def test_a_version_that_is_not_current_is_not_prepared(tmp_path):
    store, root = Store(tmp_path / "store"), tmp_path / "serving"
    first = store.write(ASSET, "shoes", lists_of(table(ROWS), {})).version
    store.write(ASSET, "shoes", lists_of(table(ROWS), {}))
    with pytest.raises(InputError, match="was replaced while it was prepared"):
        prepare(store, "shoes", root, first)
    assert not is_prepared(folder_of(root, "shoes", first))


def node_beyond(lists):
    lists.neighbours["goes_with"][1, 0] = 3
    return lists


def unknown_source(lists):
    lists.sources["goes_with"][2, 3] = 4
    return lists


def one_row_less(lists):
    return dataclasses.replace(lists, scores={"goes_with": lists.scores["goes_with"][1:]})


def no_scores(lists):
    return dataclasses.replace(lists, scores={"similar": lists.scores["goes_with"]})


def no_slots(lists):
    return dataclasses.replace(lists, neighbours={"other": lists.neighbours["goes_with"]})


def descending(lists):
    return dataclasses.replace(lists, products=lists.products.take([0, 2, 1]))


def twice(lists):
    return dataclasses.replace(lists, products=lists.products.take([0, 1, 1]))


@pytest.mark.parametrize("spoil", [node_beyond, unknown_source, one_row_less, no_scores, no_slots, descending, twice])
@pytest.mark.parametrize("batch", [1, 100])
def test_lists_that_would_give_wrong_answers_are_refused(tmp_path, monkeypatch, spoil, batch):
    monkeypatch.setattr(prepared, "_BATCH", batch)
    store = Store(tmp_path / "store")
    version = store.write(ASSET, "shoes", spoil(lists_of(table(ROWS), {"a": ["b"]}))).version
    with pytest.raises(InputError, match="materialize the lists again"):
        prepare(store, "shoes", tmp_path / "serving", version)
    assert [path.name for path in (tmp_path / "serving" / "shoes").iterdir()] == ["lock"]


def test_a_flipped_bit_is_refused(tmp_path):
    store = Store(tmp_path / "store")
    version = store.write(ASSET, "shoes", lists_of(table(ROWS), {"a": ["b"]})).version
    [file] = (tmp_path / "store").rglob("scores.goes_with.npy")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match="SHA-256"):
        prepare(store, "shoes", tmp_path / "serving", version)
