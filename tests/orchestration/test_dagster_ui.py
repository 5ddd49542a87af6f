"""Webserver and daemon as a team runs them: the UI's requests over GraphQL, and one rebuild started by clicking."""

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import dagster as dg
import pytest

from core.store import Store
from orchestration.command import servers as real
from tests import browser
from tests.conftest import ROOT
from tests.pipeline import shipped_instance, write_pairs

CATALOG = ["raw_products", "raw_orders", "raw_relationships", "quarantine"]
DONE = ("SUCCESS", "FAILURE", "CANCELED")
SECONDS = 300.0  # limit for a busy machine; no test waits that long for a success


class Servers:
    """A new project with its webserver and its daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, browser.free_port()
        for path in ("dagster.yaml", "workspace.yaml", "tests/categories.yaml"):
            shutil.copy(ROOT / path, folder)
        # The tests' instance looks for killed runs more often than a team's needs to.
        settings = (
            (folder / "dagster.yaml").read_text().replace("poll_interval_seconds: 15", "poll_interval_seconds: 2")
        )
        (folder / "dagster.yaml").write_text(settings.replace("run_end_seconds: 10", "run_end_seconds: 1"))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ALSOBOUGHT", "DAGSTER", "RAW_DIR"))}
        environment |= {"ALSOBOUGHT_HOME": str(folder), "DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT)}
        (folder / "data" / "raw").mkdir(parents=True)
        self.environment, self.store = environment, Store(folder / "data" / "store")
        with pytest.MonkeyPatch.context() as patched:  # as `alsobought serve` does before the two start
            patched.setenv("ALSOBOUGHT_HOME", str(folder))
            patched.setenv("DAGSTER_HOME", str(folder))
            real._create_tables()
            self.commands = real._commands(self.port, browser.free_port())
        self.children = [self._start("dagster-webserver"), self._start("dagster-daemon")]
        until(self._answers, "the webserver's first answer")

    def _start(self, name: str) -> subprocess.Popen:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                self.commands[name],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_daemon(self) -> None:
        """Kill the daemon's own process, as the kernel does when memory is short."""
        self.children[-1].kill()
        self.children[-1].wait()

    def start_daemon(self) -> None:
        """Start another daemon; the killed one's children are ended with the others."""
        self.children.append(self._start("dagster-daemon"))

    def _answers(self) -> bool:
        try:
            return self.ask("{ version }")["version"] == dg.__version__
        except (OSError, ValueError):
            return False

    def ask(self, query: str, **variables):
        """The data in the webserver's answer to a GraphQL query."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            found = json.load(error)  # an answer of type PythonError comes with status 500
        assert "errors" not in found, found["errors"]
        return found["data"]

    def launch(self, category: str, **config) -> str:
        """Materialize one category's catalogue, as the launchpad does; return the run's id."""
        answer = self.try_to_launch(category, CATALOG, {"raw_catalog": {"config": config}} if config else {})
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def try_to_launch(self, category: str, assets: list[str], steps: dict) -> dict:
        """The webserver's answer to the launchpad's button."""
        return self.ask(
            """mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
            __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
            ... on RunConfigValidationInvalid { errors { message } } } }""",
            params={
                "selector": selector(assets),
                "runConfigData": {"ops": steps},
                "mode": "default",
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": category}]},
            },
        )["launchPipelineExecution"]

    def backfill(self, assets: list[str], partitions: list[str]) -> dict[str, dict]:
        """Materialize several categories, as the UI's dialog does, and wait; return the run of each."""
        answer = self.ask(
            """mutation Backfill($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
            __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            params={
                "assetSelection": [{"path": name.split("/")} for name in assets],
                "partitionNames": partitions,
                "tags": [],
            },
        )["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer

        def runs():
            query = """query($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results {
            runId status startTime endTime tags { key value } } } } }"""
            tags = [{"key": "dagster/backfill", "value": answer["backfillId"]}]
            found = self.ask(query, filter={"tags": tags})["runsOrError"]["results"]
            return {next(t["value"] for t in run["tags"] if t["key"] == "dagster/partition"): run for run in found}

        def over():
            return len(runs()) == len(partitions) and all(run["status"] in DONE for run in runs().values())

        until(over, "the backfill")
        return runs()

    def status(self, run: str) -> str:
        return self.ask("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run)["runOrError"][
            "status"
        ]

    def ended(self, run: str) -> str:
        until(lambda: self.status(run) in DONE, f"the end of run {run}")
        return self.status(run)

    def first_step_started(self, run: str) -> None:
        """Wait until a step of the run has started."""
        query = """query($id: ID!) { runOrError(runId: $id) { ... on Run { stepStats { status } } } }"""
        until(lambda: self.ask(query, id=run)["runOrError"]["stepStats"], f"the first step of {run}")

    def stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGKILL):
            for child in self.children:
                with contextlib.suppress(ProcessLookupError):  # a process that is gone may still have children
                    os.killpg(child.pid, number)
            for child in self.children:
                try:
                    child.wait(15)
                except subprocess.TimeoutExpired:
                    continue


def selector(assets: list[str], name: str = "jobName") -> dict:
    """A part of the job ``rebuild`` as the UI names it; GraphQL calls the job by two names."""
    return {
        "repositoryLocationName": "alsobought",
        "repositoryName": "__repository__",
        name: "rebuild",
        "assetSelection": [{"path": asset.split("/")} for asset in assets],
    }


def until(happened, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"did not happen in time: {what}"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    running = Servers(tmp_path_factory.mktemp("servers"))
    yield running
    running.stop()


def test_a_backfill_of_all_categories_and_a_failed_one_executed_again(servers):
    write_pairs(servers.folder / "data" / "raw")
    stages = ["order_history", "order_relationships", "product_pairs", "pair_split", "product_graph"]
    made = [*CATALOG, *stages, "embeddings/popularity", "metrics/popularity"]
    ended = servers.backfill(made, ["alpha", "beta", "missing"])
    assert ended["missing"]["status"] == "FAILURE"
    good = {category: ended[category] for category in ("alpha", "beta")}
    assert {run["status"] for run in good.values()} == {"SUCCESS"}
    # Both ran at the same time.
    assert max(run["startTime"] for run in good.values()) < min(run["endTime"] for run in good.values())
    for category, run in good.items():
        for asset in made:
            assert servers.store.manifest(asset, category).info["run_id"] == run["runId"], (asset, category)
        assert set(servers.store.read("metrics/popularity", category).metrics["model"].to_pylist()) == {"popularity"}
        n_products = servers.store.read("product_pairs", category).products.num_rows
        assert servers.store.read("product_graph", category).n_nodes == n_products

    source = servers.folder / "data" / "raw" / "not_there.json.gz"
    lines = [
        {"asin": f"B{n}", "title": str(n), "related": {"also_bought": [f"B{(n + d) % 60}" for d in (1, 2, 3, 5, 8)]}}
        for n in range(60)
    ]
    source.write_bytes(gzip.compress("\n".join(json.dumps(line) for line in lines).encode()))
    again = servers.ask(
        """mutation Again($params: ReexecutionParams!) { launchPipelineReexecution(reexecutionParams: $params) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
        params={"parentRunId": ended["missing"]["runId"], "strategy": "FROM_FAILURE"},
    )["launchPipelineReexecution"]
    assert again["__typename"] == "LaunchRunSuccess", again
    assert servers.ended(again["run"]["runId"]) == "SUCCESS"
    assert servers.store.read("raw_products", "missing").num_rows == 60
    assert servers.store.manifest("metrics/popularity", "missing").info["run_id"] == again["run"]["runId"]


