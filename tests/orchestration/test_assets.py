"""The asset graph in a real Dagster instance: two partitions, faults, settings, schedules."""

import json
import re
import shutil

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
import pytest

from core.errors import InputError
from core.models import MODELS
from core.projection import ProjectionConfig, has_map, wanted
from core.store import Store
from core.store.manifest import digest
from orchestration.config import config_schema
from orchestration.definitions import defs
from orchestration.resources import TorchDevice
from tests.pipeline import UP_TO_THE_GRAPH, copied, run

STAGES = [*UP_TO_THE_GRAPH, "transition_matrix", "walks", "node2vec_walks", "leaderboard"]
STAGES += ["customer_vectors", "customer_lists", "final_models", "recommendations"]
STAGES += ["published/api", "published/files"]
ASSETS = STAGES + [f"{kind}/{name}" for name in MODELS for kind in ("embeddings", "metrics", "neighbours")]
ASSETS += [f"projection/{name}" for name in wanted(ProjectionConfig())]
UNASKED = [f"projection/{name}" for name, m in MODELS.items() if has_map(m) and f"projection/{name}" not in ASSETS]
UNASKED += ["published/vectors", "published/postgresql", "published/redis"]


@pytest.fixture(scope="module")
def built(pipeline, tmp_path_factory):
    """Store, instance and results by category, after both working categories were materialized once."""
    with copied(pipeline, tmp_path_factory.mktemp("pipeline")) as (folder, instance):
        yield Store(folder / "store"), instance, pipeline.results


def test_every_asset_of_both_partitions_is_materialized(built):
    store, instance, results = built
    for category, result in results.items():
        assert result.success, [e.message for e in result.all_events if e.is_failure]
        for asset in ASSETS:
            assert store.manifest(asset, category) is not None, (asset, category)
            key = dg.AssetKey(asset.split("/"))
            assert category in instance.get_materialized_partitions(key)
        for asset in UNASKED:
            assert store.manifest(asset, category) is None, (asset, category)


def test_manifests_carry_run_config_and_code_version(built):
    store, _, results = built
    manifest = store.manifest("embeddings/skipgram", "alpha")
    assert manifest.info["run_id"] == results["alpha"].run_id
    assert manifest.info["code_version"] == MODELS["skipgram"].version
    assert manifest.info["config"]["dim"] == 16 and manifest.info["config"]["epochs"] == 20


def test_the_stages_agree_with_each_other(built):
    store, _, _ = built
    for category in ("alpha", "beta"):
        pairs, split = store.read("product_pairs", category), store.read("pair_split", category)
        graph, matrix = store.read("product_graph", category), store.read("transition_matrix", category)
        walks = store.read("walks", category)
        assert pairs.products.num_rows == split.n_nodes == graph.n_nodes == matrix.shape[0]
        train = set(zip(split.train.source.tolist(), split.train.target.tolist(), strict=True))
        valid = set(zip(split.validation.source.tolist(), split.validation.target.tolist(), strict=True))
        assert not train & valid and graph.n_edges == len(train)
        assert train | valid <= set(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))
        steps = np.stack([walks[:, :-1].ravel(), walks[:, 1:].ravel()])
        steps = steps[:, (steps >= 0).all(axis=0)]
        assert steps.size and all(matrix[a, b] > 0 for a, b in steps.T[:500].tolist())


def test_every_model_answers_and_stands_on_the_leaderboard(built):
    store, _, _ = built
    for category in ("alpha", "beta"):
        long = store.read("leaderboard", category).to_pandas()
        trained = {name: model for name, model in MODELS.items() if model.needs is None}
        assert set(long["model"]) == set(trained) and set(long["category"]) == {category}
        for name, model in trained.items():
            rows = long[long["model"] == name]
            assert (rows["protocol"] == "time").any()
            rows = rows[rows["protocol"] != "time"]
            assert set(rows["scoring"]) == set(model.scorings)
            assert {"published", "degree_matched", "ranking"} <= set(rows["protocol"])
            # Beta is a pairs table without metadata, so this model can only list training pairs.
            only_pairs = name == "content_knn" and category == "beta"
            undefined = {"popularity_bias@10"} if only_pairs else set()
            assert set(rows["metric"][rows["value"].isna()]) == undefined
            neighbours = pq.read_table(store.file(f"neighbours/{name}", category, "table")).to_pandas()
            assert len(neighbours) and (neighbours["product"].astype(str) != neighbours["neighbour"].astype(str)).all()


def test_what_is_for_orders_costs_nothing_without_orders(built):
    store = built[0]
    for category in ("alpha", "beta"):
        assert store.read("sessions", category).shape == (0, 2)
        assert store.read("customer_lists", category).num_rows == 0
        for name in (name for name, model in MODELS.items() if model.needs is not None):
            trained = store.read(f"embeddings/{name}", category)
            assert "is trained only where there are" in trained.info["untrained"] and not trained.seen.any()
            assert store.read(f"metrics/{name}", category).metrics.num_rows == 0
            assert store.read(f"neighbours/{name}", category).table.num_rows == 0


