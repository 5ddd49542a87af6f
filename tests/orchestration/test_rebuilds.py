"""Rebuilds in a real Dagster instance: requested and skipped runs, stale assets, and refused values."""

import dataclasses
import functools
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import numpy as np
import psutil
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.events import EngineEventData
from dagster._core.loader import LoadingContextForTest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test, environ
from dagster._grpc.impl import get_external_schedule_execution, get_external_sensor_execution
from dagster._utils.tags import TagConcurrencyLimitsCounter

from core.errors import InputError
from core.models import MODELS
from core.stages import stages_of
from core.store import Store
from orchestration import alerts, observations, sensors
from orchestration.definitions import build_defs
from orchestration.partitions import CATEGORIES
from orchestration.runs import monitoring, requests
from tests.conftest import ROOT
from tests.pipeline import UP_TO_THE_GRAPH, copied, run, shipped_instance

RAW = [dg.AssetKey(name) for name in ("raw_products", "raw_orders", "raw_relationships", "quarantine")]


@pytest.fixture(scope="module")
def built(pipeline, tmp_path_factory):
    """The folder of the store and the sources, and the instance."""
    with copied(pipeline, tmp_path_factory.mktemp("rebuilds")) as found:
        yield found


@pytest.fixture
def source(built):
    """The source file; it is restored afterwards with its time, and Dagster is told."""
    path = built[0] / "tiny.csv"
    text, stat = path.read_bytes(), path.stat()
    yield path
    path.write_bytes(text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    tick(built, "source_beta", "sensor")


@pytest.fixture
def changed_settings(built, monkeypatch):
    """Changes beta's settings like an edited categories.yaml, and restores them afterwards, in Dagster too."""

    def change(section, **values):
        before = CATEGORIES["beta"]
        own = {**before.settings, section: {**before.settings.get(section, {}), **values}}
        monkeypatch.setitem(CATEGORIES, "beta", dataclasses.replace(before, settings=own))
        observations.report_settings(built[1])

    yield change
    monkeypatch.undo()
    observations.report_settings(built[1])


@functools.cache
def repository():
    return build_defs().get_repository_def()


def tick(built, name, kind="schedule"):
    """The result of a tick, evaluated the way the daemon does it: a run request, or the reason for skipping.

    For a sensor it is the second of two ticks: a change must have lasted since the first one, see the test of a
    growing file.
    """
    if kind == "schedule":
        return yielded(evaluated(built, name, kind))
    return yielded(evaluated(built, name, kind, evaluated(built, name, kind).cursor))


def evaluated(built, name, kind, cursor=None):
    folder, instance = built
    repo = repository()
    with environ({"RAW_DIR": str(folder), "ALSOBOUGHT_STORE": str(folder / "store")}):
        if kind == "schedule":
            return get_external_schedule_execution(repo, instance.get_ref(), name, time.time(), "UTC", None)
        return get_external_sensor_execution(repo, None, instance.get_ref(), name, None, None, cursor, None, None)


def yielded(found):
    if not found.run_requests:
        return found.skip_message
    [request] = found.run_requests
    return request


def asked(request):
    return {key.to_user_string() for key in request.asset_selection}


def stale(built):
    """Materializable assets of beta that the UI shows as out of date or missing."""
    _, instance = built
    graph = repository().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    keys = [k for k in graph.materializable_asset_keys if instance.get_materialized_partitions(k)]
    return {k.to_user_string() for k in keys if resolver.get_status(k, "beta") != StaleStatus.FRESH}


def made_from(asset):
    """The asset and everything that is made from it."""
    names = {asset}
    for name, stage in stages_of(CATEGORIES["beta"]).items():
        if names & set(stage.inputs.values()):
            names.add(name)
    return names


LEADERBOARD = made_from("leaderboard")


def followers(*models):
    """All assets that are made from a model's embeddings, including models built on it."""
    names = [name for name in MODELS if name in models or set(models) & set(MODELS[name].models)]
    found = {f"{stage}/{name}" for name in names for stage in ("embeddings", "metrics", "neighbours")}
    others = {"skipgram": {"projection/skipgram", "customer_vectors"}, "next_purchase": {"customer_lists"}}
    return found.union(LEADERBOARD, *(others.get(name, set()) for name in names))


def test_after_a_rebuild_nothing_is_out_of_date_and_a_tick_skips_with_a_sentence(built):
    assert stale(built) == set()
    found = tick(built, "rebuild_beta")
    assert "beta: nothing changed" in found and "nothing is missing" in found


@pytest.mark.parametrize("model", ["skipgram", "rp3beta"])
def test_a_models_settings_make_exactly_that_model_out_of_date(built, changed_settings, model):
    changed_settings(model, **{"skipgram": {"epochs": 21}, "rp3beta": {"beta": 0.3}}[model])
    assert stale(built) == {f"embeddings/{model}"}  # Dagster marks what follows once this is made again
    request = tick(built, "rebuild_beta")
    assert request.partition_key == "beta" and asked(request) == followers(model)
    assert f"embeddings/{model} settings changed" in request.tags["alsobought/why"]


def test_settings_of_the_evaluation_touch_no_model(built, changed_settings):
    changed_settings("evaluation", bootstrap=21)
    expected = {f"metrics/{name}" for name in MODELS}
    assert stale(built) == expected and asked(tick(built, "rebuild_beta")) == expected | LEADERBOARD


def test_the_guards_settings_make_nothing_out_of_date(built, changed_settings):
    changed_settings("guard", min_share=0.1)
    assert stale(built) == set()
    assert isinstance(tick(built, "rebuild_beta"), str)


def test_a_changed_map_setting_asks_for_the_new_map_alone(built, changed_settings):
    changed_settings("projection", models="skipgram node2vec")
    assert {"projection/node2vec", "projection/skipgram"} == asked(tick(built, "rebuild_beta"))


def test_another_code_version_of_a_model_is_seen(built, monkeypatch):
    name = "popularity"
    monkeypatch.setitem(MODELS, name, dataclasses.replace(MODELS[name], version="next"))
    monkeypatch.setattr("tests.orchestration.test_rebuilds.repository", repository.__wrapped__)
    request = tick(built, "rebuild_beta")
    assert asked(request) == followers(name) and stale(built) == {f"embeddings/{name}"}
    assert "the current one is next" in request.tags["alsobought/why"]


def test_a_lost_artefact_is_made_again_with_what_follows(built):
    folder, _ = built
    manifest = folder / "store" / "neighbours" / "rp3beta" / "beta" / "manifest.json"
    text = manifest.read_bytes()
    manifest.unlink()
    try:
        assert asked(tick(built, "rebuild_beta")) == {"neighbours/rp3beta"}
    finally:
        manifest.write_bytes(text)


def test_a_changed_source_is_seen_by_sensor_and_schedule_and_asked_for_once(built, source):
    assert "has not changed since it was read" in tick(built, "source_beta", "sensor")
    source.write_bytes(source.read_bytes() + b"p1,p2,0.5\n")
    request = tick(built, "source_beta", "sensor")
    assert request.partition_key == "beta" and request.run_key
    assert {name for name in asked(request) if name.startswith("projection")} == {"projection/skipgram"}  # asked for
    assert {"quarantine", "leaderboard", *followers(*MODELS)} <= asked(request)
    assert tick(built, "source_beta", "sensor").run_key == request.run_key
    assert {"raw_products", "quarantine", "walks", "leaderboard"} <= asked(tick(built, "rebuild_beta"))
    assert {"raw_products", "raw_orders", "raw_relationships", "quarantine"} <= stale(built)
    source.write_bytes(source.read_bytes() + b"p2,p3,0.5\n")
    assert tick(built, "source_beta", "sensor").run_key != request.run_key


def test_a_growing_file_is_left_alone_until_it_stays_the_same(built, source):
    """During an upload that takes longer than the sensor's interval, a rebuild would read a part of the file."""
    found, cursor = [], evaluated(built, "source_beta", "sensor").cursor
    for _ in range(4):
        source.write_bytes(source.read_bytes() + b"p1,p2,0.5\n")
        at = evaluated(built, "source_beta", "sensor", cursor)
        found.append(yielded(at))
        cursor = at.cursor
    assert all("stayed the same" in one for one in found)
    os.utime(source, ns=(1, 1))  # the same size, another time
    at = evaluated(built, "source_beta", "sensor", cursor)
    assert "stayed the same" in yielded(at)
    assert yielded(evaluated(built, "source_beta", "sensor", at.cursor)).partition_key == "beta"


def test_a_source_without_a_state_is_read_at_every_tick(built, monkeypatch):
    """A server may send neither date nor size nor checksum; "the same source" would then be a guess."""
    monkeypatch.setattr(observations, "source_state", lambda category: None)
    request = tick(built, "rebuild_beta")
    assert {"raw_products", "raw_orders", "raw_relationships", "quarantine"} <= asked(request)
    assert "source" in request.tags["alsobought/why"]


def test_a_missing_source_is_a_sentence_on_the_sensor_and_a_failing_run_on_the_schedule(built, source):
    source.unlink()
    assert "tiny.csv does not exist" in tick(built, "source_beta", "sensor")
    assert "not_there.json.gz does not exist" in tick(built, "source_missing", "sensor")
    assert "tiny.csv does not exist" in tick(built, "rebuild_beta").tags["alsobought/why"]


def test_a_touched_source_with_the_same_content_remakes_the_catalogue_and_nothing_else(built):
    folder, instance = built
    os.utime(folder / "tiny.csv")
    before = Store(folder / "store").manifest("product_pairs", "beta")
    with environ({"RAW_DIR": str(folder)}):
        assert run(folder / "store", "beta", instance, asset_selection=RAW).success
    assert stale(built) == set()
    assert isinstance(tick(built, "rebuild_beta"), str)
    assert Store(folder / "store").manifest("product_pairs", "beta") == before


def test_only_the_sensor_that_reports_settings_is_on(built):
    running = {s.name for s in repository().sensor_defs if s.default_status == dg.DefaultSensorStatus.RUNNING}
    assert running == {"settings_reported"}
    assert {s.name for s in sensors.SENSORS} == {
        "source_beta", "source_missing", "settings_reported", "failure_webhook"
    }  # fmt: skip


def test_an_asset_made_with_launchpad_values_is_stale_until_it_is_made_again(built):
    """A model made with other values than those of the file is out of date, and no other model is."""
    folder, instance = built
    key = dg.AssetKey(["embeddings", "rp3beta"])
    config = {"ops": {"embeddings__rp3beta": {"config": {"beta": 0.9}}}}
    assert run(folder / "store", "beta", instance, run_config=config, asset_selection=[key]).success
    assert "embeddings/rp3beta" in stale(built) <= followers("rp3beta") == asked(tick(built, "rebuild_beta"))
    selection = [dg.AssetKey(name.split("/")) for name in followers("rp3beta")]
    assert run(folder / "store", "beta", instance, asset_selection=selection).success
    assert stale(built) == set()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"learning_rate": 0.01, "min_learning_rate": 0.5}, "min_learning_rate: 0.5 is above learning_rate 0.01"),
        ({"min_learning_rate": 5.0}, "min_learning_rate: 5.0 is above learning_rate"),
    ],
)
def test_a_contradiction_in_a_late_step_fails_the_run_in_its_first_step(built, values, sentence):
    folder, instance = built
    before = Store(folder / "store").manifest("raw_products", "beta")
    config = {"ops": {"embeddings__skipgram": {"config": values}}}
    selection = [dg.AssetKey(name) for name in (*UP_TO_THE_GRAPH, "transition_matrix", "walks")]
    selection.append(dg.AssetKey(["embeddings", "skipgram"]))
    result = run(folder / "store", "beta", instance, run_config=config, asset_selection=selection)
    assert not result.success
    failed = [e for e in result.all_events if e.is_step_failure]
    assert sentence in "\n".join(str(e.step_failure_data.error) for e in failed)
    assert not [e for e in result.all_events if e.is_step_success]
    assert Store(folder / "store").manifest("raw_products", "beta") == before


