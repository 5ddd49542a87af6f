"""Graph and transition matrix against networkx and dense NumPy."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.graph import build_graph, transition_matrix


@st.composite
def edge_lists(draw):
    n = draw(st.integers(1, 12))
    pairs = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30))
    pairs = [(a, b) for a, b in pairs if a != b]
    weights = draw(st.lists(st.floats(0.125, 8, width=32), min_size=len(pairs), max_size=len(pairs)))
    return n, pairs, weights


def build(n, pairs, weights):
    ends = np.array(pairs, np.int32).reshape(-1, 2)
    return build_graph(n, ends[:, 0], ends[:, 1], np.array(weights, np.float32))


@given(edge_lists())
@settings(max_examples=150, deadline=None)
def test_adjacency_is_networkx(case):
    n, pairs, weights = case
    reference = nx.Graph()
    reference.add_nodes_from(range(n))
    for (a, b), w in zip(pairs, weights, strict=True):
        old = reference.get_edge_data(a, b, {"weight": 0.0})["weight"]
        reference.add_edge(a, b, weight=old + w)
    graph = build(*case)
    expected = nx.to_numpy_array(reference, nodelist=range(n))
    np.testing.assert_allclose(graph.adjacency().toarray(), expected, rtol=1e-5)
    assert graph.n_edges == reference.number_of_edges()
    source, target, weight = graph.edges()
    assert list(zip(source.tolist(), target.tolist(), strict=True)) == sorted(tuple(sorted(e)) for e in reference.edges)
    np.testing.assert_array_equal(weight, graph.adjacency().toarray()[source, target])
    np.testing.assert_array_equal(graph.degree, [reference.degree(i) for i in range(n)])
    for row in range(n):  # sorted rows: the common-neighbour test of node2vec searches them
        assert np.all(np.diff(graph.indices[graph.indptr[row] : graph.indptr[row + 1]]) > 0)
    assert (graph.indptr.dtype, graph.indices.dtype, graph.weights.dtype) == (np.int64, np.int32, np.float32)


@given(edge_lists())
@settings(max_examples=150, deadline=None)
def test_transition_matrix_is_dense_normalization_and_networkx(case):
    graph = build(*case)
    found = transition_matrix(graph).toarray()
    dense = graph.adjacency().toarray().astype(np.float64)
    sums = dense.sum(axis=1, keepdims=True)
    expected = np.divide(dense, sums, out=np.zeros_like(dense), where=sums > 0)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    connected = graph.degree > 0
    np.testing.assert_allclose(found.sum(axis=1)[connected], 1.0, atol=1e-12)
    assert not found[~connected].any()
    if connected.all() and graph.n_edges:
        walk = nx.stochastic_graph(nx.from_numpy_array(dense, create_using=nx.DiGraph))
        np.testing.assert_allclose(found, nx.to_numpy_array(walk, nodelist=range(graph.n_nodes)), atol=1e-9)


def test_a_hub_with_a_hundred_thousand_neighbours_still_sums_to_one():
    n = 100_001
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=n - 1).astype(np.float32) + 1e-3
    graph = build_graph(n, np.zeros(n - 1, np.int32), np.arange(1, n, dtype=np.int32), weights)
    assert abs(transition_matrix(graph)[0].sum() - 1) < 1e-12


@pytest.mark.parametrize(
    ("source", "target", "weight", "message"),
    [
        ([0], [0], [1.0], "paired with itself"),
        ([0], [5], [1.0], "node ids"),
        ([-1], [0], [1.0], "node ids"),
        ([0], [1], [0.0], "positive"),
        ([0], [1], [np.nan], "positive"),
        ([0], [1], [np.inf], "positive"),
    ],
)
def test_impossible_pairs_are_refused(source, target, weight, message):
    with pytest.raises(ValueError, match=message):
        build_graph(3, np.array(source, np.int32), np.array(target, np.int32), np.array(weight, np.float32))