def test_walk_models_beat_popularity_on_degree_matched_negatives(built):
    long = built[0].read("leaderboard", "alpha").to_pandas()
    rows = long[(long.protocol == "degree_matched") & (long.subset == "all") & (long.metric == "roc_auc")]
    best = rows.groupby("model").value.max()
    assert best["skipgram"] > best["popularity"] + 0.05
    assert abs(best["popularity"] - 0.5) < 0.1


def test_side_information_places_cold_products(built):
    """With metadata, the content model is the only one that answers for products without a training pair."""
    long = built[0].read("leaderboard", "alpha").to_pandas()
    rows = long[(long.protocol == "cold_start") & (long.metric == "roc_auc_uniform")]
    best = rows.groupby("model").value.max()
    assert best["content_knn"] > 0.6 and best["rp3beta"] == best["skipgram"] == best["node2vec"] == 0.5


def test_a_category_that_fails_names_the_remedy_and_leaves_the_others_alone(built, tmp_path):
    store, instance, _ = built
    before = store.manifest("raw_products", "alpha")
    result = run(store.root, "missing", instance)
    assert not result.success
    text = "\n".join(str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure)
    assert "not_there.json.gz" in text and "RAW_DIR" in text
    assert store.manifest("raw_products", "alpha") == before
    assert store.manifest("raw_products", "missing") is None


def test_a_failing_rebuild_leaves_the_earlier_artefacts_readable(built):
    store, instance, _ = built
    tiny = store.root.parent / "tiny.csv"
    whole, before = tiny.read_text(), store.manifest("product_pairs", "beta")
    try:
        tiny.write_text("product1,product2\n")
        assert not run(store.root, "beta", instance).success
    finally:
        tiny.write_text(whole)
    assert store.manifest("product_pairs", "beta") == before
    assert store.read("product_pairs", "beta").products.num_rows > 0


def test_launchpad_values_win_over_the_category_and_are_checked(built):
    store, instance, _ = built
    config = {"ops": {"walks": {"config": {"walk_length": 5}}}}
    result = run(store.root, "beta", instance, run_config=config, asset_selection=[dg.AssetKey("walks")])
    assert result.success
    assert store.read("walks", "beta").shape[1] == 5
    config["ops"]["walks"]["config"]["walk_length"] = 0
    with pytest.raises(
        dg.DagsterInvalidConfigError, match=r"walks\.walk_length: 0 is below the smallest allowed value"
    ):
        run(store.root, "beta", instance, run_config=config, asset_selection=[dg.AssetKey("walks")])
    assert store.read("walks", "beta").shape[1] == 5


def test_a_map_of_another_model_is_made_when_asked_for(built):
    store, instance, _ = built
    asset = UNASKED[0]
    config = {"ops": {asset.replace("/", "__"): {"config": {"models": "all"}}}}
    selection = [dg.AssetKey(asset.split("/"))]
    result = run(store.root, "alpha", instance, run_config=config, asset_selection=selection)
    assert result.success
    found, trained = store.read(asset, "alpha"), store.read(asset.replace("projection", "embeddings"), "alpha")
    assert found.nodes.tolist() == np.flatnonzero(trained.seen).tolist()
    assert found.position.shape == (len(found.nodes), 2) and np.abs(found.position).max() <= 1

    config["ops"][asset.replace("/", "__")]["config"]["models"] = "popularity"
    result = run(store.root, "alpha", instance, run_config=config, asset_selection=selection)
    text = "\n".join(str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure)
    assert not result.success and "'popularity' has no map" in text


def test_the_launchpad_documents_every_setting():
    for name, field in config_schema("walks").model_fields.items():
        assert "Default" in field.description, name
        assert field.default is None


def test_every_asset_has_a_group_kinds_and_a_description():
    graph = defs.resolve_asset_graph()
    keys = graph.materializable_asset_keys
    assert {key.to_user_string() for key in keys} == {*ASSETS, *UNASKED}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description and node.group_name != "default" and node.kinds, key
        assert node.partitions_def is not None and bool(node.code_version) == (key in keys)


def test_each_category_with_a_cron_has_a_schedule_that_names_its_partition():
    repository = defs.get_repository_def()
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert set(schedules) == {"rebuild_alpha", "rebuild_beta", "fold_in_beta", "verify_store_nightly"}
    assert schedules["rebuild_alpha"].default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedules["rebuild_beta"].default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedules["rebuild_beta"].execution_timezone == "Europe/Berlin"