def test_a_failing_blocking_check_leaves_the_earlier_value_current(built, monkeypatch):
    folder, instance = built
    store = Store(folder / "store")
    before = store.manifest("embeddings/rp3beta", "beta"), store.manifest("product_pairs", "beta")
    from orchestration.assets import graph

    def broken(*arguments):
        found = build_pairs(*arguments)
        return dataclasses.replace(found, weight=np.where(np.arange(len(found.weight)) == 3, np.nan, found.weight))

    build_pairs = graph.build_pairs
    monkeypatch.setattr(graph, "build_pairs", broken)
    result = run(folder / "store", "beta", instance, asset_selection=[dg.AssetKey("product_pairs")])
    assert not result.success
    text = "\n".join(str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure)
    assert "weights_positive: 1 of" in text and "stays current" in text
    after = store.manifest("embeddings/rp3beta", "beta"), store.manifest("product_pairs", "beta")
    assert after == before and np.isfinite(store.read("product_pairs", "beta").weight).all()
    logged = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = {one.dagster_event.event_specific_data.check_name: one.dagster_event.event_specific_data for one in logged}
    assert not checks["weights_positive"].passed and checks["not_empty"].passed


def test_every_check_is_evaluated_by_the_step_that_makes_the_value(pipeline):
    keys = build_defs().get_repository_def().asset_graph.asset_check_keys
    assert len(keys) == 22 + 5 * len(MODELS)
    elsewhere = {key for key in keys if key.asset_key.path[0] == "published"} - {
        dg.AssetCheckKey(dg.AssetKey(["published", "files"]), "read_back")
    }
    for category, result in pipeline.results.items():
        found = [e.event_specific_data for e in result.all_events if e.event_type_value == "ASSET_CHECK_EVALUATION"]
        assert {dg.AssetCheckKey(one.asset_key, one.check_name) for one in found} == (
            keys - elsewhere if category == "alpha" else keys  # the command leaves out what the category does not name
        )
        assert [one.check_name for one in found if one.blocking and not one.passed] == []
        assert all(one.passed for one in found if one.check_name == "no_drop")


