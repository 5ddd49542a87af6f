"""A module and an entry add a model: settings, assets, metrics, lists, curve and checkpoint follow."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from core.clock import PHASES, Clock
from core.errors import InputError
from core.evaluation import auc_probe
from core.graph import build_graph
from core.interfaces import Inputs, TrainContext
from core.pairs.split import SplitConfig, split_pairs
from tests.conftest import ROOT
from tests.core.training.test_out_of_memory import SmallMemory
from tests.pipeline import write_pairs
from tests.toy_model import ENTRY, ToyConfig

PROGRAM = """
import json, sys
from pathlib import Path
from core.models import MODELS
from tests.toy_model import ENTRY
MODELS["toy"] = ENTRY  # what adding the entry to the registry's file does

import dagster as dg
from core.configs import CONFIGS
from core.store import Store
from orchestration.definitions import defs
from tests.pipeline import local_instance, run

folder = Path(sys.argv[1])
wanted = [dg.AssetKey([stage, "toy"]) for stage in ("embeddings", "metrics", "neighbours")]
graph = defs.resolve_asset_graph()
above = dg.AssetSelection.assets(*wanted).upstream().required_multi_asset_neighbors().resolve(graph)
with local_instance(folder) as instance:
    result = run(folder / "store", "beta", instance, asset_selection=sorted(above & graph.materializable_asset_keys))
store = Store(folder / "store")
trained, measured, lists = (store.read(f"{stage}/toy", "beta") for stage in ("embeddings", "metrics", "neighbours"))
materialized = result.asset_materializations_for_node("embeddings__toy")[0].metadata
print(json.dumps({
    "section": CONFIGS["toy"].__name__,
    "leaderboard": dg.AssetKey(["metrics", "toy"]) in graph.get(dg.AssetKey("leaderboard")).parent_keys,
    "config": store.manifest("embeddings/toy", "beta").info["config"],
    "metadata": {name: value.value for name, value in materialized.items() if name.endswith(" seconds")},
    "step": materialized["seconds"].value,
    "curve": trained.learning_curve.to_pylist(),
    "metrics": {f"{row['protocol']} {row['subset']} {row['metric']}": row["value"]
                for row in measured.metrics.to_pylist()},
    "timing": measured.info["timing"],
    "lists": lists.table.num_rows,
    "checkpoints": [str(path) for path in folder.rglob("checkpoint.npz")],
}))
"""


def test_module_and_entry_are_all_that_a_model_needs(tmp_path):
    write_pairs(tmp_path)
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["section"] == "ToyConfig" and report["config"]["dim"] == 8
    assert report["leaderboard"] is True
    assert [row["epoch"] for row in report["curve"]] == [epoch for epoch in range(1, 13) for _ in range(2)]
    assert report["curve"][-1]["loss"] < report["curve"][0]["loss"]
    assert all(0 <= row["roc_auc"] <= 1 for row in report["curve"])
    assert report["metrics"]["published all roc_auc"] > 0 and report["metrics"]["ranking all recall@10"] >= 0
    assert 0 < report["lists"] <= 80 * 79
    assert report["checkpoints"] == []  # cleared once the model was stored
    # The metadata has the same phases, and their sum is the step's time without the checks after training.
    assert report["metadata"] == pytest.approx(
        {f"{phase} seconds": report["timing"][phase] for phase in PHASES}, abs=1e-3
    )
    assert sum(report["timing"].values()) <= report["step"] + 0.01


@pytest.fixture(scope="module")
def task():
    """Pairs within blocks of ten, and a probe of held-out pairs."""
    rng = np.random.default_rng(0)
    source, target = rng.integers(0, 60, (2, 1500))
    target = source // 10 * 10 + target % 10
    pairs = np.unique(np.sort(np.column_stack([source, target])[source != target], axis=1), axis=0).astype(np.int32)
    weight = np.ones(len(pairs), np.float32)
    split = split_pairs(60, pairs[:, 0], pairs[:, 1], weight, np.zeros(60, bool), SplitConfig())
    graph = build_graph(60, split.train.source, split.train.target, split.train.weight)
    return Inputs(60, graph=graph), auc_probe(split)


def test_it_learns_and_repeats_itself(task):
    inputs, probe = task
    first, again = (ENTRY.fit(inputs, ToyConfig(), TrainContext(threads=1, probe=probe)) for _ in range(2))
    assert (first.center == again.center).all() and first.context is None
    auc = first.learning_curve["roc_auc"].to_pylist()
    assert auc[-1] > 0.7
    assert first.info["examples"] == 12 * len(inputs.graph.indices)
    assert auc[-1] == pytest.approx(probe(first.center[probe.nodes], None, cosine=False))


class _KilledError(Exception):
    pass


def test_an_interrupted_training_goes_on_to_the_same_result(task, tmp_path):
    """The optimizer's state is restored too; without it Adam would take other steps."""
    inputs, probe = task
    whole = ENTRY.fit(inputs, ToyConfig(), TrainContext(threads=1, probe=probe))

    def kill(_stage, done, total, _unit):
        if done > 0.6 * total:
            raise _KilledError

    with pytest.raises(_KilledError):
        ENTRY.fit(inputs, ToyConfig(), TrainContext(threads=1, probe=probe, checkpoints=tmp_path, progress=kill))
    resumed = ENTRY.fit(inputs, ToyConfig(), TrainContext(threads=1, probe=probe, checkpoints=tmp_path))
    assert resumed.info["resumed_after_epoch"] == 7
    assert (resumed.center == whole.center).all()
    curves = [e.learning_curve.drop_columns(["seconds"]).to_pylist() for e in (resumed, whole)]
    assert curves[0] == curves[1]


