"""Steps are forked from a server that has done the slow imports: what it must and must not have done."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAM = """
import json, sys, threading
from collections import Counter
from importlib import import_module
from pathlib import Path

import dagster as dg

from orchestration.steps.server import preload_modules

ends = sys.argv[2:]
for module in preload_modules(ends):
    import_module(module)
loaded = set(sys.modules)
state = {"threads": threading.active_count(), "torch": "torch" in loaded}
state["cuda"] = state["torch"] and sys.modules["torch"].cuda.is_initialized()
from tests.pipeline import local_instance, run, write_pairs

folder = Path(sys.argv[1])
write_pairs(folder)
wanted = dg.AssetSelection.assets(*map(dg.AssetKey.from_user_string, ends)).upstream().required_multi_asset_neighbors()
from orchestration.definitions import defs

chosen = sorted(wanted.resolve(defs.resolve_asset_graph()))
with local_instance(folder) as instance:
    result = run(folder / "store", "beta", instance, asset_selection=chosen)
assert result.success
state["late"] = Counter(name.split(".")[0] for name in set(sys.modules) - loaded)
print(json.dumps(state))
"""

AHEAD = """
from multiprocessing import forkserver, get_context

from orchestration.steps import server as step_server
from tests.orchestration.steps.test_preload import tell

step_server.start(["wave"])
server = forkserver._forkserver._forkserver_pid
context = get_context("forkserver")
context.set_forkserver_preload(["sndhdr"])  # what Dagster's executor does before a run's first step
ours, step = context.Pipe()
process = context.Process(target=tell, args=(step,))
process.start()
parent, loaded = ours.recv()
process.join()
assert parent == server and loaded == ["wave"], (parent, server, loaded)
"""


def tell(pipe):
    """Send, from a step's process, its parent and the modules that it found loaded."""
    pipe.send((os.getppid(), sorted({"wave", "sndhdr"} & sys.modules.keys())))


def test_steps_are_forked_from_the_server_that_was_started_ahead():
    done = subprocess.run([sys.executable, "-c", AHEAD], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("ends", "torch"),
    [
        (["metrics/skipgram", "neighbours/rp3beta", "node2vec_walks"], True),
        (["transition_matrix"], False),
    ],
)
def test_steps_find_what_they_import_loaded_and_the_server_has_started_nothing(tmp_path, ends, torch):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, *ends], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = json.loads(done.stdout.splitlines()[-1])
    assert state["torch"] == torch
    assert state["threads"] == 1 and not state["cuda"]  # a forked process has neither the threads nor the GPU
    assert {package: n for package, n in state["late"].items() if n > 30} == {}
