"""A shop's lists through the asset graph: made with everything else, and alone when rules, stock or pins change."""

import dataclasses

import dagster as dg
import numpy as np
import pytest
from dagster._core.test_utils import environ

from core.recommendations.rules.book import parse_rules
from core.stages import stages
from core.store import Store
from orchestration import observations, sensors
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager
from orchestration.staleness import stale_assets
from tests.pipeline import copied, run

LISTS = dg.AssetKey("recommendations")


@pytest.fixture(scope="module")
def built(pipeline, tmp_path_factory):
    """The folder of the store and the sources, and the instance."""
    with copied(pipeline, tmp_path_factory.mktemp("lists")) as (folder, instance):
        yield folder, instance


def make_lists(built, **more):
    return run(built[0] / "store", "beta", built[1], asset_selection=[LISTS], **more)


def failures(result):
    return "\n".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)


def stale(folder):
    """The assets that are out of date, and the reasons up to the lists; deliveries follow the lists."""
    with environ({"RAW_DIR": str(folder)}):
        found = stale_assets(CATEGORIES["beta"], Store(folder / "store"), None)
    reasons = {name: reason for name, reason in found.reasons.items() if not name.startswith("published/")}
    return {key.to_user_string() for key in found.assets}, reasons


def lists_tick(built, cursor=None):
    """A tick of the sensor of beta's lists, and its cursor."""
    folder, instance = built
    store = StoreIOManager(Store(folder / "store").root)
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_name="r")
    with environ({"RAW_DIR": str(folder)}):
        return sensors._evaluate_lists(context, CATEGORIES["beta"], store), context.cursor


def test_lists_are_made_with_everything_else(built, pipeline):
    folder, instance = built
    store = Store(folder / "store")
    for category in ("alpha", "beta"):
        final, lists = store.read("final_models", category), store.read("recommendations", category)
        pairs = store.read("product_pairs", category)
        assert lists.slots == ("goes_with", "similar") and set(final.slots) == {"goes_with", "similar"}
        board = [row for row in store.read("leaderboard", category).to_pylist() if row["value"] is not None]
        for slot, is_similar in (("goes_with", False), ("similar", True)):
            best = max(
                row["value"] for row in board
                if (row["protocol"], row["metric"]) == ("ranking", "recall@10")
                and (row["scoring"] == "center_center") == is_similar
            )  # fmt: skip
            assert final.slots[slot]["vouched_by"]["value"] == best
            assert (lists.neighbours[slot] >= 0).all() and lists.neighbours[slot].shape == (pairs.products.num_rows, 20)
        graph = final.models["content_knn"].matrices["chain_1"]
        assert graph.nnz == 2 * len(pairs.source) > 2 * len(store.read("pair_split", category).train.source)
        for name, trained in final.models.items():
            judged = store.manifest(f"embeddings/{name}", category).info["config"]
            assert {key: value for key, value in trained.info["config"].items() if key in judged} == judged
    event = instance.get_latest_materialization_event(dg.AssetKey("final_models")).asset_materialization
    assert {"slots", "models", "training seconds", "judged seconds", "cost"} <= set(event.metadata)
    assert not list((folder / "data" / "checkpoints").rglob("*final_models*/*"))


@pytest.fixture
def shop(built, monkeypatch):
    """Beta with rules, a stock table and pins; afterwards it is as before, and so are its lists."""
    folder, _ = built
    ids = Store(folder / "store").read("product_pairs", "beta").products["product_id"].to_pylist()
    (folder / "stock.csv").write_text("product_id,in_stock\n" + "".join(f"{i},{i != 'p7'}\n" for i in ids))
    (folder / "pins.csv").write_text(
        "product_id,neighbour,slot,action,rank\np1,p9,similar,pin,3\np1,p2,,block,\np1,nobody,,pin,\n"
    )
    before = CATEGORIES["beta"]
    rules = parse_rules("x", {"all": {"diversity": 0.2}})
    monkeypatch.setitem(
        CATEGORIES, "beta", dataclasses.replace(before, rules=rules, stock="stock.csv", pins="pins.csv")
    )
    yield ids
    monkeypatch.undo()
    assert make_lists(built).success