def test_a_step_that_does_not_fit_is_taken_in_parts(task):
    inputs, _ = task
    roomy = ENTRY.fit(inputs, ToyConfig(epochs=2), TrainContext(threads=1))
    with SmallMemory(60 * 8 * 4):  # the table and its gradient fit, the rows of 64 pairs do not
        tight = ENTRY.fit(inputs, ToyConfig(epochs=2), TrainContext(threads=1))
    assert roomy.info["out_of_memory_halvings"] == 0 and tight.info["out_of_memory_halvings"] >= 1
    np.testing.assert_allclose(tight.center, roomy.center, atol=2e-2)


def test_divergence_and_a_warm_start_that_it_cannot_make_are_said(task):
    inputs, probe = task
    with pytest.raises(InputError, match=r"toy\.learning_rate: training diverged in epoch 1"):
        ENTRY.fit(inputs, ToyConfig(learning_rate=1e8, min_learning_rate=1e8), TrainContext(threads=1, probe=probe))
    asked = ENTRY.fit(inputs, ToyConfig(warm_start=True, epochs=1), TrainContext(threads=1))
    assert asked.info["start"] == {"warm": False, "why": "this model does not start from earlier vectors"}


def test_every_moment_of_a_clock_belongs_to_one_phase(monkeypatch):
    """By hand with a fake clock: 1 s of set-up, 2 s of training with 0.5 s of probing, and 4 s of compilation."""
    now = [0.0]
    monkeypatch.setattr("core.clock.time.perf_counter", lambda: now[0])

    def passes(seconds):
        now[0] += seconds

    clock = Clock()
    passes(1)
    with clock.phase("training"):
        passes(1)
        with clock.phase("probing"):
            passes(0.5)
        passes(0.5)
        with clock.phase("compilation"):
            passes(4)
    passes(0.25)
    assert clock.seconds() == {"training": 1.5, "probing": 0.5, "setup": 1.25, "compilation": 4}


def test_what_numba_compiles_is_compilation():
    import numba

    clock = Clock()
    with clock.compilation(), clock.phase("training"):
        numba.njit(lambda x: x * 3 + 1)(2.0)
    seconds = clock.seconds()
    assert seconds["compilation"] > 0 and seconds["training"] > 0


def test_phases_of_a_training_are_its_whole_time(task):
    inputs, probe = task
    clock = Clock()
    trained = ENTRY.fit(inputs, ToyConfig(epochs=1), TrainContext(threads=1, probe=probe), clock)
    timing = trained.info["timing"]
    assert set(timing) == set(PHASES) and sum(timing.values()) <= sum(clock.seconds().values())
    assert timing["training"] == pytest.approx(trained.info["seconds"], abs=0.05)
    assert timing["probing"] > 0 and dataclasses.asdict(ToyConfig(epochs=1)) == trained.info["config"]


@pytest.mark.parametrize("damage", ["rows", "epoch", "shape"])
def test_a_checkpoint_that_holds_something_else_is_a_training_from_the_beginning(task, tmp_path, damage, caplog):
    inputs, probe = task
    context = TrainContext(threads=1, probe=probe, checkpoints=tmp_path)
    whole = ENTRY.fit(inputs, ToyConfig(epochs=2), context)
    with np.load(tmp_path / "checkpoint.npz") as file:
        members = {name: file[name] for name in file.files}
    head = json.loads(str(members["__meta__"]))
    if damage == "rows":
        head["meta"]["curve"] = [1, 2]
    elif damage == "epoch":
        head["meta"]["epoch"] = 3
    else:
        members["module vectors"] = members["module vectors"][1:]
    np.savez(tmp_path / "checkpoint.npz", **(members | {"__meta__": np.array(json.dumps(head))}))
    again = ENTRY.fit(inputs, ToyConfig(epochs=2), context)
    assert again.info["resumed_after_epoch"] == 0 and "starts from the beginning" in caplog.text
    assert (again.center == whole.center).all()
