"""The whole asset graph run in a real Dagster instance, once for the test modules that look at it or go on from it."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from dagster._core.test_utils import environ

from orchestration.definitions import build_defs


@dataclass
class Pipeline:
    """A folder with the sources, the Dagster instance and ``store``; and the results by category."""

    folder: Path
    results: dict[str, Any]


def build(folder):
    """Materialize both working categories."""
    write_pairs(folder)
    with local_instance(folder) as instance:
        results = {category: run(folder / "store", category, instance) for category in ("alpha", "beta")}
        for result in results.values():
            assert result.success, [e.message for e in result.all_events if e.is_failure]
    return Pipeline(folder, results)


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
    with local_instance(folder) as instance:
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