def test_a_required_device_that_is_absent_is_a_clear_failure():
    import torch

    assert TorchDevice(device="cpu").resolve() == ("cpu", "demanded")
    with pytest.raises(InputError, match=r"torch_device\.device: the value is not one of auto, cpu, cuda"):
        TorchDevice(device="gpu").resolve()
    with pytest.raises(InputError, match=re.escape("'cuda:99' was demanded")):
        TorchDevice(device="cuda:99").resolve()
    if torch.cuda.is_available():
        assert TorchDevice().resolve() == ("cuda", "auto")
        return
    with pytest.raises(InputError, match=re.escape("'cuda' was demanded")):
        TorchDevice(device="cuda").resolve()
    if not torch.backends.mps.is_available():
        assert str(TorchDevice().resolve()) == "cpu (auto; this machine has no cuda and no mps)"


def metadata_of(instance, *asset):
    record = instance.fetch_materializations(dg.AssetKey(list(asset)), limit=1).records[0]
    return record.asset_materialization.metadata


def test_the_numbers_to_watch_are_floats_that_the_ui_draws_over_time(built):
    store, instance, _ = built
    facts = metadata_of(instance, "metrics", "skipgram")
    partition = instance.fetch_materializations(dg.AssetKey(["metrics", "skipgram"]), limit=1).records[0].partition_key
    rows = [row for row in store.read("metrics/skipgram", partition).metrics.to_pylist() if row["subset"] == "all"]
    recalls = {r["scoring"]: r["value"] for r in rows if (r["protocol"], r["metric"]) == ("ranking", "recall@10")}
    aucs = {r["scoring"]: r["value"] for r in rows if (r["protocol"], r["metric"]) == ("degree_matched", "roc_auc")}
    better = max(recalls, key=recalls.get)
    for name in ("recall@10", "NDCG@10", "degree-matched AUC", "coverage@10", "training seconds"):
        assert isinstance(facts[name], dg.FloatMetadataValue), name
    assert facts["recall@10"].value == recalls[better] and facts["degree-matched AUC"].value == aucs[better]


def test_the_leaderboard_names_the_best_model_and_its_lead(built):
    store, instance, _ = built
    record = instance.fetch_materializations(dg.AssetKey("leaderboard"), limit=1).records[0]
    facts = metadata_of(instance, "leaderboard")
    rows = store.read("leaderboard", record.partition_key).to_pandas()
    recalls = rows[(rows.protocol == "ranking") & (rows.metric == "recall@10")].groupby("model").value.max()
    first, second = recalls.sort_values(ascending=False)[:2]
    assert facts["best model"].value.split(", ") == [name for name in MODELS if recalls.get(name) == first]
    assert facts["lead"].value == pytest.approx(first - second) and facts["recall@10"].value == first
    assert "held-out partners" in facts["verdict"].value


def test_the_leaderboard_of_before_is_kept_to_show_what_has_changed(built):
    store, instance, _ = built
    before, board = store.manifest("leaderboard", "beta"), store.read("leaderboard", "beta")
    selection = [dg.AssetKey(["metrics", "popularity"]), dg.AssetKey("leaderboard")]
    config = {"ops": {"metrics__popularity": {"config": {"bootstrap": 7}}}}
    assert run(store.root, "beta", instance, run_config=config, asset_selection=selection).success
    assert store.previous("leaderboard", "beta").version == before.version
    assert store.read_previous("leaderboard", "beta").equals(board)
    assert not store.read("leaderboard", "beta").equals(board)


def test_device_and_precision_are_in_the_metadata(built):
    _, instance, _ = built
    record = instance.get_latest_materialization_event(dg.AssetKey(["embeddings", "skipgram"]))
    facts = record.asset_materialization.metadata
    assert facts["device"].value.split(" ")[0] in ("cpu", "cuda", "mps")
    assert facts["training"].value["precision"] == "float32"
    assert facts["training"].value["out_of_memory_halvings"] == 0


def test_an_unknown_precision_is_refused_before_training(built):
    store, instance, _ = built
    before = store.manifest("embeddings/skipgram", "alpha")
    config = {"resources": {"torch_device": {"config": {"precision": "fp4"}}}}
    result = run(
        store.root, "alpha", instance, run_config=config, asset_selection=[dg.AssetKey(["embeddings", "skipgram"])]
    )
    [failure] = [e.step_failure_data.error.cause for e in result.all_events if e.is_step_failure]
    assert "torch_device.precision: the value is not one of float32, tf32, bf16" in failure.message
    assert store.manifest("embeddings/skipgram", "alpha") == before


