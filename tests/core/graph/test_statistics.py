"""Statistics of a graph, against networkx."""

import networkx as nx
import numpy as np

from core.graph import build_graph
from core.graph.statistics import graph_statistics


def test_graph_statistics_are_those_of_networkx():
    rng = np.random.default_rng(3)
    source, target = rng.integers(0, 300, (2, 150)).astype(np.int32)
    keep = source != target
    source, target = source[keep], target[keep]
    weight = rng.choice([0.5, 0.7, 1.0, 1.9, 2.0, 7.5], len(source)).astype(np.float32)
    graph = build_graph(300, source, target, weight)
    found = graph_statistics(graph)
    peer = nx.from_scipy_sparse_array(graph.adjacency())
    assert found.degree.tolist() == [degree for _, degree in peer.degree()]
    sizes = sorted((len(c) for c in nx.connected_components(peer) if len(c) > 1), reverse=True)
    assert found.component_sizes.tolist() == sizes
    weights = [data["weight"] for _, _, data in peer.edges(data=True)]
    assert found.weight_counts.tolist() == np.histogram(weights, found.weight_edges)[0].tolist()
    assert found.weight_counts.sum() == graph.n_edges


def test_a_graph_without_edges():
    none = np.empty(0, np.int32)
    found = graph_statistics(build_graph(5, none, none, none.astype(np.float32)))
    assert found.degree.tolist() == [0] * 5
    assert not len(found.component_sizes) and not len(found.weight_counts) and not len(found.weight_edges)
