"""The asset checks' judgement: what is right passes, each kind of damage is found, counted and named."""

import dataclasses
import itertools

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from core import checks
from core.evaluation.metrics import ALL, DEGREE_MATCHED, RANKING
from core.evaluation.result import METRICS
from core.graph import build_graph, transition_matrix
from core.interfaces import TrainedModel
from core.pairs.split import Pairs, SplitConfig, split_pairs
from core.walks import random_walks
from core.walks.config import WalksConfig

N = 60


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(1)
    pairs = np.unique(np.sort(rng.integers(0, N, (400, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]].astype(np.int32)
    weight = rng.random(len(pairs)).astype(np.float32) + 0.1
    return split_pairs(N, pairs[:, 0], pairs[:, 1], weight, np.ones(N, dtype=bool), SplitConfig(), seed=3)


@pytest.fixture(scope="module")
def graph(split):
    return build_graph(N, split.train.source, split.train.target, split.train.weight)


def named(findings, name):
    [finding] = [finding for finding in findings if finding.name == name]
    return finding


class Listed:
    def __init__(self, weight, ids=None, known=()):
        self.source = np.arange(len(weight))
        self.target, self.weight = self.source + 1, np.array(weight, dtype=np.float32)
        ids = [f"p{i}" for i in range(len(weight) + 1)] if ids is None else ids
        has_metadata = pa.array([i in known for i in ids], pa.bool_())
        self.products = pa.table({"product_id": pa.array(ids, pa.string()), "has_metadata": has_metadata})


@pytest.mark.parametrize(
    ("weight", "not_empty", "positive"),
    [([1, 2], True, True), ([], False, True), ([1, 0], True, False), ([1, -1], True, False), ([np.nan], True, False),
     ([np.inf], True, False)],
)  # fmt: skip
def test_pairs(weight, not_empty, positive):
    findings = checks.check_pairs(Listed(weight))
    assert (named(findings, "not_empty").passed, named(findings, "weights_positive").passed) == (not_empty, positive)
    assert {finding.name for finding in findings} == {rule.name for rule in checks.PAIRS}


@pytest.mark.parametrize(
    ("paired", "known", "reason"),
    [
        ("sku-{}", "SKU-{}", "capital letters"),
        ("1{:03}.0", "1{:03}", "floating-point"),
        ("{}", "000{}", "leading zeros"),
        ("A {}", "A{}", "white space"),
        ("'{}", "{}", "quotes"),
        ("A-{}-B", "A{}B", "dashes"),
        ("prod{}", "{}", "before the number"),
        ("shop:x{}", "x{}", "before the last colon"),
        ("x{}@eu", "x{}", "behind a colon"),
        ("\uff21{}", "A{}", "Unicode"),
        ("left{}", "RIGHT{}x", None),
    ],
)
def test_ids_that_never_meet_are_a_warning_with_an_id_of_each_side_and_the_reason(paired, known, reason):
    ours, theirs = ([pattern.format(i) for i in range(1, 101)] for pattern in (paired, known))
    finding = named(checks.check_pairs(Listed([1.0] * 99, ours + theirs, set(theirs))), "ids_meet")
    assert not finding.passed and finding.sentence.startswith("0 of the 100 products that have pairs have metadata")
    assert finding.facts["paired_id"] in ours and finding.facts["metadata_id"] in theirs
    assert all(repr(finding.facts[key]) in finding.sentence for key in ("paired_id", "metadata_id"))
    assert (finding.facts["reason"] is None) if reason is None else (reason in finding.facts["reason"])
    assert not {rule.name: rule for rule in checks.PAIRS}["ids_meet"].blocking


def test_ids_that_meet_or_need_not_are_no_warning():
    ids = [f"p{i}" for i in range(100)]
    for known in (set(), set(ids), set(ids[:5])):
        assert named(checks.check_pairs(Listed([1.0] * 99, ids, known)), "ids_meet").passed
    only_one = Listed([1.0] * 999, [f"p{i}" for i in range(1000)], {"p7"})
    finding = named(checks.check_pairs(only_one), "ids_meet")
    assert not finding.passed and finding.facts["reason"] is None and finding.facts["paired_with_metadata"] == 1


def test_a_pair_on_both_sides_is_found_in_either_direction(split):
    assert named(checks.check_split(split), "no_leak").passed
    leak = dataclasses.replace(
        split,
        validation=Pairs(
            np.r_[split.validation.source, split.train.target[5]], np.r_[split.validation.target, split.train.source[5]]
        ),
    )
    finding = named(checks.check_split(leak), "no_leak")
    assert not finding.passed and finding.facts == {"common": 1}


@pytest.mark.parametrize("damage", ["scaled", "nan", "negative"])
def test_transition_rows(graph, damage):
    matrix = transition_matrix(graph)
    assert named(checks.check_transition(matrix), "rows_sum_to_one").passed
    row = int(np.argmax(np.diff(matrix.indptr) > 1))
    first = matrix.indptr[row]
    if damage == "scaled":
        matrix.data[first] *= 0.9
    elif damage == "nan":
        matrix.data[first] = np.nan
    else:  # the sum is kept: it alone would not tell
        moved = matrix.data[first] + 0.5
        matrix.data[first] -= moved
        matrix.data[first + 1] += moved
    assert not named(checks.check_transition(matrix), "rows_sum_to_one").passed


def test_an_empty_graph_has_nothing_wrong():
    empty = sp.csr_matrix((3, 3))
    assert named(checks.check_transition(empty), "rows_sum_to_one").passed
    assert named(checks.check_walks(np.full((2, 4), -1, dtype=np.int32), empty), "follow_edges").passed
    assert not named(checks.check_walks(np.array([[0, 1]], dtype=np.int32), empty), "follow_edges").passed


def test_every_step_off_the_edges_is_counted(graph):
    matrix = transition_matrix(graph)
    walks = np.array(random_walks(matrix, WalksConfig(walks_per_node=3, walk_length=6), seed=1))
    finding = named(checks.check_walks(walks, matrix), "follow_edges")
    dense = matrix.toarray() > 0
    steps = [(a, b) for walk in walks.tolist() for a, b in itertools.pairwise(walk) if b != -1]
    assert finding.passed and finding.facts == {"wrong": 0, "steps": len(steps)}

    rng = np.random.default_rng(0)
    walks[:20] = rng.integers(-1, N + 2, walks[:20].shape)
    steps = [(a, b) for walk in walks.tolist() for a, b in itertools.pairwise(walk) if b != -1]
    wrong = sum(not (0 <= a < N and 0 <= b < N and dense[a, b]) for a, b in steps)
    finding = named(checks.check_walks(walks, matrix), "follow_edges")
    assert not finding.passed and finding.facts == {"wrong": wrong, "steps": len(steps)}


def test_of_many_walks_a_sample_is_looked_at(graph, monkeypatch):
    monkeypatch.setattr(checks, "_SAMPLE", 50)
    matrix = transition_matrix(graph)
    walks = np.array(random_walks(matrix, WalksConfig(walks_per_node=3, walk_length=6), seed=1))
    assert named(checks.check_walks(walks, matrix), "follow_edges").facts["steps"] <= 50
    walks[:, 1] = walks[:, 0]  # all of them wrong: no sample can miss it
    assert not named(checks.check_walks(walks, matrix), "follow_edges").passed


def trained(**more):
    seen = np.arange(N) % 5 != 0
    center = np.where(seen[:, None], np.random.default_rng(0).normal(size=(N, 4)), 0).astype(np.float32)
    return TrainedModel(**{"model": "skipgram", "center": center, "context": center.copy(), "seen": seen, **more})


def test_vectors_finite_and_complete():
    good = trained()
    assert all(finding.passed for finding in checks.check_vectors(good, N))
    good.context[1, 2] = np.inf
    good.center[3] = np.nan
    findings = checks.check_vectors(good, N)
    assert named(findings, "finite").facts == {"bad": 5} and named(findings, "complete").passed

    hole = trained()
    hole.center[[6, 7]] = 0  # seen, but never trained
    assert named(checks.check_vectors(hole, N), "complete").facts == {"empty": 2}
    assert not named(checks.check_vectors(trained(), N + 1), "complete").passed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("skipgram", {}),
        ("skipgram", {"backend": "batched"}),
        ("gensim_word2vec", {}),
        ("matrix_factorization_sequences", {}),
    ],
)
@pytest.mark.parametrize("walk_length", [1, 5])
def test_walks_that_give_no_examples_are_a_warning(graph, name, config, walk_length):
    from core.configs import CONFIGS
    from core.interfaces import Inputs, TrainContext
    from core.models import MODELS

    walks = np.array(random_walks(transition_matrix(graph), WalksConfig(walk_length=walk_length), seed=1))
    model = MODELS[name]
    settings = CONFIGS[name](**{"dim": 4, "epochs": 1, **config})
    given = {"walks": walks, "graph": graph, "transition": transition_matrix(graph)}
    inputs = Inputs(n_nodes=N, **{key: given[key] for key in model.inputs})
    finding = named(checks.check_vectors(model.fit(inputs, settings, TrainContext(seed=1)), N), "learned")
    assert finding.passed == (walk_length > 1)
    assert finding.passed or "0 examples" in finding.sentence
    assert not {rule.name: rule for rule in checks.VECTORS}["learned"].blocking


