"""The skip-gram model as a whole: what it learns, and its learning curve, checkpoints, repeatability and errors."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from core.errors import InputError
from core.interfaces import LEARNING_CURVE, Inputs, TrainContext
from core.models import MODELS
from core.models.skipgram.config import SkipGramConfig
from core.models.skipgram.train import SkipGram, train
from core.settings import build
from core.training import checkpoint
from tests.probes import RecordingProbe

BLOCKS, SIZE = 6, 25
N_NODES = BLOCKS * SIZE + 5  # the last five are in no walk
SMALL = {"dim": 16, "epochs": 4, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def walks():
    """Walks that stay in their block with probability 0.9 per step; some end early."""
    rng = np.random.default_rng(0)
    rows = np.empty((4000, 10), np.int32)
    block = rng.integers(0, BLOCKS, len(rows))
    for step in range(rows.shape[1]):
        block = np.where(rng.random(len(rows)) < 0.9, block, rng.integers(0, BLOCKS, len(rows)))
        rows[:, step] = block * SIZE + rng.integers(0, SIZE, len(rows))
    for row in range(0, len(rows), 5):
        rows[row, 1 + row % 9 :] = -1
    return rows


def _fit(walks, context=None, **config):
    return train(
        Inputs(n_nodes=N_NODES, walks=walks), SkipGramConfig(**(SMALL | config)), context or TrainContext(threads=1)
    )


def _pairs():
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, BLOCKS * SIZE, (20_000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return pairs[:, 0], pairs[:, 1], pairs[:, 0] // SIZE == pairs[:, 1] // SIZE


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _block_auc(center, context):
    i, j, same = _pairs()
    c, x = _unit(center[: BLOCKS * SIZE]), _unit(context[: BLOCKS * SIZE])
    return roc_auc_score(same, (c[i] * x[j]).sum(1) + (c[j] * x[i]).sum(1))


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.parametrize(
    "changes", [{}, {"schedule": "cosine_restarts", "dynamic_window": False}, {"subsample": 0.004}]
)
def test_blocks_are_separated_by_both_scorings(walks, backend, changes):
    trained = _fit(walks, backend=backend, **changes)
    assert _block_auc(trained.center, trained.context) > 0.97
    assert _block_auc(trained.center, trained.center) > 0.97


def test_two_threads_learn_as_well(walks):
    trained = _fit(walks, TrainContext(threads=2))
    assert _block_auc(trained.center, trained.context) > 0.97


def test_both_back_ends_learn_to_the_same_loss(walks):
    losses = [_fit(walks, backend=b).learning_curve["loss"].to_numpy() for b in ("compiled", "torch")]
    assert losses[0][0] > losses[0][-1] + 0.3
    assert losses[0][-1] == pytest.approx(losses[1][-1], rel=0.05)


def test_unseen_products_have_zero_rows_and_are_marked(walks):
    for backend in ("compiled", "torch"):
        trained = _fit(walks, backend=backend)
        assert trained.seen.tolist() == [True] * (N_NODES - 5) + [False] * 5
        for table in (trained.center, trained.context):
            assert table.shape == (N_NODES, 16) and table.dtype == np.float32
            assert (table[-5:] == 0).all() and (np.abs(table[:-5]).sum(1) > 0).all()


@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_one_thread_repeats_itself_bit_for_bit_and_follows_the_seed(walks, backend):
    config = {"backend": backend, "subsample": 0.004, "epochs": 2}
    first, again = _fit(walks, **config), _fit(walks, **config)
    assert (first.center == again.center).all() and (first.context == again.context).all()
    other = _fit(walks, TrainContext(threads=1, seed=43), **config)
    assert not np.allclose(first.center, other.center)


def test_memory_mapped_walks_give_the_same_vectors(walks, tmp_path):
    np.save(tmp_path / "walks.npy", walks)
    mapped = np.load(tmp_path / "walks.npy", mmap_mode="r")
    for backend in ("compiled", "torch"):
        assert (_fit(mapped, backend=backend).center == _fit(walks, backend=backend).center).all()


def test_learning_curve_has_its_schema_and_counts_what_was_trained(walks):
    probe = RecordingProbe(np.arange(N_NODES), _block_auc)
    done = []
    context = TrainContext(threads=1, probe=probe, progress=lambda *report: done.append(report))
    trained = _fit(walks, context, probes_per_epoch=3)
    curve = trained.learning_curve
    assert curve.schema == LEARNING_CURVE
    rows = curve.to_pandas()
    words = int((walks >= 0).sum())
    assert rows["epoch"].tolist() == [epoch for epoch in (1, 2, 3, 4) for _ in range(3)]
    assert rows["batch"].tolist()[2::3] == [8, 16, 24, 32]
    assert rows["examples"].tolist()[2::3] == [words * epoch for epoch in (1, 2, 3, 4)]
    assert rows["seconds"].is_monotonic_increasing and rows["examples"].is_monotonic_increasing
    assert rows["learning_rate"].is_monotonic_decreasing
    assert rows["loss"].iloc[-1] < rows["loss"].iloc[0] <= 6 * np.log(2) + 0.1
    assert len(probe.shown) == 12 and all(probe.cosine)
    assert {(center.shape, context.shape) for center, context in probe.shown} == {((N_NODES, 16), (N_NODES, 16))}
    assert rows["roc_auc"].iloc[-1] == pytest.approx(_block_auc(trained.center, trained.context), abs=1e-6)
    assert done[-1] == ("skipgram", words * 4, words * 4, "words")
    assert trained.info["words"] == words * 4
    assert trained.info["seconds"] == rows["seconds"].iloc[-1]
    assert trained.info["examples_per_second"] == pytest.approx(words * 4 / trained.info["seconds"])
    assert trained.info["config"]["dim"] == 16
    assert (trained.info["device"], trained.info["backend"], trained.info["threads"]) == ("cpu", "compiled", 1)


def test_without_a_probe_the_learning_curve_has_no_auc(walks):
    assert _fit(walks, epochs=1).learning_curve["roc_auc"].null_count == 8  # as many rows as there are batches


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_an_interrupted_run_continues_to_the_same_result(walks, tmp_path, backend):
    config = {"backend": backend, "schedule": "cosine_restarts", "subsample": 0.01, "probes_per_epoch": 2}
    whole = _fit(walks, **config)

    words = int((walks >= 0).sum())

    def kill_in_epoch_3(_stage, done, _total, _unit):
        if done > 2.2 * words:
            raise _KilledError

    with pytest.raises(_KilledError):
        _fit(walks, TrainContext(threads=1, checkpoints=tmp_path, progress=kill_in_epoch_3), **config)

    reports = []
    context = TrainContext(threads=1, checkpoints=tmp_path, progress=lambda *report: reports.append(report[1]))
    resumed = _fit(walks, context, **config)
    assert reports[0] > 2 * words  # epochs 1 and 2 were not repeated
    assert (resumed.center == whole.center).all() and (resumed.context == whole.context).all()
    assert resumed.info["words"] == whole.info["words"]
    curves = [e.learning_curve.drop_columns(["seconds"]).to_pylist() for e in (resumed, whole)]
    assert curves[0] == curves[1]

    reports.clear()
    stored = _fit(walks, context, **config)  # finished but not yet stored by the caller: nothing is trained again
    assert not reports and (stored.center == whole.center).all()
    checkpoint.clear(tmp_path)
    _fit(walks, context, **config)
    assert reports[0] <= words


@pytest.mark.parametrize("change", ["walks", "config", "seed"])
def test_a_checkpoint_of_another_run_is_ignored(walks, tmp_path, change):
    _fit(walks, TrainContext(threads=1, checkpoints=tmp_path))
    other = walks.copy()
    config = {"negatives": 6.0} if change == "config" else {}
    if change == "walks":
        other[0, 0] += 1
    reports = []
    context = TrainContext(
        threads=1,
        checkpoints=tmp_path,
        seed=7 if change == "seed" else 42,
        progress=lambda *report: reports.append(report[1]),
    )
    _fit(other, context, **config)
    assert reports and reports[0] <= (walks >= 0).sum()


@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_a_diverging_run_stops_with_an_error_that_names_the_learning_rate(walks, tmp_path, backend):
    with pytest.raises(
        InputError, match=r"skipgram\.learning_rate: training diverged in epoch 1 with learning rate 100000000"
    ):
        _fit(walks, TrainContext(threads=1, checkpoints=tmp_path), backend=backend, learning_rate=1e8)
    assert not list(tmp_path.iterdir())


def test_learning_rate_schedules():
    linear = SkipGramConfig(epochs=2, learning_rate=0.1, min_learning_rate=0.0)
    assert [linear.rate(1, 0), linear.rate(1, 0.5), linear.rate(2, 0), linear.rate(2, 1)] == pytest.approx(
        [0.1, 0.075, 0.05, 0]
    )
    cosine = dataclasses.replace(linear, schedule="cosine_restarts", min_learning_rate=0.02)
    assert [cosine.rate(1, 0), cosine.rate(1, 0.5), cosine.rate(1, 1), cosine.rate(2, 0)] == pytest.approx(
        [0.1, 0.06, 0.02, 0.1]
    )
    assert dataclasses.replace(linear, schedule="constant").rate(2, 0.9) == 0.1


def test_settings_that_contradict_each_other_are_refused(walks):
    with pytest.raises(InputError, match="min_learning_rate"):
        _fit(walks, learning_rate=1e-5)


def test_a_device_that_is_not_there_is_an_error_the_user_can_act_on(walks):
    for device in ("no-such-device", "cuda:99"):
        with pytest.raises(InputError, match="choose cpu"):
            _fit(walks, TrainContext(device=device))


def test_defaults_pass_their_own_bounds():
    assert build(SkipGramConfig, dataclasses.asdict(SkipGramConfig()), "test") == SkipGramConfig()


def test_the_registry_trains_it(walks):
    entry = MODELS["skipgram"]
    inputs = Inputs(n_nodes=N_NODES, walks=walks)
    trained = entry.fit(inputs, entry.config_class(**(SMALL | {"epochs": 1})), TrainContext(threads=1))
    assert trained.model == "skipgram"


def test_node2vec_is_the_same_on_the_other_walks(walks):
    entry = MODELS["node2vec"]
    config = entry.config_class(**(SMALL | {"epochs": 1}))
    stages = set()
    context = TrainContext(threads=1, progress=lambda stage, *rest: stages.add(stage))
    trained = entry.fit(Inputs(n_nodes=N_NODES, walks=walks[:5], node2vec_walks=walks), config, context)
    assert trained.model == "node2vec" and stages == {"node2vec"}
    assert (trained.center == _fit(walks, epochs=1).center).all()
    with pytest.raises(InputError, match="walks"):
        entry.fit(Inputs(n_nodes=N_NODES, walks=walks), config)
    with pytest.raises(InputError, match=r"node2vec\.min_learning_rate"):
        entry.fit(Inputs(n_nodes=N_NODES, node2vec_walks=walks), dataclasses.replace(config, learning_rate=1e-5))


@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_walks_of_any_length_train(backend):
    walks = np.random.default_rng(0).integers(0, 40, (20, 1000)).astype(np.int32)
    config = SkipGramConfig(backend=backend, dim=4, epochs=1)
    trained = train(Inputs(n_nodes=40, walks=walks), config, TrainContext(threads=2, seed=-1))
    assert trained.info["words"] == 20_000 and np.isfinite(trained.context).all()


def test_a_single_short_walk_trains():
    for backend in ("compiled", "torch"):
        walks = np.array([[0, 1, -1]], np.int32)
        trained = train(Inputs(n_nodes=3, walks=walks), SkipGramConfig(backend=backend, dim=4), TrainContext(threads=2))
        assert trained.seen.tolist() == [True, True, False] and np.isfinite(trained.center).all()


def test_the_module_scores_by_the_dot_product_of_center_and_context():
    model = SkipGram(np.array([True, True, False]), 8, 0)
    with torch.no_grad():
        model.context.weight += 1.0
    center, context = model.arrays()
    logits = model(torch.tensor([0, 1]), torch.tensor([1, 0]))
    np.testing.assert_allclose(logits.detach().numpy(), (center[[0, 1]] * context[[1, 0]]).sum(1), rtol=1e-5)
    assert np.abs(center).max() <= 0.5 / 8 and (center[2] == 0).all()


@pytest.mark.parametrize(
    ("arrays", "meta"),
    [
        ({}, {}),
        ({}, {"epoch": 1}),
        (None, {"epoch": "1"}),
        (None, {"epoch": 10**9}),
        (None, {"curve": [3]}),
        ({}, None),
    ],
    ids=str,
)
def test_a_checkpoint_that_holds_something_else_means_starting_from_the_beginning(
    walks, tmp_path, caplog, arrays, meta
):
    context = TrainContext(threads=1, checkpoints=tmp_path)
    whole = _fit(walks, context)
    path = tmp_path / "checkpoint.npz"
    with np.load(path) as file:
        head = json.loads(str(file["__meta__"]))
        kept = {name: file[name] for name in file.files if name != "__meta__"}
    head["meta"] = head["meta"] if meta is None else meta and head["meta"] | meta
    np.savez(path, __meta__=np.array(json.dumps(head)), **(kept if arrays is None else arrays))
    again = _fit(walks, context)
    assert "starts from the beginning" in caplog.text
    assert again.info["resumed_after_epoch"] == 0 and (again.center == whole.center).all()
