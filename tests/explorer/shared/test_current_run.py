"""What the explorer says of a run in progress, asked of a server that answers as Dagster's does."""

import http.server
import json
import threading
import time

import dagster as dg
import pytest
from dagster_graphql.schema import create_schema
from graphql import parse, validate

from core.store import Store
from explorer.shared import current_run
from explorer.shared.formatting import duration
from tests.explorer_pages import FRESHNESS, rerun, texts

STEPS = [
    {"stepKey": "raw_catalog", "status": "SUCCESS", "startTime": 1.0, "endTime": 2.0},
    {"stepKey": "embeddings__skipgram", "status": None, "startTime": 2.0, "endTime": None},
]


@pytest.fixture
def ui(monkeypatch):
    """A list of answers; the server gives the last one, and keeps what it was asked."""
    answers, asked = [], []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = answers[-1] if isinstance(answers[-1], bytes) else json.dumps(answers[-1]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("ALSOBOUGHT_DAGSTER_URL", f"http://127.0.0.1:{server.server_port}")
        current_run.current_run.clear()
        yield answers, asked
        server.shutdown()
        current_run.current_run.clear()


def told(*runs):
    return {"data": {"runsOrError": {"results": list(runs)}}}


def running():
    keys = ["raw_catalog", "embeddings__skipgram", "leaderboard", "walks"]
    return {"runId": "r1", "startTime": time.time() - 65, "stepKeysToExecute": keys, "stepStats": STEPS}


def test_dagster_understands_the_question():
    assert validate(create_schema().graphql_schema, parse(current_run._QUERY)) == []
    assert dg.DagsterRunStatus.STARTED.value == "STARTED"


def test_a_run_in_progress_is_told_with_its_steps(ui):
    answers, asked = ui
    answers.append(told(running()))
    run = current_run.current_run("alpha")
    assert (run.run_id, run.ended, run.steps, run.running) == ("r1", 1, 4, ("embeddings/skipgram",))
    assert 64 < run.seconds < 600 and asked[0]["variables"] == {"partition": "alpha"}


@pytest.mark.parametrize(
    "answer",
    [
        told(),
        {"data": {"runsOrError": {"message": "no"}}},
        {"errors": []},
        [],
        b"<html>",
        told({"runId": "x"}),
        told(1),
    ],
    ids=str,
)
def test_whatever_else_is_answered_means_that_nothing_is_known(ui, answer):
    ui[0].append(answer)
    assert current_run.current_run("alpha") is None


def test_without_a_ui_nothing_is_said(monkeypatch):
    current_run.current_run.clear()
    for address in ("http://127.0.0.1:9", "http://[", "nonsense"):
        monkeypatch.setenv("ALSOBOUGHT_DAGSTER_URL", address)
        assert current_run.current_run(address) is None


def test_the_page_shows_how_far_a_run_is_and_is_drawn_anew_once_it_has_ended(ui, start, tmp_path):
    answers, _ = ui
    answers.append(told(running()))
    at = start(Store(tmp_path), FRESHNESS)
    [bar] = at.get("progress")
    assert bar.proto.value == 25 and "1 of 4 steps have ended in 1 min" in bar.proto.text
    assert "now embeddings/skipgram" in bar.proto.text.replace("\\", "")
    answers.append(told())
    current_run.current_run.clear()
    rerun(at)
    assert not at.get("progress") and "There are no artefacts" in texts(at)


def test_lengths_of_time():
    assert [duration(s) for s in (0.4, 7, 200, 3_900, 360_000)] == [
        "0 s",
        "7 s",
        "3 min 20 s",
        "1 h 5 min",
        "100 h 0 min",
    ]