def test_the_steps_that_train_have_the_step_tags_of_the_file():
    jobs = defs.resolve_job_def("rebuild")
    tags = {node.name: node.definition.tags for node in jobs.nodes}
    limits = {"container_config": {"resources": {"limits": {"nvidia.com/gpu": 1}}}}
    for name, model in MODELS.items():
        own = tags[f"embeddings__{name}"]
        assert ("dagster-k8s/config" in own) == model.gpu
        if model.gpu:
            assert json.loads(own["dagster-k8s/config"]) == limits
    assert json.loads(tags["embeddings__skipgram"]["dagster-ray/config"]) == {"num_gpus": 1}
    assert "dagster-ray/config" not in tags["embeddings__node2vec"]
    assert json.loads(tags["final_models"]["dagster-k8s/config"]) == limits


def test_loading_what_was_never_materialized_says_what_to_run(tmp_path):
    instance = dg.DagsterInstance.ephemeral()
    result = run(tmp_path / "store", "alpha", instance, asset_selection=[dg.AssetKey("product_graph")])
    assert not result.success
    text = "\n".join(str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure)
    assert "make materialize CATEGORY=alpha" in text


WAY_TO_SKIPGRAM = [*UP_TO_THE_GRAPH, "transition_matrix", "walks", "embeddings/skipgram"]


def rebuild_warm(root, instance):
    """Rebuild beta up to skipgram with a warm start; return the result's facts about its start and the run's log."""
    config = {"ops": {"embeddings__skipgram": {"config": {"warm_start": True}}}}
    keys = [dg.AssetKey(asset.split("/")) for asset in WAY_TO_SKIPGRAM]
    result = run(root, "beta", instance, run_config=config, asset_selection=keys)
    assert result.success, [e.message for e in result.all_events if e.is_failure]
    log = [entry.user_message for entry in instance.all_logs(result.run_id)]
    return Store(root).read("embeddings/skipgram", "beta").info["start"], log


def test_a_rebuild_with_new_products_starts_from_the_last_embeddings(built, tmp_path):
    instance = built[1]
    root = tmp_path / "store"
    shutil.copytree(built[0].root, root)
    lines = (built[0].root.parent / "tiny.csv").read_text() + "".join(
        f"a{i},p{j},1\n" for i in range(9) for j in (i, 7)
    )
    (tmp_path / "tiny.csv").write_text(lines + "p1,zz,1\n")
    before = Store(root).read("embeddings/skipgram", "beta")
    kept = int(before.seen.sum())
    start, log = rebuild_warm(root, instance)
    split = Store(root).read("pair_split", "beta")
    after = Store(root).read("embeddings/skipgram", "beta")
    new = split.n_nodes - 80
    assert new == 10 and start["warm"] and start["kept"] == kept == 80 and start["dropped"] == 0
    assert start["from_neighbours"] == after.seen.sum() - kept > 0 and start["fresh"] == 0
    assert any(line.startswith("warm start: 80 products") for line in log)
    # The earlier products, recognized without their keys: new ids begin with a or z.
    same = Store(root).read("product_pairs", "beta").products["product_id"].to_pylist()
    rows = [i for i, product in enumerate(same) if product.startswith("p")]
    cosine = (before.center * after.center[rows]).sum(1) / np.linalg.norm(before.center, axis=1)
    assert (cosine / np.linalg.norm(after.center[rows], axis=1)).mean() > 0.9

    # The embeddings do not depend on themselves.
    graph = defs.resolve_asset_graph()
    key = dg.AssetKey(["embeddings", "skipgram"])
    assert key not in graph.get(key).parent_keys

    # With another split, the old vectors may have been trained on pairs that are now held out.
    config = {"ops": {"pair_split": {"config": {"validation_share": 0.2}}}}
    assert run(root, "beta", instance, run_config=config, asset_selection=[dg.AssetKey("pair_split")]).success
    config = {"ops": {"embeddings__skipgram": {"config": {"warm_start": True}}}}
    assert run(root, "beta", instance, run_config=config, asset_selection=[key]).success
    start = Store(root).read("embeddings/skipgram", "beta").info["start"]
    assert not start["warm"] and "shares of the split" in start["why"]


def test_embeddings_stored_before_there_were_keys_are_read_and_lead_to_a_cold_start(built, tmp_path):
    root = tmp_path / "store"
    shutil.copytree(built[0].root, root)
    shutil.copy(built[0].root.parent / "tiny.csv", tmp_path)
    for asset in ("embeddings/skipgram", "pair_split"):
        manifest = root / asset / "beta" / "manifest.json"
        old = json.loads(manifest.read_text())
        del old["fields"]["keys"]
        old["digest"] = digest(old["type"], old["fields"])
        manifest.write_text(json.dumps(old))
        assert Store(root).read(asset, "beta").keys is None
    start, log = rebuild_warm(root, built[1])
    assert not start["warm"] and "do not say to which products" in start["why"]
    assert any(line.startswith("cold start: the earlier vectors do not say") for line in log)
    start, _ = rebuild_warm(root, built[1])
    assert start["warm"] and start["kept"] == 80
