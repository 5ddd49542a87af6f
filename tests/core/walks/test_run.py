"""Random walks: distributions against their definitions, and the guarantees about seeds, threads and ranges."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.errors import InputError
from core.graph import ProductGraph, build_graph, transition_matrix
from core.walks import Node2VecConfig, WalksConfig, node2vec_walks, random_walks, run, walk_starts


def product_graph(graph: nx.Graph) -> ProductGraph:
    edges = [(a, b, data.get("weight", 1.0)) for a, b, data in graph.edges(data=True)]
    source, target, weight = (np.array(column) for column in zip(*edges, strict=True)) if edges else ([], [], [])
    return build_graph(
        graph.number_of_nodes(), np.asarray(source, int), np.asarray(target, int), np.asarray(weight, np.float32)
    )


def weighted(graph: nx.Graph, seed: int = 0) -> nx.Graph:
    """The graph with weights like those of product pairs, and a few that are much larger or smaller."""
    rng = np.random.default_rng(seed)
    graph = nx.convert_node_labels_to_integers(graph)
    for _, _, data in graph.edges(data=True):
        data["weight"] = float(rng.choice([0.5, 1.0, 1.2, 2.7, 5.4, 0.01, 40.0]))
    return graph


def chi_square_p(observed: np.ndarray, expected: np.ndarray, rows: int) -> float:
    """p-value of counts against expectations whose total is known for each of ``rows`` rows; rare cells pooled."""
    rare = expected < 5
    seen = np.append(observed[~rare], observed[rare].sum())
    hoped = np.append(expected[~rare], expected[rare].sum())
    if hoped[-1] < 5:  # too rare even together: a handful must not appear
        assert seen[-1] <= 5 + 10 * hoped[-1]
        seen, hoped = seen[:-1], hoped[:-1]
    statistic = ((seen - hoped) ** 2 / hoped).sum()
    return float(stats.chi2.sf(statistic, max(len(seen) - rows, 1)))


small_graphs = {
    "random": nx.gnp_random_graph(12, 0.4, seed=3),
    "triangles_and_tails": nx.lollipop_graph(5, 4),
    "star": nx.star_graph(6),
    "wheel": nx.wheel_graph(9),
    "clique": nx.complete_graph(5),
    "bipartite": nx.complete_bipartite_graph(3, 4),
    "single_edge": nx.path_graph(2),
}


@pytest.mark.parametrize("name", small_graphs)
def test_steps_follow_the_transition_matrix(name: str) -> None:
    transition = transition_matrix(product_graph(weighted(small_graphs[name])))
    walks = random_walks(transition, WalksConfig(walks_per_node=4_000, walk_length=6), seed=7)
    counts = np.zeros(transition.shape)
    np.add.at(counts, (walks[:, :-1].ravel(), walks[:, 1:].ravel()), 1)
    dense = transition.toarray()
    assert not counts[dense == 0].any()
    expected = counts.sum(1, keepdims=True) * dense
    assert chi_square_p(counts[dense > 0], expected[dense > 0], len(dense)) > 1e-4


def test_rows_are_proportions_and_need_not_sum_to_one() -> None:
    matrix = sp.csr_matrix(np.array([[0.0, 3.0, 9.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    walks = random_walks(matrix, WalksConfig(walks_per_node=100_000, walk_length=2), stop=1)
    share = (walks[:, 1] == 2).mean()
    assert abs(share - 0.75) < 5 * np.sqrt(0.75 * 0.25 / len(walks))


def test_hub_row_is_drawn_uniformly() -> None:
    degree = 50_000
    hub = build_graph(degree + 1, np.zeros(degree, int), np.arange(1, degree + 1), np.ones(degree, np.float32))
    walks = random_walks(transition_matrix(hub), WalksConfig(walks_per_node=100_000, walk_length=5), stop=1)
    assert (walks[:, 0::2] == 0).all()
    counts = np.bincount(walks[:, 1::2].ravel(), minlength=degree + 1)[1:]
    assert stats.chisquare(np.add.reduceat(counts, np.arange(0, degree, 50))).pvalue > 1e-4


def node2vec_step(graph: nx.Graph, t: int, v: int, p: float, q: float) -> dict[int, float]:
    """Probabilities of the next node by the definition of Grover and Leskovec, written out."""
    mass = {}
    for x in graph[v]:
        alpha = 1 / p if x == t else 1.0 if graph.has_edge(t, x) else 1 / q
        mass[x] = alpha * np.float64(np.float32(graph[v][x]["weight"]))
    total = sum(mass.values())
    return {x: m / total for x, m in mass.items()}


@pytest.mark.parametrize("name", small_graphs)
@pytest.mark.parametrize(
    ("p", "q"),
    [(0.5, 2), (2, 0.5), (0.25, 0.25), (4, 4), (1, 3), (3, 1), (1e-6, 1), (1e6, 1), (1, 1e-6), (1, 1e6), (1e-3, 1e-3)],
)
def test_second_steps_follow_the_definition(name: str, p: float, q: float) -> None:
    reference = weighted(small_graphs[name], seed=1)
    graph = product_graph(reference)
    config = Node2VecConfig(walks_per_node=4_000, walk_length=5, p=p, q=q)
    walks = node2vec_walks(graph, config, seed=11)
    n = graph.n_nodes
    counts = np.zeros((n, n, n))
    for step in range(3):
        np.add.at(counts, (walks[:, step], walks[:, step + 1], walks[:, step + 2]), 1)
    observed, expected, rows = [], [], 0
    for t, v in [*reference.edges, *((b, a) for a, b in reference.edges)]:
        probabilities = node2vec_step(reference, t, v, p, q)
        assert counts[t, v].sum() == sum(counts[t, v, x] for x in probabilities)
        rows += 1
        for x, probability in probabilities.items():
            observed.append(counts[t, v, x])
            expected.append(counts[t, v].sum() * probability)
    assert counts.sum() == sum(observed)
    assert chi_square_p(np.array(observed), np.array(expected), rows) > 1e-4


def test_first_step_of_node2vec_follows_the_weights() -> None:
    graph = product_graph(weighted(small_graphs["random"]))
    walks = node2vec_walks(graph, Node2VecConfig(walks_per_node=20_000, walk_length=2, p=0.1, q=5.0))
    counts = np.zeros((graph.n_nodes, graph.n_nodes))
    np.add.at(counts, (walks[:, 0], walks[:, 1]), 1)
    dense = transition_matrix(graph).toarray()
    expected = counts.sum(1, keepdims=True) * dense
    assert chi_square_p(counts[dense > 0], expected[dense > 0], len(dense)) > 1e-4


def test_node2vec_around_a_hub() -> None:
    """A hub of 3000 nodes, of which 60 form a ring: common neighbours are rare and found in a large set."""
    n, ring = 3_001, 60
    spokes = np.arange(1, n)
    source = np.concatenate([np.zeros(n - 1, int), np.arange(1, ring)])
    target = np.concatenate([spokes, np.arange(2, ring + 1)])
    graph = build_graph(n, source, target, np.ones(len(source), np.float32))
    p, q = 0.5, 50.0
    walks = node2vec_walks(graph, Node2VecConfig(walks_per_node=40, walk_length=12, p=p, q=q), seed=3)
    t, v, x = walks[:, :-2].ravel(), walks[:, 1:-1].ravel(), walks[:, 2:].ravel()
    inner = (v == 0) & (t >= 2) & (t < ring)  # a ring node with two ring neighbours, at the hub
    returned, common = (x == t)[inner].mean(), (np.abs(x - t) == 1)[inner].mean()
    total = 1 / p + 2 + (n - 1 - 3) / q
    for share, expected in [(returned, 1 / p / total), (common, 2 / total)]:
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / inner.sum())


def test_p_and_q_of_one_are_first_order_walks() -> None:
    graph = product_graph(weighted(nx.gnp_random_graph(200, 0.05, seed=5)))
    second = node2vec_walks(graph, Node2VecConfig(p=1.0, q=1.0), seed=9)
    np.testing.assert_array_equal(second, random_walks(transition_matrix(graph), WalksConfig(), seed=9))


def skewed_graph(n: int = 400, m: int = 1_500) -> ProductGraph:
    """Degrees from 0 (every 10th node) to over a hundred."""
    rng = np.random.default_rng(2)
    ids = np.flatnonzero(np.arange(n) % 10)
    source = ids[(len(ids) * rng.random(m) ** 3).astype(int)]
    target = ids[rng.integers(0, len(ids), m)]
    keep = source != target
    return build_graph(n, source[keep], target[keep], rng.choice([0.5, 1.0, 2.7], keep.sum()).astype(np.float32))


GRAPH = skewed_graph()
TRANSITION = transition_matrix(GRAPH)


def both(seed: int = 42, **range_and_threads: int) -> tuple[np.ndarray, np.ndarray]:
    first = random_walks(TRANSITION, WalksConfig(7, 9), seed, **range_and_threads)
    second = node2vec_walks(GRAPH, Node2VecConfig(7, 9, 0.5, 2.0), seed, **range_and_threads)
    return first, second


def test_threads_do_not_change_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = both(threads=1)
    monkeypatch.setattr(run, "_STEPS_PER_CHUNK", 700)  # many chunks, not multiples of the lanes
    monkeypatch.setattr(run, "_EDGES_PER_CHUNK", 100)
    for threads in (1, 2, 3):
        for ours, theirs in zip(both(threads=threads), reference, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_seeds_change_walks() -> None:
    for one, same, other in zip(both(1), both(1), both(2), strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one[:, 1:] != other[:, 1:]).mean() > 0.5


@given(st.lists(st.integers(0, GRAPH.n_nodes), max_size=5))
@settings(max_examples=20, deadline=None)
def test_parts_of_the_nodes_make_up_the_whole(cuts: list[int]) -> None:
    cuts = [0, *sorted(cuts), GRAPH.n_nodes]
    parts = [both(start=a, stop=b) for a, b in pairwise(cuts)]
    for walks, pieces in zip(both(), zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(pieces), walks)


def test_rows_are_ordered_by_start_node_and_isolated_nodes_start_none() -> None:
    connected = np.flatnonzero(GRAPH.degree)
    assert 0 < len(connected) < GRAPH.n_nodes
    np.testing.assert_array_equal(walk_starts(GRAPH), connected)
    np.testing.assert_array_equal(walk_starts(TRANSITION, 3, 30), connected[(connected >= 3) & (connected < 30)])
    for walks in both():
        assert walks.dtype == np.int32
        np.testing.assert_array_equal(walks[:, 0], np.repeat(connected, 7))


@given(st.integers(0, 2**32), st.sampled_from([(0.5, 2.0), (1e-6, 1e6), (1e6, 1e-6), (1e6, 1e6), (3.0, 1.0)]))
@settings(max_examples=40, deadline=None)
def test_every_step_is_an_edge(seed: int, pq: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    reference = weighted(nx.gnp_random_graph(n, float(rng.uniform(0, 0.5)), seed=seed), seed)
    graph = product_graph(reference)
    adjacency = graph.adjacency().toarray()
    length = int(rng.integers(2, 12))
    walks = random_walks(transition_matrix(graph), WalksConfig(3, length), seed)
    biased = node2vec_walks(graph, Node2VecConfig(3, length, *pq), seed)
    for each in (walks, biased):
        assert each.shape == (3 * (graph.degree > 0).sum(), length)
        assert (adjacency[each[:, :-1], each[:, 1:]] > 0).all()


def test_streams_of_random_numbers_are_independent() -> None:
    """On a ring every step is one random bit: neighbouring nodes, passes and steps must not share them."""
    n, passes, length = 4_001, 10, 11
    ring = transition_matrix(product_graph(nx.cycle_graph(n)))
    walks = random_walks(ring, WalksConfig(passes, length), seed=5)
    bits = np.where(np.diff(walks, axis=1) % n == 1, 1.0, -1.0).reshape(n, passes, length - 1)
    for one, other in [
        (bits, 0),
        (bits[1:], bits[:-1]),
        (bits[:, 1:], bits[:, :-1]),
        (bits[:, :, 1:], bits[:, :, :-1]),
        (bits, bits[:, ::-1, ::-1]),
    ]:
        product = one * other if np.ndim(other) else one
        assert abs(product.sum()) / np.sqrt(product.size) < 4.5


def test_directed_walks_end_at_dead_ends() -> None:
    path = sp.csr_matrix((np.ones(3), ([0, 1, 3], [1, 2, 0])), shape=(4, 4))
    walks = random_walks(path, WalksConfig(walks_per_node=2, walk_length=5))
    expected = [[0, 1, 2, -1, -1], [1, 2, -1, -1, -1], [3, 0, 1, 2, -1]]
    np.testing.assert_array_equal(walks, np.repeat(expected, 2, axis=0))


def test_edges_of_probability_zero_are_none() -> None:
    matrix = sp.csr_matrix(
        (np.array([0.0, 1.0, 0.0, 1.0]), np.array([1, 2, 0, 0]), np.array([0, 2, 3, 4])), shape=(3, 3)
    )
    walks = random_walks(matrix, WalksConfig(walks_per_node=50, walk_length=3))
    np.testing.assert_array_equal(np.unique(walks, axis=0), [[0, 2, 0], [2, 0, 2]])
    assert matrix.nnz == 4
    out = np.empty_like(walks)  # node 1 has no other edge, so no walk starts there
    np.testing.assert_array_equal(random_walks(matrix, WalksConfig(50, 3), out=out), walks)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_graphs_without_edges_have_no_walks(n: int) -> None:
    empty = build_graph(n, np.empty(0, int), np.empty(0, int), np.empty(0, np.float32))
    if n:
        assert random_walks(transition_matrix(empty)).shape == (0, 10)
    assert node2vec_walks(empty).shape == (0, 10)


@pytest.mark.parametrize("length", [1, 2])
def test_shortest_walks(length: int) -> None:
    graph = product_graph(weighted(nx.path_graph(2)))
    expected = np.repeat([[0, 1], [1, 0]], 3, axis=0)[:, :length]
    np.testing.assert_array_equal(random_walks(transition_matrix(graph), WalksConfig(3, length)), expected)
    np.testing.assert_array_equal(node2vec_walks(graph, Node2VecConfig(3, length, 0.5, 2.0)), expected)


def test_writes_into_a_memmap_and_reads_from_read_only_arrays(tmp_path: Path) -> None:
    parts = []
    for name in ("indptr", "indices", "weights"):
        np.save(tmp_path / f"{name}.npy", getattr(GRAPH, name))
        parts.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    mapped = ProductGraph(*parts)
    first, second = both()
    target = np.lib.format.open_memmap(tmp_path / "walks.npy", "w+", np.int32, second.shape)
    assert node2vec_walks(mapped, Node2VecConfig(7, 9, 0.5, 2.0), out=target) is target
    target.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "walks.npy"), second)
    assert random_walks(transition_matrix(mapped), WalksConfig(7, 9), out=target) is target
    np.testing.assert_array_equal(target, first)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((3, 9), np.int32),
        np.empty((7 * len(walk_starts(GRAPH)), 9), np.int64),
        np.empty((7 * len(walk_starts(GRAPH)), 18), np.int32)[:, ::2],
    ],
)
def test_unsuitable_out_is_refused(out: np.ndarray) -> None:
    with pytest.raises(ValueError, match="out must be"):
        random_walks(TRANSITION, WalksConfig(7, 9), out=out)
    with pytest.raises(ValueError, match="out must be"):
        node2vec_walks(GRAPH, Node2VecConfig(7, 9, 0.5, 2.0), out=out)


def test_progress_counts_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_STEPS_PER_CHUNK", 2_000)
    seen: list[tuple[str, int, int, str]] = []
    walks = random_walks(TRANSITION, WalksConfig(7, 9), progress=lambda *call: seen.append(call))
    total = walks.shape[0] * 8
    assert len(seen) > 3
    assert {(stage, all_, unit) for stage, _, all_, unit in seen} == {("walks", total, "steps")}
    done = [d for _, d, _, _ in seen]
    assert done == sorted(done)
    assert done[-1] == total


def test_an_error_in_the_progress_callback_stops_the_walks() -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        random_walks(TRANSITION, progress=stop)


@pytest.mark.parametrize(
    "config",
    [
        WalksConfig(walk_length=0),
        WalksConfig(walks_per_node=0),
        Node2VecConfig(p=0.0),
        Node2VecConfig(q=float("nan")),
        Node2VecConfig(q=float("inf")),
    ],
)
def test_settings_out_of_bounds_are_refused(config: WalksConfig | Node2VecConfig) -> None:
    with pytest.raises(InputError, match="walks"):
        if isinstance(config, WalksConfig):
            random_walks(TRANSITION, config)
        else:
            node2vec_walks(GRAPH, config)


@pytest.mark.parametrize("nodes", [(-1, 3), (5, 4), (0, GRAPH.n_nodes + 1)])
def test_nodes_out_of_range_are_refused(nodes: tuple[int, int]) -> None:
    with pytest.raises(IndexError):
        random_walks(TRANSITION, start=nodes[0], stop=nodes[1])
    with pytest.raises(IndexError):
        node2vec_walks(GRAPH, start=nodes[0], stop=nodes[1])


def csr(data: list[float], indices: list[int], indptr: list[int]) -> ProductGraph:
    return ProductGraph(np.array(indptr, np.int64), np.array(indices, np.int32), np.array(data, np.float32))


@pytest.mark.parametrize(
    "graph",
    [
        csr([1, 1, 1], [1, 2, 0], [0, 1, 2, 3]),  # a directed ring
        csr([1, 2], [1, 0], [0, 1, 2]),  # two weights for one edge
        csr([1, 1, 1], [0, 1, 0], [0, 2, 3]),  # a self loop
        csr([1, 1, 1, 1], [2, 1, 0, 0], [0, 2, 3, 4]),  # a row that is not sorted
        csr([1, 1], [1, 5], [0, 1, 2]),  # a neighbour that does not exist
        csr([1, 1], [1, -1], [0, 1, 2]),
        csr([np.nan, np.nan], [1, 0], [0, 1, 2]),
        csr([-1, -1], [1, 0], [0, 1, 2]),
        csr([0, 0], [1, 0], [0, 1, 2]),
        csr([1, 1], [1, 0], [0, 1, 3]),  # indptr runs beyond the edges
        csr([1, 1], [1, 0], [0, 3, 2]),
    ],
)
def test_graphs_that_are_none_are_refused(graph: ProductGraph) -> None:
    with pytest.raises(ValueError, match=r"edge|weights|neighbours|CSR"):
        node2vec_walks(graph, Node2VecConfig(p=0.5, q=2.0))


def test_matrices_that_are_no_transition_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        random_walks(sp.csr_matrix((2, 3)))
    for bad in (-0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            random_walks(sp.csr_matrix(np.array([[0, bad], [1, 0]])))
    with pytest.raises(ValueError, match="sum of a row"):
        random_walks(sp.csr_matrix(np.full((2, 2), 1e308)))
    for wrong in (np.int32(2), np.int32(-1), np.int64(2**32)):  # the last would be 0 when cut to 32 bits
        matrix = sp.csr_matrix(np.array([[0.0, 1.0], [1.0, 0.0]]))
        matrix.indices = np.array([1, wrong])
        with pytest.raises(ValueError, match=r"neighbours must lie in 0\.\.1"):
            random_walks(matrix)


def test_settings_can_be_listed_without_numba() -> None:
    code = "import sys, core.walks; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