@pytest.mark.parametrize(
    ("values", "sentence", "while_typing"),
    [
        ({"epochs": 0}, "skipgram.epochs: 0 is below the smallest allowed value 1", False),
        ({"learning_rate": 1e9}, "skipgram.learning_rate: 1000000000.0 is above the largest allowed value", False),
        ({"epochs": "many"}, "int from 1 to 1000 (skipgram.epochs)", True),
        ({"backend": "gpu"}, "skipgram.backend", True),
        ({"epoch": 1}, "epochs", True),
    ],
)
def test_the_launchpad_refuses_a_bad_value_before_there_is_a_run(servers, values, sentence, while_typing):
    def runs():
        return servers.ask("{ runsOrError { ... on Runs { count } } }")["runsOrError"]["count"]

    before = runs()
    steps = {"embeddings__skipgram": {"config": values}}
    assets = [*CATALOG, "product_pairs", "pair_split", "product_graph", "transition_matrix", "walks"]
    answer = servers.try_to_launch("alpha", [*assets, "embeddings/skipgram"], steps)
    text = json.dumps(answer.get("errors") or answer.get("message"))
    assert answer["__typename"] == ("RunConfigValidationInvalid" if while_typing else "PythonError"), answer
    assert sentence in text and runs() == before
    # The editor's request at every key press.
    checked = servers.ask(
        """query Check($selector: PipelineSelector!, $values: RunConfigData!) {
        isPipelineConfigValid(pipeline: $selector, runConfigData: $values, mode: "default") { __typename } }""",
        selector=selector([*assets, "embeddings/skipgram"], "pipelineName"),
        values={"ops": steps},
    )["isPipelineConfigValid"]["__typename"]
    assert (checked == "RunConfigValidationInvalid") == while_typing, checked


