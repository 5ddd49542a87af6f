"""Vectors of products without walks: the directions against NumPy's covariance, and what must stay unchanged."""

import numpy as np
import pytest

from core.graph import build_graph
from core.models.side_info.new_products import degree_mean, partner_directions, place_newcomers
from core.scoring.vectors import normalized

N, DIM = 40, 5


@pytest.fixture
def case():
    """Random vectors on a random graph in which the last two products have no pair."""
    rng = np.random.default_rng(0)
    upper = np.argwhere(np.triu(rng.random((N - 2, N - 2)) < 0.2, 1))
    graph = build_graph(N, *upper.T.astype(np.int32), rng.random(len(upper)).astype(np.float32) + 0.5)
    vectors = [(rng.normal(size=(N, DIM)) + 1).astype(np.float32) for _ in range(2)]
    for vector_table in vectors:
        vector_table[graph.degree == 0] = 0
    return graph, *vectors


def test_directions_are_the_shrunken_discriminants(case):
    graph, center, _ = case
    unit = normalized(center).astype(np.float64)
    ends = np.repeat(np.arange(N), graph.degree)  # every product once per pair: the draw by degree, written out
    covariance = np.cov(unit[ends].T, bias=True)
    scaled = covariance / (np.trace(covariance) / DIM) + 10 * np.eye(DIM)
    directions = partner_directions(center, graph)
    for node in range(N - 2):
        partners = graph.indices[graph.indptr[node] : graph.indptr[node + 1]]
        wanted = np.linalg.solve(scaled, unit[partners].mean(0) - unit[ends].mean(0))
        wanted *= np.linalg.norm(center[: N - 2], axis=1).mean() / np.linalg.norm(wanted)
        assert directions[node] == pytest.approx(wanted, abs=1e-4)
    assert not directions[N - 2 :].any()


def test_degree_mean_counts_a_product_once_per_pair(case):
    graph, center, _ = case
    assert degree_mean(center, graph) == pytest.approx(center[np.repeat(np.arange(N), graph.degree)].mean(0), abs=1e-5)


def test_known_products_keep_their_vectors_and_new_ones_are_drawn_to_the_means(case):
    graph, center, context = case
    rng = np.random.default_rng(1)
    new = graph.degree == 0
    direction = rng.normal(size=(N, DIM)).astype(np.float32)
    context[new] = told = rng.normal(size=(2, DIM)).astype(np.float32)
    before = center.copy(), context.copy()
    means = [normalized(degree_mean(normalized(vector_table), graph)[None]) for vector_table in before]
    place_newcomers(center, context, direction, new, graph)
    assert (center[~new] == before[0][~new]).all() and (context[~new] == before[1][~new]).all()
    for vectors, raw, pull, mean in zip((center, context), (direction[new], told), (0.2, 2), means, strict=True):
        wanted = raw / np.linalg.norm(raw, axis=1, keepdims=True) + pull * mean
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        assert normalized(vectors[new]) == pytest.approx(wanted, abs=1e-5)
        assert np.linalg.norm(vectors[new], axis=1) == pytest.approx(np.linalg.norm(vectors[~new], axis=1).mean())
