"""Popularity and Adamic-Adar against networkx."""

import networkx as nx
import numpy as np
import pytest

from core.graph import ProductGraph, build_graph
from core.interfaces import NATIVE, Inputs, TrainedModel
from core.models import MODELS
from core.models.baselines import AdamicAdarConfig, PopularityConfig
from core.scoring.factory import scorer


def karate() -> tuple[nx.Graph, ProductGraph]:
    """Zachary's karate club with two isolated nodes and a pendant one added (a common neighbour of degree 1)."""
    nxg = nx.Graph(nx.karate_club_graph().edges())
    nxg.add_nodes_from([34, 35, 36])
    nxg.add_edge(36, 0)
    source, target = np.array(nxg.edges(), dtype=np.int32).T
    weight = np.random.default_rng(0).uniform(0.5, 3, len(source)).astype(np.float32)  # both ignore weights
    return nxg, build_graph(nxg.number_of_nodes(), source, target, weight)


def all_pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    source, target = np.triu_indices(n, k=1)
    return source.astype(np.int32), target.astype(np.int32)


def trained(name: str, graph: ProductGraph, config: object) -> TrainedModel:
    return MODELS[name].fit(Inputs(n_nodes=graph.n_nodes, graph=graph), config)


@pytest.mark.parametrize("threads", [1, 3])
def test_adamic_adar_is_networkx_adamic_adar_index(threads):
    nxg, graph = karate()
    embeddings = trained("adamic_adar", graph, AdamicAdarConfig())
    source, target = all_pairs(graph.n_nodes)
    scores = scorer(MODELS["adamic_adar"], embeddings, NATIVE, threads).score_pairs(source, target)
    reference = [s for _, _, s in nx.adamic_adar_index(nxg, list(zip(source.tolist(), target.tolist(), strict=True)))]
    assert np.allclose(scores, reference, rtol=1e-5)
    assert np.count_nonzero(scores) > 100


def test_adamic_adar_lists_are_the_sorted_rows_of_networkx():
    nxg, graph = karate()
    embeddings = trained("adamic_adar", graph, AdamicAdarConfig())
    n = graph.n_nodes
    ids, scores = scorer(MODELS["adamic_adar"], embeddings, NATIVE).top_k(np.arange(n, dtype=np.int32), 8)
    for i in range(n):
        row = {j: s for _, j, s in nx.adamic_adar_index(nxg, [(i, j) for j in range(n) if j != i]) if s > 0}
        best = sorted(row.values(), reverse=True)[:8]
        listed = ids[i][ids[i] >= 0].tolist()
        assert np.allclose(scores[i][: len(best)], best, rtol=1e-5)
        assert len(listed) == len(best)
        assert np.allclose([row[j] for j in listed], best, rtol=1e-5)


def test_training_leaves_the_graph_alone():
    _, graph = karate()
    before = graph.indptr.copy(), graph.indices.copy(), graph.weights.copy()
    for name in ("popularity", "adamic_adar"):
        trained(name, graph, MODELS[name].config_class())
    assert all(np.array_equal(a, b) for a, b in zip(before, (graph.indptr, graph.indices, graph.weights), strict=True))


def test_popularity_is_the_product_of_the_degrees():
    nxg, graph = karate()
    source, target = all_pairs(graph.n_nodes)
    reference = np.array(
        [s for _, _, s in nx.preferential_attachment(nxg, list(zip(source.tolist(), target.tolist(), strict=True)))]
    )
    bare = trained("popularity", graph, PopularityConfig(smoothing=0.0))
    assert np.array_equal(scorer(MODELS["popularity"], bare, NATIVE).score_pairs(source, target), reference)
    smooth = trained("popularity", graph, PopularityConfig())
    degree = np.array([nxg.degree[i] for i in range(graph.n_nodes)])
    scores = scorer(MODELS["popularity"], smooth, NATIVE).score_pairs(source, target)
    assert np.array_equal(scores, (degree[source] + 1) * (degree[target] + 1))


def test_popularity_lists_the_most_popular_to_everyone_seen():
    nxg, graph = karate()
    embeddings = trained("popularity", graph, PopularityConfig())
    n = graph.n_nodes
    ids, scores = scorer(MODELS["popularity"], embeddings, NATIVE).top_k(np.arange(n, dtype=np.int32), 5)
    order = sorted((i for i in range(n) if nxg.degree[i]), key=lambda i: (-nxg.degree[i], i))
    for i in range(n):
        expected = [j for j in order if j != i][:5] if nxg.degree[i] else [-1] * 5
        assert ids[i].tolist() == expected
        if nxg.degree[i]:
            assert scores[i].tolist() == [(nxg.degree[i] + 1) * (nxg.degree[j] + 1) for j in expected]


def test_seen_and_info():
    _, graph = karate()
    for name in ("popularity", "adamic_adar"):
        embeddings = trained(name, graph, MODELS[name].config_class())
        assert np.array_equal(embeddings.seen, graph.degree > 0)
        assert embeddings.model == name
        assert {"config", "device", "seconds"} <= embeddings.info.keys()


def test_baselines_need_the_graph():
    with pytest.raises(ValueError, match="training graph"):
        MODELS["popularity"].fit(Inputs(n_nodes=3), PopularityConfig())
