"""Path features against dense matrix powers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.graph import build_graph, transition_matrix
from core.models.blend.path_features import PATH_FEATURES, path_features, reversed_features

edges = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from([0.5, 1.0, 1.2, 3.0])).filter(
        lambda edge: edge[0] != edge[1]
    ),
    min_size=1,
    max_size=30,
)


def dense(graph):
    """The four features of all pairs, by their definitions."""
    weighted = transition_matrix(graph).toarray()
    adjacency = (graph.adjacency().toarray() > 0).astype(float)
    degree = adjacency.sum(axis=1)
    plain = adjacency / np.maximum(degree, 1)[:, None]
    rarity = np.array([1 / np.log(d) if d > 1 else 0.0 for d in degree])
    return np.stack(
        [weighted @ weighted @ weighted, plain @ plain @ plain, weighted @ weighted, (adjacency * rarity) @ adjacency],
        axis=-1,
    )


@given(edges, st.integers(1, 3))
def test_are_entries_of_matrix_powers(edges, threads):
    source, target, weight = (np.array(column) for column in zip(*edges, strict=True))
    graph = build_graph(10, source.astype(np.int32), target.astype(np.int32), weight.astype(np.float32))
    i, j = (nodes.ravel().astype(np.int32) for nodes in np.indices((10, 10)))
    shuffled = np.random.default_rng(0).permutation(100)
    features = path_features(graph, i[shuffled], j[shuffled], threads)
    assert features.shape == (100, len(PATH_FEATURES))
    np.testing.assert_allclose(features, dense(graph)[i, j][shuffled], rtol=1e-5, atol=1e-7)


@given(edges)
def test_reversal_needs_no_second_traversal(edges):
    source, target, weight = (np.array(column) for column in zip(*edges, strict=True))
    graph = build_graph(10, source.astype(np.int32), target.astype(np.int32), weight.astype(np.float32))
    i, j = (nodes.ravel().astype(np.int32) for nodes in np.indices((10, 10)))
    strength = np.asarray(graph.adjacency().sum(axis=1)).ravel()
    turned = reversed_features(
        path_features(graph, i, j), (strength[i], graph.degree[i]), (strength[j], graph.degree[j])
    )
    np.testing.assert_allclose(turned, path_features(graph, j, i), rtol=1e-4, atol=1e-7)


def test_no_pairs():
    graph = build_graph(3, np.array([0]), np.array([1]), np.ones(1, np.float32))
    assert path_features(graph, np.empty(0, np.int32), np.empty(0, np.int32)).shape == (0, 4)