def test_a_change_of_rules_stock_or_pins_makes_the_lists_again_and_nothing_else(built, shop):
    folder, _ = built
    names, reasons = stale(folder)
    after = {"recommendations"} | {name for name in names if "recommendations" in stages()[name].inputs.values()}
    assert names == after and reasons == {"recommendations": "rules and stock and pins changed"}
    first, cursor = lists_tick(built)
    assert "once they have stayed the same" in first.skip_message
    request, _ = lists_tick(built, cursor)
    assert {key.to_user_string() for key in request.asset_selection} >= {"recommendations"}
    assert "final_models" not in {key.to_user_string() for key in request.asset_selection}
    assert request.partition_key == "beta" and request.tags["alsobought/why"] == "rules and stock and pins changed"

    result = make_lists(built)
    assert result.success, failures(result)
    assert "recommendations" not in stale(folder)[0] and "not changed" in lists_tick(built, cursor)[0].skip_message
    lists = Store(folder / "store").read("recommendations", "beta")
    sold_out, p1, p2, p9 = (shop.index(name) for name in ("p7", "p1", "p2", "p9"))
    for slot in lists.slots:
        assert not (lists.neighbours[slot] == sold_out).any() and p2 not in lists.neighbours[slot][p1]
    assert lists.neighbours["similar"][p1, 2] == p9
    [event] = [event for event in result.all_events if event.is_step_materialization]
    metadata = event.step_materialization_data.materialization.metadata
    price = metadata["recall price of the rules"].value["goes_with"]
    assert price["recall@10"] > 0 and price["price"] == pytest.approx(price["recall@10"] - price["with_rules"])
    assert metadata["pins"].value["unknown_ids"] == 1 and metadata["stock"].value["sold_out"] == 1

    (folder / "stock.csv").write_text("product_id,in_stock\np7,true\np8,false\n")
    assert stale(folder)[1] == {"recommendations": "stock changed"}
    (folder / "stock.csv").write_text("")
    result = make_lists(built)
    assert not result.success and "stock.csv: the file is empty" in failures(result)
    assert Store(folder / "store").read("recommendations", "beta").neighbours["similar"][p1, 2] == p9
    (folder / "stock.csv").unlink()
    assert stale(folder)[1] == {"recommendations": "stock changed"}


def test_lists_that_changed_too_much_are_not_stored_unless_allowed(built):
    folder, _ = built
    store = Store(folder / "store")
    lists = store.read("recommendations", "beta")
    others = {slot: np.roll(nodes, 31, axis=0) for slot, nodes in lists.neighbours.items()}
    store.write("published/api", "beta", dataclasses.replace(lists, neighbours=others))
    before = store.manifest("recommendations", "beta")
    guard = {"lists_warn": 0.1, "lists_stop": 0.2}

    def config(**more):
        return {"ops": {"recommendations": {"config": {"guard": guard | more}}}}

    result = make_lists(built, run_config=config())
    assert not result.success and "change_allowed: goes_with: of 80 published lists 0 are lost" in failures(result)
    assert store.manifest("recommendations", "beta") == before
    result = make_lists(built, run_config=config(allow_change=True))
    assert result.success, failures(result)
    found = [e.event_specific_data for e in result.all_events if e.event_type_value == "ASSET_CHECK_EVALUATION"]
    assert {check.check_name: check.passed for check in found} == {
        "rules_kept": True, "distinct": True, "pins_kept": True, "files_read": True, "change": False,
        "change_allowed": True,
    }  # fmt: skip
    assert store.manifest("recommendations", "beta").version != before.version


def test_a_change_of_the_length_of_lists_trains_no_model(built, monkeypatch):
    before = CATEGORIES["beta"]
    longer = {**before.settings, "recommendations": {"k": 7}}
    monkeypatch.setitem(CATEGORIES, "beta", dataclasses.replace(before, settings=longer))
    names, reasons = stale(built[0])
    assert reasons == {"recommendations": "settings changed: k 20 → 7"} and "final_models" not in names


def test_dagster_is_told_of_changed_rules(built, monkeypatch):
    _, instance = built
    observations.report_settings(instance)
    assert observations.report_settings(instance) == []
    rules = parse_rules("x", {"all": {"max_per_brand": 2}})
    monkeypatch.setitem(CATEGORIES, "beta", dataclasses.replace(CATEGORIES["beta"], rules=rules))
    assert observations.report_settings(instance) == ["rules of beta"]
    monkeypatch.undo()
    observations.report_settings(instance)


def test_only_categories_with_rules_stock_or_pins_have_a_sensor_of_their_lists(built, shop):
    assert not [sensor.name for sensor in sensors.SENSORS if sensor.name.startswith("lists_")]
    sensor = sensors._lists_sensor(CATEGORIES["beta"])
    assert sensor.name == "lists_beta" and sensor.default_status == dg.DefaultSensorStatus.STOPPED
    watched = dataclasses.replace(CATEGORIES["beta"], watch=True)
    assert sensors._lists_sensor(watched).default_status == dg.DefaultSensorStatus.RUNNING
