"""Counting, subsampling, the noise distribution and the order of training."""

import numpy as np
import pytest
from scipy.stats import chisquare

from core.errors import InputError
from core.training.corpus import build_corpus, keep_probability, walk_order
from core.training.noise import noise_table

WALKS = np.array([[0, 1, 0, 3], [3, -1, -1, -1], [1, 0, -1, -1]], np.int32)


def test_counts_ignore_padding_and_cover_nodes_that_were_never_visited():
    corpus = build_corpus(WALKS, 6)
    assert corpus.counts.tolist() == [3, 2, 0, 2, 0, 0]
    assert corpus.words == 7 and corpus.n_walks == 3
    assert corpus.seen.tolist() == [True, True, False, True, False, False]


def test_counts_are_the_same_for_walks_longer_than_one_chunk(monkeypatch):
    whole = build_corpus(WALKS, 6).counts
    monkeypatch.setattr("core.training.corpus._CHUNK", 2)
    assert (build_corpus(WALKS, 6).counts == whole).all()


def test_walks_of_other_types_and_layouts_are_accepted():
    corpus = build_corpus(np.asfortranarray(WALKS.astype(np.int64)), 4)
    assert corpus.walks.dtype == np.int32 and corpus.walks.flags.c_contiguous
    assert (corpus.walks == WALKS).all()


def test_very_long_walks_are_trained_on_in_pieces():
    walks = np.stack([np.arange(300), np.where(np.arange(300) < 130, np.arange(300), -1)]).astype(np.int32)
    corpus = build_corpus(walks, 300)
    assert corpus.walks.shape == (6, 128)
    assert corpus.words == 430
    assert (corpus.walks[1] == np.arange(128, 256)).all()
    assert (corpus.walks[2] == [*range(256, 300), *[-1] * 84]).all()
    assert (corpus.walks[4] == [128, 129, *[-1] * 126]).all() and (corpus.walks[5] == -1).all()
    assert build_corpus(walks[:, :128], 300).walks.shape == (2, 128)


@pytest.mark.parametrize("walks", [None, np.empty((0, 10), np.int32), np.full((2, 3), -1, np.int32)])
def test_no_walks_is_an_error_that_says_so(walks):
    with pytest.raises(InputError, match="walks: there are no walks"):
        build_corpus(walks, 5)


def test_walks_of_another_graph_are_refused():
    with pytest.raises(InputError, match="node 3, but there are only 3 products"):
        build_corpus(WALKS, 3)


def test_keep_probability_is_one_minus_the_discard_probability_of_the_paper():
    counts = np.array([900, 90, 9, 1, 0])
    keep = keep_probability(counts, 0.01)
    for count, kept in zip(counts[:4], keep, strict=False):
        discard = max(0.0, 1 - np.sqrt(0.01 / (count / 1000)))  # Mikolov et al. 2013, formula 5
        assert kept == pytest.approx(1 - discard, rel=1e-6)
    assert keep[0] < keep[1] < 1 and keep[2] == 1
    assert (keep_probability(counts, 0.0) == 1).all()


def _probabilities(table):
    """What the alias table draws: every slot is equally likely and splits between itself and its alias."""
    result = table.accept.astype(np.float64)
    np.add.at(result, table.alias, 1 - table.accept.astype(np.float64))
    return result / len(result)


@pytest.mark.parametrize("power", [0.75, 1.0, 0.0, -0.5])
def test_noise_table_holds_counts_to_the_power(power):
    counts = np.random.default_rng(0).zipf(1.5, 5000).clip(max=10**6)
    counts[::7] = 0
    table = noise_table(counts, power)
    expected = np.where(counts > 0, np.maximum(counts, 1) ** power, 0.0)
    np.testing.assert_allclose(_probabilities(table), expected / expected.sum(), atol=1e-9, rtol=1e-3)
    assert (_probabilities(table)[counts == 0] < 1e-9).all()


def test_draws_from_the_noise_table_follow_it():
    counts = np.array([1, 10, 100, 1000, 0, 50])
    table = noise_table(counts, 0.75)
    rng = np.random.default_rng(1)
    slot = rng.integers(0, len(counts), 200_000)
    drawn = np.where(rng.random(len(slot)) < table.accept[slot], slot, table.alias[slot])
    observed = np.bincount(drawn, minlength=len(counts))
    weight = counts**0.75
    assert observed[4] == 0
    positive = counts > 0
    assert chisquare(observed[positive], (weight / weight.sum() * len(slot))[positive]).pvalue > 1e-3


@pytest.mark.parametrize("n_walks", [1, 2, 3, 10, 97, 100, 30_030])
def test_an_epoch_visits_every_walk_once_in_an_order_of_its_own(n_walks):
    orders = [walk_order(n_walks, 7, epoch) for epoch in (1, 2)]
    visited = [(np.arange(n_walks) * order.stride + order.offset) % n_walks for order in orders]
    for walks in visited:
        assert (np.sort(walks) == np.arange(n_walks)).all()
    if n_walks > 90:
        assert (visited[0] != visited[1]).mean() > 0.5
    assert walk_order(n_walks, 7, 1) == orders[0]


def test_every_stretch_of_an_epoch_is_spread_over_all_walks():
    order = walk_order(100_000, 3, 1)
    stretch = (np.arange(2000, 3000) * order.stride + order.offset) % 100_000
    per_tenth = np.bincount(stretch // 10_000, minlength=10)
    assert per_tenth.min() > 50 and per_tenth.max() < 200