def test_a_run_is_cancelled_and_one_that_was_killed_is_noticed(servers):
    endless = {"products": 500_000, "pairs_per_product": 20}
    run = servers.launch("alpha", sample=endless)
    servers.first_step_started(run)
    before = servers.store.manifest("raw_products", "alpha")
    answer = servers.ask("""mutation Cancel($id: String!) { terminateRun(runId: $id) { __typename } }""", id=run)[
        "terminateRun"
    ]
    assert answer["__typename"] == "TerminateRunSuccess"
    assert servers.ended(run) == "CANCELED"

    run = servers.launch("alpha", sample=endless)
    servers.first_step_started(run)
    with shipped_instance(servers.folder) as instance:
        records = instance.all_logs(run, of_type=dg.DagsterEventType.ENGINE_EVENT)
        [started] = [r for r in records if r.message and "Started process for run" in r.dagster_event.message]
        os.kill(int(started.dagster_event.engine_event_data.metadata["pid"].value), signal.SIGKILL)
    assert servers.ended(run) == "FAILURE"  # otherwise this run would occupy the queue for ever
    assert servers.store.manifest("raw_products", "alpha") == before
    assert servers.ended(servers.launch("alpha")) == "SUCCESS"


def test_a_daemon_that_was_killed_during_a_rebuild_loses_nothing(servers):
    def daemons():
        query = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatTime } } } }"
        return servers.ask(query)["instance"]["daemonHealth"]["allDaemonStatuses"]

    running = servers.launch("alpha", sample={"products": 40_000})
    servers.first_step_started(running)
    waiting = servers.launch("alpha", guard={"allow_shrink": True})
    servers.kill_daemon()
    killed = time.time()
    assert servers.status(waiting) in ("QUEUED", "NOT_STARTED")
    servers.start_daemon()
    assert servers.ended(running) == "SUCCESS"  # the run has its own process
    assert servers.ended(waiting) == "SUCCESS"
    assert servers.store.manifest("raw_products", "alpha").info["run_id"] == waiting
    until(lambda: all(one["lastHeartbeatTime"] > killed for one in daemons() if one["required"]), "every daemon")
    assert {"SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR"} <= {
        one["daemonType"] for one in daemons() if one["healthy"]
    }


@pytest.mark.browser
def test_a_partition_is_materialized_by_clicking_in_the_asset_graph(servers):
    before = servers.store.manifest("raw_products", "alpha")
    with browser.chromium() as running:
        page = running.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(SECONDS * 1000)
        page.goto(f"http://127.0.0.1:{servers.port}/locations/alsobought/asset-groups/catalog/lineage")
        page.get_by_text("raw_relationships").first.wait_for()
        page.get_by_role("button", name="Materialize all").click()
        page.get_by_text("Select a partition").click()
        page.get_by_text("alpha", exact=True).first.click()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Launch 1 run").click()
        until(lambda: servers.store.manifest("raw_products", "alpha") != before, "the new artefact")
        browser.screenshot(page, "dagster-materialized")
