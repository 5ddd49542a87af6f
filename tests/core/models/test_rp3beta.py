"""RP3β against dense matrix powers and a hand-worked graph."""

import numpy as np
import pytest

from core.graph import ProductGraph, build_graph
from core.interfaces import NATIVE, Inputs
from core.models import MODELS
from core.models.rp3beta import RP3BetaConfig
from core.scoring.factory import scorer

MODEL = MODELS["rp3beta"]


def random_graph(n: int = 40, m: int = 120, seed: int = 0) -> ProductGraph:
    """A graph whose last three nodes are isolated."""
    rng = np.random.default_rng(seed)
    pairs = np.unique(np.sort(rng.integers(0, n - 3, size=(m, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return build_graph(n, pairs[:, 0], pairs[:, 1], rng.uniform(0.5, 3, len(pairs)).astype(np.float32))


def dense(graph: ProductGraph, beta: float, popularity: str) -> np.ndarray:
    """(P³)[i, j] / popularity(j) ** beta by dense NumPy."""
    weights = graph.adjacency().toarray().astype(np.float64)
    popular = weights.sum(axis=1) if popularity == "weight" else (weights > 0).sum(axis=1)
    step = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    return np.linalg.matrix_power(step, 3) / np.where(popular > 0, popular, 1) ** beta


@pytest.mark.parametrize("popularity", ["weight", "degree"])
@pytest.mark.parametrize("beta", [0.0, 0.25, 1.0])
def test_pairs_and_lists_are_those_of_the_dense_matrix(beta, popularity):
    graph = random_graph()
    trained = MODEL.fit(Inputs(n_nodes=graph.n_nodes, graph=graph), RP3BetaConfig(beta, popularity))
    reference = dense(graph, beta, popularity)
    n = graph.n_nodes
    model_scorer = scorer(MODEL, trained, NATIVE)
    source, target = (a.ravel().astype(np.int32) for a in np.meshgrid(np.arange(n), np.arange(n)))
    assert np.allclose(
        model_scorer.score_pairs(source, target), (reference + reference.T)[source, target] / 2, rtol=1e-5
    )

    ids, scores = model_scorer.top_k(np.arange(n, dtype=np.int32), 6)
    np.fill_diagonal(reference, 0)
    for i in range(n):
        best = np.sort(reference[i][reference[i] > 0])[::-1][:6]
        assert np.allclose(scores[i, : len(best)], best, rtol=1e-5)
        assert np.allclose(reference[i, ids[i, : len(best)]], best, rtol=1e-5)
        assert (ids[i, len(best) :] == -1).all()
    assert np.array_equal(trained.seen, graph.degree > 0) and not trained.seen[-3:].any()


def test_a_path_of_four_by_hand():
    """0 - 1 - 2 - 3: from 0, three steps end at 1 (0-1-0-1 and 0-1-2-1: 3/4) or at 3 (0-1-2-3: 1/4)."""
    graph = build_graph(4, np.array([0, 1, 2]), np.array([1, 2, 3]), np.ones(3, np.float32))
    trained = MODEL.fit(Inputs(n_nodes=4, graph=graph), RP3BetaConfig(beta=1.0))
    ids, scores = scorer(MODEL, trained, NATIVE).top_k(np.array([0], np.int32), 3)
    assert ids.tolist() == [[1, 3, -1]]
    assert scores[0, :2].tolist() == [0.375, 0.25]  # node 1 has degree 2


def test_a_larger_beta_lists_less_popular_products():
    """Three steps from 0 lead to its hub, node 1 (degree 3), or to leaves (degree 1)."""
    source, target = np.array([0, 1, 1, 2, 2, 2]), np.array([1, 2, 3, 4, 5, 6])
    graph = build_graph(7, source, target, np.ones(6, np.float32))
    degree = graph.degree

    def listed(beta: float) -> float:
        trained = MODEL.fit(Inputs(n_nodes=7, graph=graph), RP3BetaConfig(beta=beta))
        ids, scores = scorer(MODEL, trained, NATIVE).top_k(np.array([0], np.int32), 7)
        kept = ids[0] >= 0
        return float((degree[ids[0, kept]] * scores[0, kept]).sum() / scores[0, kept].sum())

    assert listed(1.0) < listed(0.25) < listed(0.0)


@pytest.mark.parametrize("weight", [1e-40, 1e35])
def test_no_weight_makes_a_score_zero_or_infinite(weight):
    graph = build_graph(3, np.array([0, 1]), np.array([1, 2]), np.float32([1.0, weight]))
    trained = MODEL.fit(Inputs(n_nodes=3, graph=graph), RP3BetaConfig(beta=2.0))
    _, scores = scorer(MODEL, trained, NATIVE).top_k(np.arange(3, dtype=np.int32), 1)
    assert np.isfinite(scores).all() and (trained.matrices["chain_2"].data > 0).all()


def test_it_needs_the_graph():
    with pytest.raises(ValueError, match="training graph"):
        MODEL.fit(Inputs(n_nodes=3), RP3BetaConfig())
