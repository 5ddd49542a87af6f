"""A change of rules, stock or pins makes the lists out of date, and nothing else."""

import dataclasses
import os

import pytest

from core.categories import Category
from core.changes import FRESH, states
from core.recommendations.rules.book import RuleBook, Rules
from core.recommendations.state import lists_state
from core.stages import expected, stages
from core.store.manifest import Manifest

SHOES = Category("shoes", "Shoes", "shoes.csv", stock="stock.csv", pins="pins.csv")


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "stock.csv").write_text("product_id,in_stock\na,true\n")
    (tmp_path / "pins.csv").write_text("product_id,neighbour,slot,action,rank\n")
    return tmp_path


def out_of_date(category, before, now):
    assets = expected(category, lists=before)
    manifests = {
        asset.asset: Manifest(
            asset.asset, "shoes", "v", "table", {}, 1.0,
            {"code_version": asset.code_version, "config": dict(asset.config or {}), "lists": asset.lists,
             "inputs": {name: f"{name} 1" for name in asset.inputs}, "source": asset.source},
            f"{asset.asset} 1",
        )
        for asset in assets
    }  # fmt: skip
    return {s.asset: s.sentence for s in states(expected(category, lists=now), manifests.get) if s.state != FRESH}


def test_only_the_lists_depend_on_rules_stock_and_pins(raw):
    before = lists_state(SHOES, raw)
    assert out_of_date(SHOES, before, lists_state(SHOES, raw)) == {}
    (raw / "stock.csv").write_text("product_id,in_stock\na,false\n")
    (raw / "pins.csv").write_text("product_id,neighbour,slot,action,rank\na,b,,pin,\n")
    changed = dataclasses.replace(SHOES, rules=RuleBook(common=Rules(max_per_brand=1)))
    now = lists_state(changed, raw)
    follow = {name for name, stage in stages().items() if "recommendations" in stage.inputs.values()}
    stale = out_of_date(changed, before, now)
    assert set(stale) - follow == {"recommendations"}
    assert stale["recommendations"] == "out of date: rules and stock and pins changed"
    assert out_of_date(changed, before, {**now, "stock": None, "pins": None})["recommendations"].endswith(
        ": rules changed"
    )


def test_a_file_that_is_only_touched_has_not_changed_and_one_that_is_gone_has(raw):
    before = lists_state(SHOES, raw)
    os.utime(raw / "stock.csv", ns=(1, 1))
    assert lists_state(SHOES, raw) == before
    (raw / "stock.csv").unlink()
    assert lists_state(SHOES, raw)["stock"] == {"path": "stock.csv", "sha256": "the file is missing"}
    assert lists_state(SHOES, raw, only_at_hand=True)["stock"] is None  # it may be on another machine
    assert lists_state(dataclasses.replace(SHOES, stock=None, pins=None), raw) == {"rules": {}, "stock": {}, "pins": {}}


def test_a_server_that_is_not_asked_counts_as_unchanged(raw):
    remote = dataclasses.replace(SHOES, stock="https://shop.example/stock.csv")
    assert lists_state(remote, raw, only_at_hand=True)["stock"] is None
