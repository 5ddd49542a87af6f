"""Matrix factorization as a whole: what it learns, its labels and biases, learning curve, checkpoints and errors."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from core.errors import InputError
from core.graph import build_graph
from core.interfaces import LEARNING_CURVE, NATIVE, Inputs, TrainContext
from core.models import MODELS
from core.models.matrix_factorization.train import MatrixFactorization, pair_corpus
from core.scoring.factory import scorer
from core.training import checkpoint
from tests.probes import RecordingProbe

BLOCKS, SIZE = 6, 25
N_NODES = BLOCKS * SIZE + 5  # the last five have no pair
PAIRS, BIAS, SEQUENCES = (MODELS[f"matrix_factorization{tail}"] for tail in ("", "_bias", "_sequences"))
ALL = [PAIRS, BIAS, SEQUENCES]
SMALL = {"dim": 16, "epochs": 8, "learning_rate": 0.1}


@pytest.fixture(scope="module")
def inputs():
    """A graph whose pairs stay in their block with probability 0.9, and walks that do so too."""
    rng = np.random.default_rng(0)
    source, target = rng.integers(0, BLOCKS * SIZE, (2, 40_000))
    target = np.where(rng.random(len(source)) < 0.9, source // SIZE * SIZE + target % SIZE, target)
    pairs = np.unique(np.sort(np.column_stack([source, target])[source != target], axis=1)[:3000], axis=0)
    weight = rng.choice([0.5, 1.0, 2.0], len(pairs)).astype(np.float32)
    walks = np.empty((1500, 10), np.int32)
    block = rng.integers(0, BLOCKS, len(walks))
    for step in range(walks.shape[1]):
        block = np.where(rng.random(len(walks)) < 0.9, block, rng.integers(0, BLOCKS, len(walks)))
        walks[:, step] = block * SIZE + rng.integers(0, SIZE, len(walks))
    walks[::5, 4:] = -1
    return Inputs(N_NODES, graph=build_graph(N_NODES, pairs[:, 0], pairs[:, 1], weight), walks=walks)


def _fit(entry, inputs, context=None, **config):
    return entry.fit(inputs, entry.config_class(**(SMALL | config)), context or TrainContext(threads=1))


def _block_auc(entry, trained):
    rng = np.random.default_rng(1)
    source, target = rng.integers(0, BLOCKS * SIZE, (2, 20_000)).astype(np.int32)
    source, target = source[source != target], target[source != target]
    scores = scorer(entry, trained, NATIVE).score_pairs(source, target)
    return roc_auc_score(source // SIZE == target // SIZE, scores)


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_blocks_are_separated(inputs, entry, backend):
    epochs = 5 if entry is SEQUENCES else 40
    assert _block_auc(entry, _fit(entry, inputs, backend=backend, epochs=epochs)) > 0.95


def test_two_threads_learn_as_well(inputs):
    assert _block_auc(PAIRS, _fit(PAIRS, inputs, TrainContext(threads=2), epochs=40)) > 0.95


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_one_thread_repeats_itself_and_follows_the_seed(inputs, entry, backend):
    first, again = (_fit(entry, inputs, backend=backend, epochs=2) for _ in range(2))
    assert (first.center == again.center).all()
    other = _fit(entry, inputs, TrainContext(threads=1, seed=43), backend=backend, epochs=2)
    assert not np.allclose(first.center, other.center)
    assert first.seen.tolist() == [True] * (N_NODES - 5) + [False] * 5
    assert (first.center[-5:] == 0).all() and (np.abs(first.center[:-5]).sum(1) > 0).all()
    if entry is BIAS:
        assert (first.context[-5:] == 0).all() and (first.center[:-5, -1] == 1).all()
        assert (first.center[:, -2] == first.context[:, -1]).all() and (first.center[:-5, -2] != 0).all()
    else:
        assert first.context is None


@pytest.mark.parametrize("entry", [PAIRS, BIAS], ids=lambda entry: entry.name)
def test_continuous_labels_regress_the_weight(entry):
    """Pairs without common products and nearly without negatives, so that only the label acts on them."""
    n = 60
    source, target = np.arange(0, 2 * n, 2), np.arange(1, 2 * n, 2)
    weight = np.linspace(0.4, 4.0, n).astype(np.float32) ** 3
    share = np.arange(1, n + 1) / n  # share of the pairs whose weight is at most the pair's own
    inputs = Inputs(2 * n, graph=build_graph(2 * n, source, target, weight))
    config = {"labels": "continuous", "negatives": 0.01, "epochs": 600, "learning_rate": 0.3, "start": 0.3}
    trained = _fit(entry, inputs, **config)
    score = scorer(entry, trained, NATIVE).score_pairs(source, target)
    probability = 1 / (1 + np.exp(-score))
    np.testing.assert_allclose(probability[:-5], share[:-5], atol=0.05)  # a label of 1 is only reached at infinity


def test_pairs_are_read_once_and_labeled_by_the_rank_of_their_weight():
    graph = build_graph(5, np.array([0, 1, 0, 1]), np.array([2, 2, 1, 3]), np.array([1, 400, 2, 1], np.float32))
    corpus = pair_corpus(graph, weighted=True)
    assert corpus.walks.tolist() == [[0, 1], [0, 2], [1, 2], [1, 3]] and corpus.walks.dtype == np.int32
    assert corpus.labels.tolist() == [0.75, 0.5, 1.0, 0.5] and corpus.counts.tolist() == [2, 3, 2, 1, 0]
    assert corpus.labels.dtype == np.float32
    assert pair_corpus(graph, weighted=False).labels is None


def test_l2_keeps_vectors_short(inputs):
    lengths = [np.linalg.norm(_fit(PAIRS, inputs, l2=l2, epochs=20).center) for l2 in (0.0, 0.1)]
    assert lengths[1] < 0.7 * lengths[0]


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_learning_curve_shows_the_restarts_and_counts_what_was_trained(inputs, entry):
    done = []
    probe = RecordingProbe(np.arange(10, N_NODES), lambda *_: 0.5 + len(probe.shown) / 100)
    context = TrainContext(threads=1, probe=probe, progress=lambda *report: done.append(report))
    trained = _fit(entry, inputs, context, probes_per_epoch=2, epochs=3, backend="torch", batch_walks=50)
    rows = trained.learning_curve.to_pandas()
    assert trained.learning_curve.schema == LEARNING_CURVE
    assert rows["epoch"].tolist() == [1, 1, 2, 2, 3, 3]
    unit, per_epoch = (
        ("words", int((inputs.walks >= 0).sum())) if entry is SEQUENCES else ("pairs", inputs.graph.n_edges)
    )
    assert rows["examples"].tolist()[1::2] == [per_epoch * epoch for epoch in (1, 2, 3)]
    assert trained.info[unit] == per_epoch * 3
    assert done[-1] == (entry.name, per_epoch * 3, per_epoch * 3, unit)
    falls = rows["learning_rate"].to_numpy()
    assert (falls[2::2] > falls[1:-1:2]).all() and (falls[1::2] < falls[::2]).all()
    assert rows["loss"].iloc[-1] < rows["loss"].iloc[0]
    assert rows["roc_auc"].tolist() == pytest.approx([0.51, 0.52, 0.53, 0.54, 0.55, 0.56])
    # The probe gets the rows of its nodes, whose inner products are the model's own scores.
    center, context_rows = probe.shown[-1]
    assert not any(probe.cosine)
    source, target = np.random.default_rng(2).integers(10, N_NODES, (2, 500)).astype(np.int32)
    product = (center[source - 10] * (center if context_rows is None else context_rows)[target - 10]).sum(1)
    scores = scorer(entry, trained, NATIVE).score_pairs(source, target)
    np.testing.assert_allclose(product, scores, atol=1e-5)


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.parametrize("entry", [BIAS, SEQUENCES], ids=lambda entry: entry.name)
def test_an_interrupted_run_continues_to_the_same_result(inputs, tmp_path, entry, backend):
    config = {"backend": backend, "epochs": 4} | ({"labels": "continuous"} if entry is BIAS else {})
    whole = _fit(entry, inputs, **config)

    def kill_in_epoch_3(_stage, done, total, _unit):
        if done > 0.55 * total:
            raise _KilledError

    with pytest.raises(_KilledError):
        _fit(entry, inputs, TrainContext(threads=1, checkpoints=tmp_path, progress=kill_in_epoch_3), **config)
    reports = []
    context = TrainContext(threads=1, checkpoints=tmp_path, progress=lambda *report: reports.append(report[1:3]))
    resumed = _fit(entry, inputs, context, **config)
    assert reports[0][0] > 0.5 * reports[0][1]  # epochs 1 and 2 were not repeated
    assert (resumed.center == whole.center).all()
    curves = [e.learning_curve.drop_columns(["seconds"]).to_pylist() for e in (resumed, whole)]
    assert curves[0] == curves[1]
    checkpoint.clear(tmp_path)


def test_a_checkpoint_of_other_weights_is_ignored(inputs, tmp_path):
    config = {"labels": "continuous", "epochs": 1}
    _fit(PAIRS, inputs, TrainContext(threads=1, checkpoints=tmp_path), **config)
    weights = 1 / inputs.graph.weights
    other = dataclasses.replace(inputs, graph=dataclasses.replace(inputs.graph, weights=weights))
    reports = []
    context = TrainContext(threads=1, checkpoints=tmp_path, progress=lambda *report: reports.append(report))
    _fit(PAIRS, other, context, **config)
    assert reports


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_a_diverging_run_names_the_learning_rate(inputs, entry, backend):
    with pytest.raises(InputError, match=rf"{entry.name}\.learning_rate: training diverged in epoch 1"):
        _fit(entry, inputs, backend=backend, learning_rate=1e8)


def test_bad_input_is_refused(inputs):
    with pytest.raises(InputError, match=r"matrix_factorization\.min_learning_rate"):
        _fit(PAIRS, inputs, learning_rate=1e-5)
    with pytest.raises(InputError, match=r"matrix_factorization_sequences\.min_learning_rate"):
        _fit(SEQUENCES, inputs, learning_rate=1e-5)
    none = np.empty(0, np.int32)
    with pytest.raises(InputError, match="matrix_factorization: there are no pairs"):
        _fit(PAIRS, Inputs(3, graph=build_graph(3, none, none, np.empty(0, np.float32))))
    with pytest.raises(InputError, match="walks: there are no walks"):
        _fit(SEQUENCES, Inputs(3))
    with pytest.raises(InputError, match="choose cpu"):
        _fit(PAIRS, inputs, TrainContext(device="no-such-device"))


def test_a_single_pair_trains():
    inputs = Inputs(3, graph=build_graph(3, np.array([0]), np.array([1]), np.ones(1, np.float32)))
    for backend in ("compiled", "torch"):
        trained = _fit(BIAS, inputs, TrainContext(threads=2), backend=backend)
        assert trained.seen.tolist() == [True, True, False] and np.isfinite(trained.center).all()


@pytest.mark.parametrize("bias", [False, True])
def test_the_module_gives_the_logits_that_its_arrays_score(bias):
    model = MatrixFactorization(np.array([True, True, True, False]), 8, 0.5, bias, 0)
    if model.bias is not None:
        with torch.no_grad():
            model.bias += torch.tensor([0.1, -0.4, 2.0, 0.0])
    center, context = model.arrays()
    context = center if context is None else context
    source, target = torch.tensor([0, 1, 2]), torch.tensor([2, 0, 1])
    logits = model(source, target).detach().numpy()
    np.testing.assert_allclose(logits, (center[source] * context[target]).sum(1), rtol=1e-5)
    np.testing.assert_allclose(logits, model(target, source).detach().numpy(), rtol=1e-5)
