"""Which sequences models learn from, and what comes of models for sessions where there are none."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from core import checks
from core.evaluation import EvaluationConfig, evaluate, leaderboard
from core.graph import build_graph
from core.interfaces import BOTH, CENTER_CONTEXT, SESSIONS, WALKS, Inputs, TrainContext
from core.models import MODELS
from core.pairs.split import SplitConfig, split_pairs
from core.scoring.factory import scorer
from core.scoring.neighbours import NeighboursConfig, nearest
from core.training.sequences import sequences

N = 8
ON_WALKS = np.array([[0, 1, 0, 1, 0], [2, 3, 2, -1, -1]] * 200, np.int32)
"""Walks on which 0 is with 1 and 2 with 3."""
IN_SESSIONS = np.array([[0, 2], [4, 5], [1, 3]] * 200, np.int32)
"""Sessions in which 0 is with 2, 1 with 3 and 4 with 5: pairs that share no walk."""
NO_SESSIONS = np.empty((0, 2), np.int32)
INPUTS = Inputs(
    N,
    products=pa.table(
        {"brand": [None] * N, "categories": pa.array([[]] * N, pa.list_(pa.string())), "price": [1.0] * N}
    ),
    graph=build_graph(N, np.array([0, 2], np.int32), np.array([1, 3], np.int32), np.ones(2, np.float32)),
    walks=ON_WALKS,
    sessions=IN_SESSIONS,
)
SMALL = {
    "cooccurrence": {},
    "gensim_word2vec": {"dim": 8, "epochs": 10, "subsample": 0.0, "architecture": "skip-gram"},
    "matrix_factorization_sequences": {"dim": 8, "epochs": 10, "learning_rate": 0.02},
    "skipgram": {"dim": 8, "epochs": 10, "learning_rate": 0.02},
    "skipgram_side_info_mean": {"dim": 8, "epochs": 10, "learning_rate": 0.02},
    "skipgram_side_info_weighted": {"dim": 8, "epochs": 10, "learning_rate": 0.02, "rounds": 1},
}


def fit(name, inputs=INPUTS, **settings):
    model = MODELS[name]
    return model.fit(inputs, model.config_class(**(SMALL.get(name, {}) | settings)), TrainContext(threads=1))


def scores(name, trained, *pairs):
    model = MODELS[name]
    source, target = np.array(pairs, np.int32).T
    scoring = CENTER_CONTEXT if CENTER_CONTEXT in model.scorings else model.scorings[0]
    return scorer(model, trained, scoring).score_pairs(source, target)


def test_both_are_the_walks_and_then_the_sessions_in_one_array():
    together = sequences(INPUTS, BOTH)
    assert together.dtype == np.int32 and together.shape == (1000, 5)
    assert (together[:400] == ON_WALKS).all() and (together[400:, :2] == IN_SESSIONS).all()
    assert (together[400:, 2:] == -1).all()
    wide = dataclasses.replace(INPUTS, walks=IN_SESSIONS, sessions=ON_WALKS)
    assert (sequences(wide, BOTH)[:600, 2:] == -1).all()


def test_one_kind_is_not_copied():
    without = dataclasses.replace(INPUTS, sessions=NO_SESSIONS)
    assert sequences(INPUTS, WALKS) is ON_WALKS and sequences(INPUTS, SESSIONS) is IN_SESSIONS
    assert sequences(without, BOTH) is sequences(dataclasses.replace(INPUTS, sessions=None), BOTH) is ON_WALKS


def test_every_model_of_walks_has_the_setting():
    own = {name for name, model in MODELS.items() if hasattr(model.config_class(), "learns_from")}
    assert own == {*SMALL, "skipgram_sessions", "skipgram_both"}
    of_walks = {name for name, model in MODELS.items() if "walks" in model.inputs}
    assert of_walks == own | {"blend"} and all("sessions" in MODELS[name].inputs for name in of_walks)


@pytest.mark.parametrize("name", SMALL)
def test_a_model_puts_together_what_is_together_in_its_sequences(name):
    by_walks, by_sessions, by_both = (fit(name, learns_from=source) for source in (WALKS, SESSIONS, BOTH))
    walked, met = scores(name, by_walks, (0, 1), (0, 2))
    assert walked > met
    walked, met, other = scores(name, by_sessions, (0, 1), (0, 2), (0, 3))
    assert met > walked and met > other
    walked, met, other = scores(name, by_both, (0, 1), (0, 2), (0, 5))
    assert min(walked, met) > other
    if "side_info" not in name:  # side information places the others too
        assert np.flatnonzero(by_walks.seen).tolist() == [0, 1, 2, 3]
        assert np.flatnonzero(by_both.seen).tolist() == [0, 1, 2, 3, 4, 5]


def test_the_rows_of_the_registry_are_skipgram_with_another_setting():
    for name, source in (("skipgram_sessions", SESSIONS), ("skipgram_both", BOTH)):
        row, plain = fit(name, **SMALL["skipgram"]), fit("skipgram", learns_from=source)
        assert row.model == name and (row.center == plain.center).all() and (row.context == plain.context).all()


@pytest.mark.parametrize("name", ["skipgram_sessions", "skipgram_both"])
@pytest.mark.parametrize("empty", [NO_SESSIONS, None])
def test_a_model_for_sessions_makes_nothing_of_none_and_is_on_no_leaderboard(name, empty):
    inputs = dataclasses.replace(INPUTS, sessions=empty)
    trained = fit(name, inputs)
    assert "only where there are sessions" in trained.info["untrained"] and not trained.seen.any()
    findings = checks.check_vectors(trained, N)
    assert all(finding.passed for finding in findings)
    assert any(finding.sentence == trained.info["untrained"] for finding in findings)
    assert nearest(MODELS[name], trained, pa.array(list("abcdefgh")), NeighboursConfig()).table.num_rows == 0

    rng = np.random.default_rng(0)
    ends = np.unique(np.sort(rng.integers(0, N, (30, 2)).astype(np.int32), axis=1), axis=0)
    source, target = ends[ends[:, 0] != ends[:, 1]].T
    split = split_pairs(N, source, target, np.ones(len(source), np.float32), np.zeros(N, bool), SplitConfig())
    graph = build_graph(N, split.train.source, split.train.target, split.train.weight)
    config = EvaluationConfig(bootstrap=0, ranking_sources=8)
    measured = {
        model: evaluate(MODELS[model], fit(model, inputs), split, graph, config) for model in (name, "cooccurrence")
    }
    assert measured[name].info["untrained"] == trained.info["untrained"]
    assert all(len(table) == 0 for table in (measured[name].metrics, measured[name].curves, measured[name].scores))
    timing = {model: evaluation.info.get("timing") for model, evaluation in measured.items()}
    long = leaderboard({model: evaluation.metrics for model, evaluation in measured.items()}, "c", timing)
    assert set(long["model"].to_pylist()) == {"cooccurrence"}
    # Its setting can still ask for the walks.
    assert fit(name, inputs, **SMALL["skipgram"], learns_from=WALKS).seen.any()


@pytest.mark.parametrize("name", SMALL)
def test_settings_that_ask_for_sessions_where_there_are_none_are_a_warning(name):
    inputs = dataclasses.replace(INPUTS, sessions=NO_SESSIONS)
    trained = fit(name, inputs, learns_from=SESSIONS)
    [learned] = [finding for finding in checks.check_vectors(trained, N) if not finding.passed]
    assert learned.name == "learned" and "no sessions to learn from" in learned.sentence
    both, walks = (fit(name, inputs, learns_from=source) for source in (BOTH, WALKS))
    for table in ("center", "context"):
        assert np.array_equal(getattr(both, table), getattr(walks, table))
