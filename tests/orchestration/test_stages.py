"""The table of stages: Dagster's assets, the stale assets and the explorer's Freshness page agree with it."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import paths
from core.categories import Category, load_categories
from core.changes import DAMAGED, FRESH, MISSING, OUTDATED, states
from core.delivery.config import RedisConfig
from core.errors import InputError
from core.models import MODELS
from core.projection import has_map
from core.stages import expected, stages, stages_of
from core.store import Store
from core.store.manifest import Manifest

SAMPLE = Category("c", "C", source="sample")


def stored(assets):
    """Manifests of a category in which every asset is fresh."""
    return {
        asset.asset: Manifest(
            asset.asset, "c", "v", "table", {}, 1.0,
            {
                "code_version": asset.code_version,
                "config": dict(asset.config or {}),
                "inputs": {name: f"{name} 1" for name in asset.inputs},
                "source": asset.source,
            },
            f"{asset.asset} 1",
        )
        for asset in assets
    }  # fmt: skip


def by_name(assets, manifests):
    return {state.asset: state for state in states(assets, manifests.get)}


def with_info(manifest, **info):
    return dataclasses.replace(manifest, info=manifest.info | info)


def test_every_asset_comes_after_its_inputs():
    seen = set()
    for name, stage in stages().items():
        assert set(stage.inputs.values()) <= seen, name
        assert stage.asset == name and stage.description.endswith((".", "load.")) and stage.code_version
        seen.add(name)


def test_the_assets_of_dagster_are_those_of_the_table():
    from orchestration.definitions import defs

    graph = defs.resolve_asset_graph()
    table = stages()
    assert {key.to_user_string() for key in graph.materializable_asset_keys} == set(table)
    for key in graph.materializable_asset_keys:
        node, stage = graph.get(key), table["/".join(key.path)]
        parents = {"/".join(parent.path) for parent in node.parent_keys & graph.materializable_asset_keys}
        assert parents == set(stage.inputs.values())
        assert (node.group_name, node.description, node.code_version) == (
            stage.group, stage.description, stage.code_version,
        )  # fmt: skip
        together = {"/".join(other.path) for other in node.execution_set_asset_keys}
        assert together == {other.asset for other in table.values() if other.step == stage.step}
        sections = {parent.path[1] for parent in node.parent_keys if parent.path[0] == "settings"}
        rules = {parent.path[-1] for parent in node.parent_keys} & {"rules"}
        assert rules == ({"rules"} if stage.reads_rules else set())
        assert sections == ({stage.section} if stage.section else set()) | ({"sample"} if stage.reads_source else set())


def test_a_rebuild_makes_the_maps_that_a_category_asks_for():
    some = dataclasses.replace(SAMPLE, settings={"projection": {"models": "skipgram"}})
    maps = [name for name in stages_of(some) if name.startswith("projection/")]
    assert maps == ["projection/skipgram"]
    every = dataclasses.replace(SAMPLE, settings={"projection": {"models": "all"}})
    assert {name for name in stages() if not name.startswith("published/")} <= set(stages_of(every))
    able = {f"projection/{name}" for name, model in MODELS.items() if has_map(model)}
    assert {name for name in stages_of(every) if name.startswith("projection/")} == able


def test_a_rebuild_delivers_to_the_places_that_a_category_names():
    def places(category):
        return [name for name in stages_of(category) if name.startswith("published/")]

    assert places(SAMPLE) == ["published/api", "published/files"]
    elsewhere = dataclasses.replace(SAMPLE, publish={"redis": RedisConfig("REDIS", keep_hours=3.0)})
    assert places(elsewhere) == ["published/redis"]
    assert stages()["published/redis"].settings(elsewhere)["keep_hours"] == 3.0
    assert stages()["published/redis"].settings(SAMPLE) is None


def test_settings_are_those_of_the_source_that_a_category_has():
    assert stages()["raw_products"].section_of(SAMPLE) == "sample"
    assert stages()["raw_products"].section_of(dataclasses.replace(SAMPLE, source="pairs.csv")) == "catalog"
    walks = dataclasses.replace(SAMPLE, settings={"walks": {"walk_length": 7}})
    assert stages()["walks"].settings(walks)["walk_length"] == 7
    assert stages()["product_graph"].settings(SAMPLE) is None


def test_an_unchanged_asset_is_fresh():
    assets = expected(SAMPLE)
    assert {state.state for state in states(assets, stored(assets).get)} == {FRESH}


def test_a_change_makes_everything_that_follows_out_of_date():
    assets = expected(SAMPLE)
    manifests = stored(assets)
    manifests["product_graph"] = dataclasses.replace(manifests["product_graph"], digest="product_graph 2")
    found = by_name(assets, manifests)
    assert found["pair_split"].state == found["product_graph"].state == FRESH
    assert found["transition_matrix"].sentence == "out of date: product_graph changed since"
    assert found["walks"].sentence == "out of date: transition_matrix will change"
    assert found["leaderboard"].state == OUTDATED and found["neighbours/popularity"].state == OUTDATED

    del manifests["walks"]
    found = by_name(assets, manifests)
    assert (found["walks"].state, found["walks"].manifest) == (MISSING, None)
    assert {state.state for state in states(assets, {}.get)} == {MISSING}


def test_an_input_made_again_with_the_same_content_changes_nothing():
    assets = expected(SAMPLE)
    manifests = stored(assets)
    manifests["product_graph"] = dataclasses.replace(manifests["product_graph"], version="w", created=9e9)
    assert {state.state for state in states(assets, manifests.get)} == {FRESH}


def test_assets_of_one_step_are_made_together():
    assets = expected(SAMPLE)
    manifests = stored(assets)
    del manifests["quarantine"]
    found = by_name(assets, manifests)
    assert found["raw_products"].follows == ("quarantine",) and found["raw_products"].reason == ""
    assert found["product_pairs"].state == OUTDATED


def test_changed_settings_are_named():
    assets = expected(dataclasses.replace(SAMPLE, settings={"walks": {"walk_length": 10}}))
    manifests = stored(assets)
    manifests["walks"] = with_info(manifests["walks"], config=manifests["walks"].info["config"] | {"walk_length": 8})
    assert by_name(assets, manifests)["walks"].sentence == "out of date: settings changed: walk_length 8 → 10"


def test_a_damaged_manifest_is_reported_and_made_again():
    assets = expected(SAMPLE)
    manifests = stored(assets)

    def read(asset):
        if asset == "walks":
            raise InputError("walks/c/manifest.json is damaged")
        return manifests.get(asset)

    found = {state.asset: state for state in states(assets, read)}
    assert (found["walks"].state, found["walks"].trouble) == (DAMAGED, "walks/c/manifest.json is damaged")
    assert found["cooccurrence" if "cooccurrence" in found else "embeddings/cooccurrence"].state == OUTDATED


CHANGES = {
    "missing": lambda manifest: None,
    "code": lambda manifest: with_info(manifest, code_version="0"),
    "content": lambda manifest: dataclasses.replace(manifest, digest="other"),
    "settings": lambda manifest: with_info(manifest, config={"unknown": 1}),
    "older program": lambda manifest: dataclasses.replace(manifest, info={}),
}


@pytest.fixture(scope="module")
def category():
    return load_categories(paths.categories_file())["alpha"]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_explorer_and_the_schedule_give_one_answer(data, category):
    """A manifest with an old code version of ``pair_split`` was up to date for one and out of date for the other."""
    from explorer.freshness import readers
    from explorer.shared import store_reader
    from orchestration.staleness import stale_assets

    assets = expected(category)
    manifests = stored(assets)
    names = st.sampled_from(sorted(manifests))
    for name in data.draw(st.lists(names, max_size=4, unique=True) | st.just(["pair_split"])):
        manifests[name] = CHANGES[data.draw(st.sampled_from(sorted(CHANGES)))](manifests[name])

    class Stored(Store):
        def manifest(self, asset, category):
            return manifests.get(asset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_reader, "installed_store", lambda: Stored("/nowhere"))
        shown, problem = readers.asset_states(category.name)
    asked = stale_assets(category, Stored("/nowhere"), None)
    assert problem is None
    assert [s.asset for s in shown if s.state != FRESH] == [key.to_user_string() for key in asked.assets]
    assert {s.asset: s.reason for s in shown if s.reason} == asked.reasons