def test_a_category_that_shrank_is_refused_unless_allowed(built, source, changed_settings):
    folder, instance = built
    changed_settings("guard", from_rows=100)
    store = Store(folder / "store")
    before = store.manifest("raw_relationships", "beta")
    source.write_text("product1,product2,weight\np1,p2,1.0\np2,p3,1.0\n")
    result = run(folder / "store", "beta", instance, asset_selection=RAW)
    text = "\n".join(str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure)
    assert not result.success and "the source now holds 2 listings" in text and "guard.allow_shrink" in text
    assert store.manifest("raw_relationships", "beta") == before
    told = {"ops": {"raw_catalog": {"config": {"guard": {"allow_shrink": True}}}}}
    assert run(folder / "store", "beta", instance, run_config=told, asset_selection=RAW).success
    assert store.manifest("raw_relationships", "beta").fields["value"]["rows"] == 2


def test_a_tick_during_a_rebuild_names_it_and_asks_for_nothing_twice(built, source, changed_settings, monkeypatch):
    folder, instance = built
    from orchestration.assets import graph

    during = []

    def look(*arguments):
        during.extend([tick(built, "rebuild_beta"), tick(built, "rebuild_beta")])
        changed_settings("pairs", also_viewed=0.25)
        during.append(tick(built, "rebuild_beta"))
        source.write_bytes(source.read_bytes() + b"p3,p4,0.5\n")
        during.extend([tick(built, "rebuild_beta"), tick(built, "source_beta", "sensor")])
        raise InputError("seen enough")

    monkeypatch.setattr(graph, "build_pairs", look)
    source.write_bytes(source.read_bytes() + b"p1,p2,0.5\n")
    result = run(folder / "store", "beta", instance)
    assert not result.success and len(during) == 5
    for skipped in during[:2]:
        assert f"beta: run {result.run_id}" in skipped and "is in progress" in skipped
    requested = during[2:]
    assert [request.partition_key for request in requested] == ["beta"] * 3  # other settings, then another source
    assert len({request.tags[requests.DIGEST_TAG] for request in requested}) == 2
    assert isinstance(tick(built, "rebuild_beta"), dg.RunRequest)  # after that run has failed, no run makes it


