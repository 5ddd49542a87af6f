"""The whole asset graph run in a real Dagster instance, once for the test modules that look at it or go on from it."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
from dagster._core.test_utils import environ

from core.stages import stages
from orchestration.definitions import build_defs
from tests import quick_sqlite

# Not that of conftest, which loads pytest: processes that tests start import this module too.
ROOT = Path(__file__).resolve().parents[1]
quick_sqlite.install()

UP_TO_THE_GRAPH = list(itertools.takewhile(lambda asset: asset != "transition_matrix", stages()))
"""The assets that every model needs, from the source to the training graph."""


@dataclass
class Result:
    """What Dagster's instance holds of a run that has ended."""

    run_id: str
    success: bool
    all_events: list[dg.DagsterEvent]


@dataclass
class Pipeline:
    """A folder that :func:`copied` copies, and how it was made.

    Attributes:
        folder: an installation: the sources, ``store``, and the Dagster instance in ``.dagster``.
        elsewhere: the folder that the command was started in, and its folder for temporary files.
        command: the ended process that materialized alpha.
        results: category → what Dagster holds of its run.
    """

    folder: Path
    elsewhere: Path
    command: subprocess.CompletedProcess[str]
    results: dict[str, Result]


def build(folder, elsewhere):
    """Materialize both working categories: alpha by the command and its processes, beta in this process."""
    install(folder)
    write_pairs(folder)
    command = call(environment(folder, elsewhere), "materialize", "alpha")
    assert command.returncode == 0, command.stderr[-3000:]
    with local_instance(folder / ".dagster") as instance:
        [alpha] = instance.get_runs()
        results = {"alpha": stored_result(instance, alpha.run_id)}
        results["beta"] = stored_result(instance, run(folder / "store", "beta", instance).run_id)
        for result in results.values():
            assert result.success, [e.message for e in result.all_events if e.is_failure]
    return Pipeline(folder, elsewhere, command, results)


def install(folder):
    """Write what an installation of the tests' categories needs."""
    for path in ("dagster.yaml", "workspace.yaml", "tests/categories.yaml"):
        shutil.copy(ROOT / path, folder)


def environment(folder, elsewhere):
    """The variables with which a user of that installation calls the command."""
    cleared = {k: v for k, v in os.environ.items() if not k.startswith(("ALSOBOUGHT", "DAGSTER", "RAW_DIR"))}
    return cleared | {
        "ALSOBOUGHT_HOME": str(folder),
        "ALSOBOUGHT_STORE": str(folder / "store"),
        "DAGSTER_HOME": str(folder),
        "RAW_DIR": str(folder),
        "TMPDIR": str(elsewhere),
        "PYTHONWARNINGS": "default::DeprecationWarning:orchestration",
    }


def call(variables, *arguments, timeout=500):
    """Run the command to its end, from another folder than the installation's, where nothing may be left."""
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        env=variables, cwd=variables["TMPDIR"], capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


def stored_result(instance, run_id):
    """A run that has ended, as the instance tells it."""
    events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.is_dagster_event]
    return Result(run_id, instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.SUCCESS, events)


def local_instance(folder):
    """A Dagster instance in a folder, without telemetry: its log would land in the project."""
    return dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}})


@contextlib.contextmanager
def shipped_instance(folder):
    """The instance of a folder with a copy of the shipped dagster.yaml."""
    with environ({"DAGSTER_HOME": str(folder)}), dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


@contextlib.contextmanager
def copied(pipeline, folder):
    """A copy of the pipeline's folder to change, with its times, and its instance."""
    shutil.copytree(pipeline.folder, folder, dirs_exist_ok=True)
    with local_instance(folder / ".dagster") as instance:
        yield folder, instance


def run(root, category, instance, **more):
    """Run the job ``rebuild``, or a selection of it, in this process."""
    definitions = build_defs()
    places = {"ALSOBOUGHT_HOME": root.parent, "ALSOBOUGHT_STORE": root, "RAW_DIR": root.parent}
    with environ({name: str(place) for name, place in places.items()}):
        return definitions.resolve_job_def("rebuild").execute_in_process(
            partition_key=category, instance=instance, raise_on_error=False, **more
        )


def write_pairs(folder):
    """The source of category beta."""
    rng = np.random.default_rng(0)
    lines = ["product1,product2,weight"]
    source, step, weight = rng.integers(0, 80, 600), rng.integers(1, 80, 600), rng.random(600) + 0.1
    lines += [f"p{a},p{(a + d) % 80},{w:.2f}" for a, d, w in zip(source, step, weight, strict=True)]
    (folder / "tiny.csv").write_text("\n".join(lines) + "\n")
