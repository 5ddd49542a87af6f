"""Ranking metrics against cases worked by hand, against scikit-learn's NDCG and against brute force."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from core.evaluation.metrics import (
    coverage,
    ndcg,
    popularity_bias,
    recall,
    reciprocal_rank,
)
from core.graph import build_graph
from core.pairs.ranking_task import RankingTask, cold_task, ranking_task
from core.pairs.split import PairSplit, SplitConfig, split_pairs

# Three lists of four places; 1 = a target stands there.
HITS = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]], dtype=bool)
TARGETS = np.array([5, 2, 3])


def test_recall_by_hand():
    assert recall(HITS, TARGETS, 2).tolist() == [1 / 2, 0, 2 / 2]
    assert recall(HITS, TARGETS, 4).tolist() == [2 / 4, 0, 3 / 3]


def test_reciprocal_rank_by_hand():
    assert reciprocal_rank(HITS, 4).tolist() == [1 / 2, 0, 1]
    assert reciprocal_rank(HITS, 1).tolist() == [0, 0, 1]


def test_ndcg_by_hand():
    gain = [1, 1 / np.log2(3), 1 / 2, 1 / np.log2(5)]
    first = (gain[1] + gain[3]) / sum(gain)  # five targets, so all four places could hold one
    assert ndcg(HITS, TARGETS, 4) == pytest.approx([first, 0, 1])
    assert ndcg(HITS, TARGETS, 2) == pytest.approx([gain[1] / (gain[0] + gain[1]), 0, 1])


def test_ndcg_is_sklearns():
    rng = np.random.default_rng(0)
    relevance = rng.random((50, 30)) < 0.2
    relevance[:, 0] |= ~relevance.any(axis=1)
    scores = rng.permuted(np.tile(np.arange(30), (50, 1)), axis=1)
    order = np.argsort(-scores, axis=1)
    hits = np.take_along_axis(relevance, order, axis=1)
    for k in (1, 10, 30):
        mine = ndcg(hits, relevance.sum(axis=1), k).mean()
        assert mine == pytest.approx(ndcg_score(relevance, scores, k=k))


def test_lists_shorter_than_k():
    assert ndcg(HITS, TARGETS, 10)[2] == pytest.approx(1)
    assert recall(HITS, TARGETS, 10).tolist() == [2 / 5, 0, 1]


def test_coverage_by_hand():
    lists = np.array([[1, 2, -1], [2, 3, -1]])
    assert coverage(lists, 100) == 3 / 6  # six places, three products
    assert coverage(lists, 4) == 3 / 4  # only four products could be listed
    assert np.isnan(coverage(lists, 0))


def test_popularity_bias_by_hand():
    degree = np.array([0, 1, 1, 2, 9])  # four products count: percentiles 0.25, 0.25, 0.625, 0.875
    lists = np.array([[4, 3], [1, -1], [-1, -1]])
    assert popularity_bias(lists, degree)[:2].tolist() == [0.75, 0.25]
    assert np.isnan(popularity_bias(lists, degree)[2])
    everyone = np.array([[1, 2, 3, 4]])
    assert popularity_bias(everyone, degree)[0] == 0.5


def test_hits_find_targets_and_nothing_else():
    keys = np.array([0 * 10 + 3, 0 * 10 + 5, 1 * 10 + 9])
    task = RankingTask(keys, np.array([2, 1]), 10, np.array([7, 9], np.int32))
    lists = np.array([[5, 9, -1], [3, 5, 9]], dtype=np.int32)
    assert task.hits(lists).tolist() == [[True, False, False], [False, False, True]]


def small_split() -> tuple[PairSplit, np.ndarray]:
    rng = np.random.default_rng(1)
    pairs = np.unique(np.sort(rng.integers(60, size=(200, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    weight = np.ones(len(pairs), np.float32)
    split = split_pairs(60, pairs[:, 0], pairs[:, 1], weight, np.ones(60, bool), SplitConfig(cold_share=0.2))
    return split, pairs


def test_sources_and_targets_by_brute_force():
    split, _ = small_split()
    graph = build_graph(60, split.train.source, split.train.target, split.train.weight)
    partners: dict[int, set[int]] = {}
    for a, b in zip(split.validation.source.tolist(), split.validation.target.tolist(), strict=True):
        partners.setdefault(a, set()).add(b)
        partners.setdefault(b, set()).add(a)
    expected = {a: t for a, t in partners.items() if graph.degree[a] > 0}
    task = ranking_task(split, graph, 1000, seed=0)
    assert task.sources.tolist() == sorted(expected)
    for row, source in enumerate(task.sources.tolist()):
        found = {int(key % 60) for key in task.target_keys if key // 60 == row}
        assert found == expected[source]
        assert task.n_targets[row] == len(found)


def test_cold_sources_are_the_cold_products():
    split, pairs = small_split()
    task = cold_task(split, 1000, seed=0)
    in_train = set(np.concatenate([split.train.source, split.train.target]).tolist())
    cold = set(split.cold.tolist())
    for row, source in enumerate(task.sources.tolist()):
        assert source in cold
        partners = {a + b - source for a, b in pairs.tolist() if source in (a, b)}
        assert {int(key % 60) for key in task.target_keys if key // 60 == row} == (partners - cold) & in_train


def test_sampled_sources_are_a_subset_and_follow_the_seed():
    split, _ = small_split()
    graph = build_graph(60, split.train.source, split.train.target, split.train.weight)
    everything = ranking_task(split, graph, 1000, seed=0)
    some, same, other = (ranking_task(split, graph, 10, seed=seed) for seed in (0, 0, 1))
    assert len(some.sources) == 10 and set(some.sources) <= set(everything.sources)
    assert np.array_equal(some.sources, same.sources) and np.array_equal(some.target_keys, same.target_keys)
    assert not np.array_equal(some.sources, other.sources)
    counts = dict(zip(everything.sources.tolist(), everything.n_targets.tolist(), strict=True))
    assert [counts[s] for s in some.sources.tolist()] == some.n_targets.tolist()
    assert np.array_equal(np.bincount(some.target_keys // 60, minlength=10), some.n_targets)
