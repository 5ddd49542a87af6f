"""The lists that the API serves, as artefacts of the store with a way back."""

import json

import pytest

from core.changes import states
from core.delivery.api import Api
from core.errors import InputError
from core.stages import expected
from core.store import Store
from core.store.artefacts import PREVIOUS
from tests.core.delivery import shop

ASSET = "published/api"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def served(store):
    return shop.rows(store.read(ASSET, "shoes"))


def test_it_is_a_copy_in_the_store_with_a_way_back(store):
    api = Api("shoes", store)
    assert api.current() is None and api.previous() is None
    with pytest.raises(InputError, match="no previous version of published/api of shoes"):
        api.put_back()
    shop.send(api, shop.lists("a"))
    store.write("recommendations", "shoes", shop.lists("b"))
    assert served(store) == shop.rows(shop.lists("a"))
    for marker in "bc":
        shop.send(api, shop.lists(marker))
    assert shop.rows(store.read_previous(ASSET, "shoes")) == shop.rows(shop.lists("b"))
    assert api.previous().rows == shop.lists("b").rows
    api.put_back()
    assert served(store) == shop.rows(shop.lists("b"))
    api.put_back()
    assert served(store) == shop.rows(shop.lists("c"))
    shop.send(api, shop.lists("c"))  # the same lists again: b is still the way back
    assert api.put_back() and served(store) == shop.rows(shop.lists("b"))


def test_versions_that_can_be_put_back_outlive_later_writes(store, monkeypatch):
    """Later versions of the same content do not make the store forget the previous one."""
    api = Api("shoes", store)
    monkeypatch.setattr("core.store.artefacts.time.time", lambda: 2e9)  # no version counts as young
    for marker in "abbbb":
        shop.send(api, shop.lists(marker))
    folders = [path for path in store.folder(ASSET, "shoes").iterdir() if path.is_dir()]
    assert len(folders) == 3  # the current one, the one before it for readers on their way, and the previous one
    api.put_back()
    assert served(store) == shop.rows(shop.lists("a"))


def test_what_was_put_back_is_not_out_of_date(store):
    """Otherwise the next tick of the schedule would publish again what somebody took back."""
    category = shop.category(api=True)
    [asset] = [asset for asset in expected(category) if asset.asset == ASSET]
    info = {"code_version": asset.code_version, "config": {}}
    for marker in "ab":
        lists = store.write("recommendations", "shoes", shop.lists(marker))
        shop.send(Api("shoes", store, info | {"inputs": {"recommendations": lists.digest}}), shop.lists(marker))
    Api("shoes", store).put_back()

    def state():
        found = {one.asset: one for one in states(expected(category), lambda name: store.manifest(name, "shoes"))}
        return found[ASSET].reason

    assert state() == "" and served(store) == shop.rows(shop.lists("a"))
    store.write("recommendations", "shoes", shop.lists("c"))
    assert state() == "recommendations changed since"


def test_files_that_are_gone_are_not_put_back(store):
    api = Api("shoes", store)
    for marker in "ab":
        shop.send(api, shop.lists(marker))
    previous = json.loads((store.folder(ASSET, "shoes") / PREVIOUS).read_text())
    (store.folder(ASSET, "shoes") / previous["version"] / "products.parquet").unlink()
    with pytest.raises(InputError, match=r"products\.parquet was removed"):
        api.put_back()
    assert served(store) == shop.rows(shop.lists("b"))
    (store.folder(ASSET, "shoes") / PREVIOUS).write_text("{")
    with pytest.raises(InputError, match=r"previous\.json is damaged"):
        api.put_back()
    shop.send(api, shop.lists("c"))
    assert api.put_back() and served(store) == shop.rows(shop.lists("b"))
