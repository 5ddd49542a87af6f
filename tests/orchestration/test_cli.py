"""The command line as a user runs it: real processes, a real instance on disk, real servers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from core.models import MODELS
from core.store import Store
from tests import browser
from tests.pipeline import call, environment, shipped_instance

NOISE = re.compile(r"deprecat|supersed|warning", re.IGNORECASE)


@pytest.fixture(scope="module")
def place(pipeline, tmp_path_factory):
    """Environment of an installation of its own: instance, store and categories, and of these only alpha made."""
    folder = tmp_path_factory.mktemp("installation")
    shutil.copytree(pipeline.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("beta"))
    return environment(folder, tmp_path_factory.mktemp("elsewhere"))


def test_materialize_shows_progress_and_no_noise(place, pipeline):
    told = pipeline.command.stderr
    assert "walks:" in told and "steps/s" in told
    assert "alpha: materialized" in told
    noise = [line for line in told.splitlines() if NOISE.search(line)]
    assert noise == []
    with shipped_instance(Path(place["ALSOBOUGHT_HOME"])) as instance:
        run = instance.get_runs()[-1]  # the first one
        steps = {stats.step_key for stats in instance.get_run_step_stats(run.run_id)}
    # Only the map that the category asks for: a step that makes nothing would still cost a process.
    assert {step for step in steps if step.startswith("projection")} == {"projection__skipgram"}
    assert {"raw_catalog", "leaderboard", *(f"neighbours__{name}" for name in MODELS)} <= steps
    assert not (pipeline.elsewhere / ".dagster").exists()


def test_leaderboard_for_the_terminal_for_a_document_and_for_a_program(place):
    trained = {name for name, model in MODELS.items() if model.needs is None}  # alpha has no orders
    shown = call(place | {"COLUMNS": "80"}, "leaderboard", "alpha")
    assert shown.returncode == 0 and all(MODELS[name].title in shown.stdout for name in trained)
    assert max(map(len, shown.stdout.splitlines())) <= 80 and "is best" in shown.stdout
    markdown = call(place, "leaderboard", "alpha", "--format", "markdown").stdout
    assert all(f"| `{name}` |" in markdown for name in trained)
    rows = json.loads(call(place, "leaderboard", "alpha", "--format", "json").stdout)
    columns = {"category", "model", "protocol", "subset", "scoring", "metric", "value", "low", "high"}
    assert all(set(row) == columns for row in rows)
    assert {row["model"] for row in rows} == trained


def test_a_part_of_the_graph_can_be_materialized(place):
    done = call(place, "materialize", "alpha", "--select", "leaderboard")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "walks:" not in done.stderr
    assert re.search("^  .* (is best|are equally good): ", done.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["materialize", "nope"], "there is no category 'nope'.*known are alpha"),
        (["materialize", "alhpa"], "did you mean 'alpha'"),
        (["materialize", "missing"], "not_there.json.gz does not exist.*RAW_DIR"),
        (["materialize", "alpha", "--select", "embedings/skipgram"], "no asset 'embedings/skipgram'; did you mean"),
        (["leaderboard", "beta"], "make materialize CATEGORY=beta"),
        (["leaderboard", "nope"], "there is no category 'nope'"),
        (["leaderboard", "../alpha"], "there is no category '../alpha'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(place, arguments, sentence):
    done = call(place, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(f"error: .*{sentence}.*\n", done.stderr), done.stderr


def test_a_category_that_cannot_be_used_is_a_warning_to_the_others(place, tmp_path):
    file = tmp_path / "categories.yaml"
    file.write_text("categories:\n  a: {source: none.csv}\n  x: {source: b, cron: nightly}\n")
    variables = place | {"ALSOBOUGHT_CATEGORIES": str(file)}
    first, second = call(variables, "materialize", "a").stderr.splitlines()
    assert first.startswith("warning: ") and "categories.x.cron" in first and "none.csv does not exist" in second
    [line] = call(variables, "materialize", "x").stderr.splitlines()
    assert line.startswith("error: ") and "categories.x.cron: 'nightly' is not a time" in line


def test_what_a_step_says_of_its_input_is_printed_once_and_without_a_stack(place, tmp_path):
    broken = tmp_path / "broken.csv"
    broken.write_text("product1,product2\n" + "a\n" * 50)
    file = tmp_path / "categories.yaml"
    file.write_text(f"categories:\n  a: {{source: {broken}, format: pairs}}\n")
    done = call(place | {"ALSOBOUGHT_CATEGORIES": str(file)}, "materialize", "a", "--select", "raw_products")
    assert done.returncode == 1
    assert done.stderr.count("broken.csv") == 1 and "raw_catalog failed: " in done.stderr
    assert not re.search(r"Trace|File \"|InputError", done.stderr), done.stderr


def test_a_reader_that_closes_the_pipe_is_not_an_error(place):
    run = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "leaderboard", "alpha"],
        env=place, cwd=place["TMPDIR"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    run.stdout.close()  # before the command writes, so the pipe never holds its output
    assert run.stderr.read() == "" and run.wait(60) == 128 + signal.SIGPIPE


@pytest.mark.browser
def test_the_explorer_shows_in_a_browser_what_was_materialized(place, monkeypatch):
    home = Path(place["ALSOBOUGHT_HOME"])
    monkeypatch.setenv("ALSOBOUGHT_HOME", str(home))
    monkeypatch.setenv("ALSOBOUGHT_CATEGORIES", str(home / "categories.yaml"))
    store = Store(home / "store")
    neighbours = store.read("neighbours/skipgram", "alpha").table.to_pandas()
    first = neighbours[neighbours.scoring == "center_context"].iloc[0]
    with browser.chromium() as running, browser.explorer(store.root, home / "explorer.log") as address:
        page = running.new_page()
        page.goto(f"{address}/?category=alpha&product={first['product']}")
        browser.settled(page)
        assert page.get_by_text(first["product"]).count()
        page.get_by_text(re.compile(r"of \d+ held-out")).first.wait_for(timeout=60_000)
        page.goto(f"{address}/evaluation?category=alpha")
        browser.settled(page)
        assert page.get_by_text("is best:").count()
        browser.screenshot(page, "materialized-evaluation")
        page.goto(f"{address}/map?category=alpha")
        browser.settled(page)
        page.get_by_test_id("stDeckGlJsonChart").wait_for(timeout=60_000)  # its library is loaded after the page
        page.goto(f"{address}/freshness?category=alpha")
        browser.settled(page)
        assert page.get_by_text("Missing:").count() == 0


@pytest.mark.parametrize(
    ("command", "stop", "status"), [(["serve"], signal.SIGINT, 0), (["demo", "alpha"], signal.SIGTERM, 130)]
)
def test_both_addresses_answer_and_a_stop_leaves_no_process(place, command, stop, status):
    """The servers of ``demo`` answer while it still materializes."""
    ports = ["--ui-port", str(browser.free_port()), "--explorer-port", str(browser.free_port())]
    server = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", *command, *ports],
        env=place,
        cwd=place["ALSOBOUGHT_HOME"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed = ""
        while "Ctrl-C" not in printed:
            line = server.stdout.readline()
            assert line, f"the servers ended early: {printed}"
            printed += line
        addresses = re.findall(r"http://\S+", printed)
        assert len(addresses) == 2
        for address in addresses:
            with urllib.request.urlopen(address, timeout=20) as answer:
                assert answer.status == 200
        family = psutil.Process(server.pid).children(recursive=True)
        assert len(family) >= 3
        server.send_signal(stop)
        assert server.wait(40) == status
        deadline = time.time() + 10
        while (alive := [p for p in family if p.is_running() and p.status() != "zombie"]) and time.time() < deadline:
            time.sleep(0.2)
        assert alive == []
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