def test_sparse_models_are_looked_at_too():
    matrix = sp.random(N, N, 0.1, format="csr", random_state=0)
    sparse = trained(center=None, context=None, matrices={"scores": matrix})
    assert all(finding.passed for finding in checks.check_vectors(sparse, N))
    matrix.data[3] = np.nan
    assert not named(checks.check_vectors(sparse, N), "finite").passed


def metrics(auc, coverage, high=None):
    rows = [(DEGREE_MATCHED, "roc_auc", auc), (RANKING, "coverage@10", coverage)]
    columns = {name: [None] * len(rows) for name in METRICS.names}
    columns |= {
        "protocol": [row[0] for row in rows], "metric": [row[1] for row in rows], "value": [row[2] for row in rows],
        "subset": [ALL] * 2, "scoring": ["native"] * 2, "high": [high] * 2,
    }  # fmt: skip
    return pa.table(columns, schema=METRICS)


def test_popularity_is_the_floor(split, graph):
    from sklearn.metrics import roc_auc_score

    degree = graph.degree.astype(float)
    scores = np.r_[
        degree[split.validation.source] * degree[split.validation.target],
        degree[split.degree_matched_negatives.source] * degree[split.degree_matched_negatives.target],
    ]
    truth = np.r_[np.ones(len(split.validation.source)), np.zeros(len(split.degree_matched_negatives.source))]
    floor = checks.popularity_auc(split, graph)
    assert floor == pytest.approx(roc_auc_score(truth, scores))
    for auc, high, passed in ((floor + 0.01, None, True), (floor - 0.01, None, False), (floor - 0.01, floor, True)):
        findings = checks.check_metrics(metrics(auc, 0.5, high), split, graph, None, 0.02, 0.1)
        assert named(findings, "beats_popularity").passed == passed


@pytest.mark.parametrize(
    ("auc", "coverage", "passed"), [(0.8, 0.5, True), (0.79, 0.41, True), (0.77, 0.5, False), (0.8, 0.39, False)]
)
def test_a_fall_since_the_last_time_is_a_warning_with_both_numbers(split, graph, auc, coverage, passed):
    finding = named(checks.check_metrics(metrics(auc, coverage), split, graph, metrics(0.8, 0.5), 0.02, 0.1), "no_drop")
    assert finding.passed == passed and "0.800 →" in finding.sentence
    assert not {rule.name: rule for rule in checks.METRICS}["no_drop"].blocking
