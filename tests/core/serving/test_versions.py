"""New versions are taken up whole; damaged ones are refused, and what was served stays."""

import logging

import pytest

from core.errors import InputError
from core.recommendations.served import ASSET
from core.serving import versions as versions_module
from core.serving.prepared import prepare
from core.serving.versions import Versions
from core.store import Store
from tests.core.serving.shops import lists_of, table

ROWS = [{"product_id": name} for name in "ab"]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def write(store, category="shoes", **lists):
    return store.write(ASSET, category, lists_of(table(ROWS), lists or {"a": ["b"]})).version


def test_a_new_version_replaces_the_old_one_for_new_requests(store, tmp_path):
    versions = Versions(store, tmp_path / "serving", prepare)
    versions.refresh()
    assert versions.all() == [] and versions.get("shoes") is None
    first = write(store)
    versions.refresh()
    shop = versions.get("shoes")
    assert shop.version == first and shop.lists.neighbours["goes_with"][0, 0] == 1
    second = write(store, b=["a"])
    third = write(store, b=["a"])
    versions.refresh()
    assert versions.get("shoes").version == third != second
    assert shop.version == first and shop.products.ids[1] == "b"  # a request that has begun goes on
    assert shop.lists.neighbours["goes_with"].tolist() == [[1, -1, -1, -1], [-1] * 4]


def test_one_category_or_all(store, tmp_path):
    write(store), write(store, "hats")
    every, one = Versions(store, tmp_path / "s", prepare), Versions(store, tmp_path / "s", prepare, "hats")
    every.refresh(), one.refresh()
    assert [shop.category for shop in every.all()] == ["hats", "shoes"]
    assert [shop.category for shop in one.all()] == ["hats"]


@pytest.mark.parametrize("damage", ["sum", "size", "manifest"])
def test_a_damaged_version_is_refused_once(store, tmp_path, caplog, damage):
    refused = []
    versions = Versions(store, tmp_path / "serving", prepare, on_refusal=refused.append)
    first = write(store)
    write(store, "hats")
    versions.refresh()
    second = write(store, b=["a"])
    file = store.folder(ASSET, "shoes") / second / "neighbours.goes_with.npy"
    if damage == "manifest":
        (store.folder(ASSET, "shoes") / "manifest.json").write_text("{")
    else:
        data = bytearray(file.read_bytes())
        data[-4] ^= 1
        file.write_bytes(data if damage == "sum" else data[:-1])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            versions.refresh()
    [record] = caplog.records
    assert "is refused" in record.message and f"version {first} stays" in record.message
    assert versions.get("shoes").version == first and versions.get("hats") is not None
    assert refused == ["shoes"]
    third = write(store)
    versions.refresh()
    assert versions.get("shoes").version == third


def test_what_failed_is_tried_again_after_a_while(store, tmp_path, monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(versions_module.time, "monotonic", lambda: now[0])

    def full_disk(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        prepare(*arguments)

    versions = Versions(store, tmp_path / "serving", full_disk)
    version = write(store)
    versions.refresh(), versions.refresh()
    assert len(calls) == 1 and versions.get("shoes") is None
    now[0] = 31.0
    versions.refresh()
    assert versions.get("shoes").version == version


def test_a_version_that_is_replaced_while_it_is_prepared_is_no_trouble(store, tmp_path, caplog):
    def slow(*arguments):
        if len(store.categories(ASSET)) and not later:
            later.append(write(store, b=["a"]))
        prepare(*arguments)

    later = []
    versions = Versions(store, tmp_path / "serving", slow)
    write(store)
    with caplog.at_level(logging.WARNING):
        versions.refresh()
        assert versions.get("shoes") is None
        versions.refresh()
    assert versions.get("shoes").version == later[0] and not caplog.records


def test_lists_that_vanish_stay_served(store, tmp_path):
    versions = Versions(store, tmp_path / "serving", prepare)
    first = write(store)
    versions.refresh()
    (store.folder(ASSET, "shoes") / "manifest.json").unlink()
    versions.refresh()
    assert versions.get("shoes").version == first


def test_a_name_that_leads_out_of_the_store_is_refused(store, tmp_path):
    versions = Versions(store, tmp_path / "serving", prepare, "../shoes")
    versions.refresh()
    assert versions.all() == []
    with pytest.raises(InputError):
        store.manifest(ASSET, "../shoes")


def test_damaged_prepared_files_are_prepared_again(store, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(versions_module.time, "monotonic", lambda: now[0])
    version = write(store)
    folder = prepare(store, "shoes", tmp_path / "serving", version)
    (folder / "id.bytes").write_bytes(b"")
    versions = Versions(store, tmp_path / "serving", prepare)
    versions.refresh()
    assert versions.get("shoes") is None
    now[0] = 31.0
    versions.refresh()
    assert versions.get("shoes").products.ids.find("b") == 1