def test_a_tick_skips_only_for_a_run_that_makes_at_least_the_same(built, source):
    instance = built[1]
    source.write_bytes(source.read_bytes() + b"p1,p3,0.5\n")
    request = tick(built, "rebuild_beta")
    own, some = request.tags, frozenset(list(request.asset_selection)[:-1])
    location = RegisteredCodeLocationOrigin("alsobought")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "rebuild")
    gone = psutil.Popen(["true"])
    gone.wait()
    started, queued = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED
    with_values = {"ops": {"walks": {"config": {"walk_length": 5}}}}
    for held, status, facts in [
        (True, queued, {}),  # it will read the source and settings that are in force when it starts
        (True, queued, {"asset_selection": frozenset(request.asset_selection)}),
        (False, queued, {"asset_selection": some}),
        (False, queued, {"tags": own, "run_config": with_values}),
        (True, started, {"tags": own}),
        (False, started, {}),
        (False, started, {"tags": own | {requests.DIGEST_TAG: "another"}}),
        (False, dg.DagsterRunStatus.FAILURE, {"tags": own}),
        (False, started, {"tags": own | monitoring.host_tags()}),
    ]:
        tags = facts.get("tags", {}) | {"dagster/partition": "beta"}
        facts = facts | {"tags": tags, "status": status, "remote_job_origin": origin}
        other = create_run_for_test(instance, "rebuild", **facts)
        if monitoring.HOST_TAG in tags:
            instance.report_engine_event("started", other, EngineEventData.in_process(gone.pid))
        found = [tick(built, "rebuild_beta"), tick(built, "source_beta", "sensor")]
        instance.delete_run(other.run_id)
        for one in found:
            assert (isinstance(one, str) and other.run_id in one) == held, (status, facts, one)


