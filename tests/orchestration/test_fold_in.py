"""Folding in between rebuilds: by the command with its processes, and when its schedule asks for it."""

import dagster as dg
import numpy as np
import pytest
from dagster._core.test_utils import environ

from core.recommendations.form import SOURCES
from core.store import Store
from orchestration import schedules
from orchestration.definitions import defs
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager
from orchestration.staleness import folded_in, stale_assets
from tests.pipeline import call, copied, environment, shipped_instance


@pytest.fixture(scope="module")
def shop(pipeline, tmp_path_factory):
    """The folder of an installation in which everything is made."""
    with copied(pipeline, tmp_path_factory.mktemp("shop")) as (folder, _):
        yield folder


def tick(folder):
    """What the schedule of beta answers."""
    store = StoreIOManager(Store(folder / "store").root)
    with shipped_instance(folder) as instance, environ({"RAW_DIR": str(folder)}):
        context = dg.build_schedule_context(instance=instance)
        return schedules._evaluate_fold_in(context, CATEGORIES["beta"], store)


def test_only_what_is_needed_is_made(shop):
    names = {key.to_user_string() for key in folded_in(CATEGORIES["beta"])}
    catalogue = {"raw_products", "raw_orders", "raw_relationships", "quarantine"}
    pairs = {"order_history", "order_relationships", "product_pairs"}
    lists = {"final_models", "recommendations", "published/api", "published/files"}
    assert names == catalogue | pairs | lists
    job = defs.resolve_job_def("fold_in")
    assert names <= {key.to_user_string() for key in job.asset_layer.asset_graph.materializable_asset_keys}


def test_a_new_product_is_in_the_lists_and_no_model_is_trained(shop, tmp_path):
    store = Store(shop / "store")
    before = store.read("final_models", "beta")
    assert "the source has not changed since it was last read" in tick(shop).skip_message
    with (shop / "tiny.csv").open("a") as source:
        source.write("p3,new,2\np5,new,3\np8,new,1\n")
    request = tick(shop)
    assert {key.to_user_string() for key in request.asset_selection} == {
        key.to_user_string() for key in folded_in(CATEGORIES["beta"])
    }
    assert request.partition_key == "beta" and request.tags["alsobought/why"].startswith(
        "raw_products its source changed"
    )

    done = call(environment(shop, tmp_path), "fold-in", "beta")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "beta: folded in within" in done.stderr and "embeddings" not in done.stderr
    final, pairs = store.read("final_models", "beta"), store.read("product_pairs", "beta")
    ids = pairs.products["product_id"].to_pylist()
    new = ids.index("new")
    assert (final.folded_in["new_products"], final.folded_in["products_with_other_pairs"]) == (1, 3)
    for name, model in final.models.items():
        if model.center is not None:
            np.testing.assert_array_equal(np.delete(model.center, new, axis=0), before.models[name].center)
    for asset in ("recommendations", "published/api"):
        lists = store.read(asset, "beta")
        assert lists.products["product_id"].to_pylist() == ids
        assert SOURCES[lists.sources["goes_with"][new, 0]] == "model"
        partners = [ids[node] for node in lists.neighbours["goes_with"][new, :10]]
        assert {"p3", "p5"} & set(partners)
        assert any(new in lists.neighbours["goes_with"][ids.index(name)] for name in ("p3", "p5", "p8"))
    assert "the source has not changed" in tick(shop).skip_message
    with environ({"RAW_DIR": str(shop)}):
        again = {key.to_user_string() for key in stale_assets(CATEGORIES["beta"], store, None).assets}
    assert {"pair_split", "embeddings/skipgram", "leaderboard", "final_models"} <= again  # by the next rebuild


def test_without_final_models_there_is_nothing_to_fold_into(shop, tmp_path, monkeypatch):
    nowhere = environment(shop, tmp_path) | {"ALSOBOUGHT_STORE": str(tmp_path / "store")}
    done = call(nowhere, "fold-in", "beta")
    assert done.returncode == 2 and "error: beta has no final models yet; run `make materialize CAT" in done.stderr
    monkeypatch.setitem(CATEGORIES, "none", CATEGORIES["missing"])
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance)
        store = StoreIOManager(Store(tmp_path / "store").root)
        skip = schedules._evaluate_fold_in(context, CATEGORIES["missing"], store)
    assert "there are no final models yet" in skip.skip_message


def test_its_schedule_starts_like_that_of_the_rebuild():
    by_name = {schedule.name: schedule for schedule in schedules.SCHEDULES}
    schedule = by_name["fold_in_beta"]
    assert "fold_in_alpha" not in by_name and schedule.cron_schedule == "*/20 * * * *"
    assert schedule.execution_timezone == "Europe/Berlin" and schedule.job_name == "fold_in"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
