"""Shared neighbours and strongest paths against networkx, and against every simple path there is."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.graph import build_graph, transition_matrix
from core.graph.paths import GraphPaths


def made(n, edges):
    source, target, weight = (np.array(column) for column in zip(*edges, strict=True))
    return build_graph(n, source.astype(np.int32), target.astype(np.int32), weight.astype(np.float32))


def random_graph(seed, n=30, m=90):
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n - 2, size=(m, 2))  # the last two nodes stay alone
    ends = np.unique(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1), axis=0)
    weight = rng.choice([0.5, 1.0, 1.2, 2.2], len(ends))
    return build_graph(n, *ends.T.astype(np.int32), weight.astype(np.float32))


@pytest.mark.parametrize("seed", range(4))
def test_strongest_paths_against_all_simple_paths(seed):
    graph = random_graph(seed)
    step = transition_matrix(graph).toarray()
    reference = nx.from_scipy_sparse_array(graph.adjacency())
    paths = GraphPaths(graph)
    lengths = set()
    for source in range(0, graph.n_nodes, 3):
        for target in range(graph.n_nodes):
            if source == target:
                continue
            best = {}
            for nodes in nx.all_simple_paths(reference, source, target, cutoff=3):
                product = np.prod([step[a, b] for a, b in pairwise(nodes)])
                best[len(nodes) - 1] = max(best.get(len(nodes) - 1, 0), product)
            found = paths.strongest(source, target)
            assert [p.probability for p in found] == sorted((p.probability for p in found), reverse=True)
            assert {len(p.steps): p.probability for p in found} == pytest.approx(best)
            for path in found:
                assert len(set(path.nodes)) == len(path.nodes)
                assert (path.nodes[0], path.nodes[-1]) == (source, target)
                ends = list(pairwise(path.nodes))
                assert path.steps == pytest.approx([step[a, b] for a, b in ends])
                assert path.weights == pytest.approx([reference.edges[e]["weight"] for e in ends])
            lengths |= set(best)
    assert lengths == {1, 2, 3}


@pytest.mark.parametrize("seed", range(3))
def test_shared_neighbours_against_networkx(seed):
    graph = random_graph(seed)
    step = transition_matrix(graph).toarray()
    reference = nx.from_scipy_sparse_array(graph.adjacency())
    paths = GraphPaths(graph)
    some = 0
    for source in range(graph.n_nodes):
        for target in range(source + 1, graph.n_nodes):
            common = {m: step[source, m] * step[m, target] for m in nx.common_neighbors(reference, source, target)}
            shared = paths.shared(source, target, 100)
            assert dict(zip(shared.nodes.tolist(), shared.probability, strict=True)) == pytest.approx(common)
            assert np.all(np.diff(shared.probability) <= 0) and shared.total == len(common)
            assert paths.shared(source, target, 1).nodes.tolist() == shared.nodes.tolist()[:1]
            some += len(common) > 1
    assert some


@given(st.integers(2, 9), st.data())
def test_any_graph_has_the_paths_that_networkx_says(n, data):
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] < e[1])
    edges = data.draw(st.lists(st.tuples(pair, st.sampled_from([0.5, 1.0, 1.2])), min_size=1, max_size=14))
    unique = dict(edges)
    graph = made(n, [(a, b, w) for (a, b), w in unique.items()])
    reference = nx.from_scipy_sparse_array(graph.adjacency())
    lengths = {len(p) - 1 for p in nx.all_simple_paths(reference, 0, n - 1, cutoff=3)}
    assert {len(p.steps) for p in GraphPaths(graph).strongest(0, n - 1)} == lengths


def test_a_direct_edge_need_not_be_the_strongest_path():
    # 0 hardly ever goes to 3, but always to 1, from there to 2 and on to 3.
    graph = made(4, [(0, 3, 0.01), (0, 1, 10.0), (1, 2, 100.0), (2, 3, 100.0)])
    assert [p.nodes for p in GraphPaths(graph).strongest(0, 3)] == [(0, 1, 2, 3), (0, 3)]


def test_equal_paths_go_over_the_smaller_ids_from_either_side():
    edges = [(0, 2, 1), (0, 3, 1), (2, 4, 1), (3, 5, 1), (4, 1, 1), (5, 1, 1)]
    assert GraphPaths(made(6, edges)).strongest(0, 1)[0].nodes == (0, 2, 4, 1)
    assert GraphPaths(made(6, edges)).strongest(1, 0)[0].nodes == (1, 4, 2, 0)


def test_products_alone_have_no_path():
    graph = random_graph(0)
    paths = GraphPaths(graph)
    assert paths.strongest(0, graph.n_nodes - 1) == [] == paths.strongest(graph.n_nodes - 1, graph.n_nodes - 2)
    assert paths.shared(0, graph.n_nodes - 1, 5).total == 0
    none = np.empty(0, np.int32)
    assert GraphPaths(build_graph(3, none, none, none.astype(np.float32))).strongest(0, 2) == []
    with pytest.raises(ValueError, match="two different"):
        paths.strongest(3, 3)