def test_rebuilds_of_one_category_wait_for_each_other_and_others_run_beside_them(tmp_path):
    """The shipped dagster.yaml, with the counter that the daemon uses to choose among queued runs."""
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with shipped_instance(tmp_path) as instance:
        limits = instance.get_concurrency_config().run_queue_config
        runs = [
            create_run_for_test(instance, "rebuild", tags={"dagster/partition": name})
            for name in ("alpha", "alpha", "beta", "alpha")
        ]
        counter = TagConcurrencyLimitsCounter(limits.tag_concurrency_limits, [])
        started = []
        for place, waiting in enumerate(runs):
            if not counter.is_blocked(waiting):
                counter.update_counters_with_launched_item(waiting)
                started.append(place)
        # A terminal's run in progress counts too, although it was never in the queue.
        status, tags = dg.DagsterRunStatus.STARTED, {"dagster/partition": "beta"}
        terminal = create_run_for_test(instance, "rebuild", status=status, tags=tags)
        counter = TagConcurrencyLimitsCounter(limits.tag_concurrency_limits, [terminal])
        assert [counter.is_blocked(waiting) for waiting in runs] == [False, False, True, False]
    assert started == [0, 2] and limits.max_concurrent_runs == 2


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hook():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    server.got, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, f"http://127.0.0.1:{server.server_port}/secret"
    server.shutdown()
    thread.join()
    server.server_close()


def failed_run(built):
    folder, instance = built
    result = run(folder / "store", "missing", instance, asset_selection=RAW)
    event = next(e for e in result.all_events if e.is_failure and not e.is_step_failure)
    return dg.build_run_status_sensor_context("failure_webhook", event, instance, result.dagster_run).for_run_failure()


def test_a_failed_run_is_posted_to_the_webhook(built, hook):
    server, url = hook
    context = failed_run(built)
    with environ({alerts.VARIABLE: url, "ALSOBOUGHT_DAGSTER_URL": "https://dagster.example"}):
        assert sensors.failure_webhook(context) is None
    [content] = server.got
    assert content["category"] == "missing" and "not_there.json.gz" in content["text"]
    assert content["url"] == f"https://dagster.example/runs/{context.dagster_run.run_id}"


def test_a_webhook_that_fails_is_a_sentence_without_its_secret(built, hook):
    server, url = hook
    context = failed_run(built)
    server.status = 500
    with environ({alerts.VARIABLE: url}):
        found = sensors.failure_webhook(context)
    assert "500" in found.skip_message and "secret" not in found.skip_message
    for dead in ("http://127.0.0.1:9/secret", "ftp://x/secret", "http://[bad/secret", "http://a b/secret"):
        with environ({alerts.VARIABLE: dead}):
            found = sensors.failure_webhook(context)
        assert alerts.VARIABLE in found.skip_message and "secret" not in found.skip_message
    with environ({alerts.VARIABLE: ""}):
        assert "not set" in sensors.failure_webhook(context).skip_message
