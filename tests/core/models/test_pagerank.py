"""Personalized PageRank against networkx and the dense series, and its promises about errors."""

import networkx as nx
import numpy as np
import pytest

from core.graph import ProductGraph, build_graph
from core.interfaces import NATIVE, Inputs, Scorer
from core.models import MODELS
from core.models.pagerank import PageRankConfig
from core.scoring.factory import scorer

MODEL = MODELS["personalized_pagerank"]
N = 37


def karate() -> ProductGraph:
    """Zachary's karate club with random weights, a separate pair (34, 35) and an isolated node (36)."""
    source, target = np.array([*nx.karate_club_graph().edges(), (34, 35)], dtype=np.int32).T
    weight = np.random.default_rng(0).uniform(0.5, 3, len(source)).astype(np.float32)
    return build_graph(N, source, target, weight)


def reference(graph: ProductGraph, damping: float) -> np.ndarray:
    """Row i: networkx' PageRank with all restarts at i; zero for the isolated node."""
    nxg = nx.from_scipy_sparse_array(graph.adjacency().astype(np.float64))
    scored = np.zeros((N, N))
    for i in range(N - 1):
        rank = nx.pagerank(nxg, alpha=damping, personalization={i: 1}, tol=1e-12, max_iter=10_000)
        scored[i] = [rank[j] for j in range(N)]
    return scored


def fitted_scorer(graph: ProductGraph, threads: int = 2, **config: float) -> Scorer:
    trained = MODEL.fit(Inputs(n_nodes=graph.n_nodes, graph=graph), PageRankConfig(**config))
    return scorer(MODEL, trained, NATIVE, threads)


@pytest.mark.parametrize("damping", [0.5, 0.85])
@pytest.mark.parametrize("threads", [1, 3])
def test_pairs_and_lists_are_networkx_pagerank(damping, threads):
    graph = karate()
    expected = reference(graph, damping)
    model_scorer = fitted_scorer(graph, threads, damping=damping, tolerance=1e-10)
    source, target = np.triu_indices(N, k=1)
    mean = (expected[source, target] + expected[target, source]) / 2
    assert np.allclose(model_scorer.score_pairs(source, target), mean, rtol=1e-4, atol=1e-8)
    assert np.allclose(model_scorer.score_pairs(target, source), mean, rtol=1e-4, atol=1e-8)

    mask = graph.adjacency()
    sources = np.arange(N, dtype=np.int32)
    for hidden in (None, mask):
        ids, scores = model_scorer.top_k(sources, 9, mask=hidden)
        left = expected.copy()
        np.fill_diagonal(left, 0)
        if hidden is not None:
            left[hidden.toarray() > 0] = 0
        for i in range(N):
            best = np.sort(left[i][left[i] > 1e-9])[::-1][:9]
            assert np.allclose(scores[i, : len(best)], best, rtol=1e-4)
            assert np.allclose(left[i, ids[i, : len(best)]], best, rtol=1e-4)
            assert (ids[i, len(best) :] == -1).all()
    assert model_scorer.seen.tolist() == [True] * 36 + [False]


def test_two_products_by_hand():
    """A walk on one edge is at its start at even times: sum of 0.5 * 0.5**t over odd t is 1/3."""
    graph = build_graph(2, np.array([0]), np.array([1]), np.ones(1, np.float32))
    ids, scores = fitted_scorer(graph, damping=0.5, tolerance=1e-12).top_k(np.array([0], np.int32), 1)
    assert ids.tolist() == [[1]] and scores[0, 0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-5])
def test_lists_are_too_small_by_no_more_than_the_tolerance(tolerance):
    graph = karate()
    expected = reference(graph, 0.85)
    strength = graph.adjacency().toarray().sum(axis=1)
    scored = np.zeros((N, N))
    ids, scores = fitted_scorer(graph, tolerance=tolerance).top_k(np.arange(N, dtype=np.int32), N)
    for i in range(N):
        listed = ids[i] >= 0
        scored[i, ids[i, listed]] = scores[i, listed]
    off = ~np.eye(N, dtype=bool)
    error = (expected - scored)[off]
    assert error.min() > -1e-7
    assert (error <= (tolerance * np.tile(strength, (N, 1)))[off] + 1e-7).all()
    if tolerance == 1e-2:
        assert error.max() > 1e-4  # it does stop early


def test_it_needs_the_graph():
    with pytest.raises(ValueError, match="training graph"):
        MODEL.fit(Inputs(n_nodes=3), PageRankConfig())
