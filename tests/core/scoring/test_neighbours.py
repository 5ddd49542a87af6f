"""Neighbour lists against brute force, their table, and the approximate index against exact search."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from core.graph import build_graph
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, NATIVE, Inputs, Model, TrainedModel
from core.models import MODELS
from core.progress import silent
from core.scoring.ivf_search import CellProbe, InvertedFile, build_inverted_file
from core.scoring.neighbours import NEIGHBOURS, Neighbours, NeighboursConfig, nearest
from core.scoring.vectors import VectorScorer

VECTORS = Model("vectors", "", "", "", (), (CENTER_CONTEXT, CENTER_CENTER))


def product_ids(n: int) -> pa.Array:
    return pa.array([f"P{i:06d}" for i in range(n)])


def make_vectors(n: int, seed: int = 0, dim: int = 8, groups: int = 10) -> TrainedModel:
    rng = np.random.default_rng(seed)
    center = rng.standard_normal((groups, dim))[rng.integers(groups, size=n)] + 0.6 * rng.standard_normal((n, dim))
    context = center + 0.3 * rng.standard_normal((n, dim))
    seen = rng.random(n) < 0.9
    center[~seen] = context[~seen] = 0
    return TrainedModel("vectors", seen, center.astype(np.float32), context.astype(np.float32))


def lists(result: Neighbours, scoring: str) -> dict[str, list[str]]:
    frame = result.table.to_pandas()
    frame = frame[frame["scoring"] == scoring]
    listed: dict[str, list[str]] = {}
    for product, neighbour in zip(frame["product"], frame["neighbour"], strict=True):
        listed.setdefault(product, []).append(neighbour)
    return listed


def cosines(trained: TrainedModel) -> dict[str, np.ndarray]:
    center, context = (
        v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9) for v in (trained.center, trained.context)
    )
    crossed = center @ context.T
    return {CENTER_CENTER: center @ center.T, CENTER_CONTEXT: crossed + crossed.T}


def test_table_is_the_brute_force_lists_in_order():
    n, k = 120, 9
    trained = make_vectors(n)
    result = nearest(VECTORS, trained, product_ids(n), NeighboursConfig(k=k))
    assert result.table.schema == NEIGHBOURS
    expected = []
    for scoring in VECTORS.scorings:
        matrix = cosines(trained)[scoring]
        for i in np.flatnonzero(trained.seen):
            others = [j for j in np.flatnonzero(trained.seen) if j != i]
            best = sorted(others, key=lambda j: (-matrix[i, j], j))[:k]
            expected += [(f"P{i:06d}", r + 1, f"P{j:06d}", scoring) for r, j in enumerate(best)]
    rows = result.table.to_pylist()
    assert [(r["product"], r["rank"], r["neighbour"], r["scoring"]) for r in rows] == expected
    for r in rows[:: len(rows) // 50]:
        score = cosines(trained)[r["scoring"]][int(r["product"][1:]), int(r["neighbour"][1:])]
        assert r["score"] == pytest.approx(score, abs=1e-5)
    assert {facts["index"] for facts in result.info.values()} == {"exact"}
    assert [facts["rows"] for facts in result.info.values()] == [trained.seen.sum() * k] * 2


def test_missing_places_are_left_out():
    n = 5
    trained = TrainedModel("vectors", np.array([1, 1, 0, 1, 0], bool), *np.ones((2, n, 3), np.float32))
    found = lists(nearest(VECTORS, trained, product_ids(n), NeighboursConfig(k=50)), CENTER_CENTER)
    assert found == {
        "P000000": ["P000001", "P000003"],
        "P000001": ["P000000", "P000003"],
        "P000003": ["P000000", "P000001"],
    }


def test_popularity_and_sparse_models():
    source, target = np.array([[0, 0, 0, 1, 2], [1, 2, 3, 2, 4]])
    graph = build_graph(6, source, target, np.ones(5, np.float32))
    for name, expected in (
        # Degrees 3, 2, 3, 1, 1, 0: everybody is shown 0, 2, 1, …; training pairs are not left out.
        ("popularity", {"P000000": ["P000002", "P000001"], "P000004": ["P000000", "P000002"]}),
        # 4 shares only product 2 with 0 and 1, both equally: the smaller id first.
        ("adamic_adar", {"P000004": ["P000000", "P000001"], "P000003": ["P000001", "P000002"]}),
    ):
        model = MODELS[name]
        trained = model.fit(Inputs(n_nodes=6, graph=graph), model.config_class())
        found = lists(nearest(model, trained, product_ids(6), NeighboursConfig(k=2)), NATIVE)
        assert {p: found[p] for p in expected} == expected
        assert set(found) == {f"P{i:06d}" for i in range(5)}


def test_a_part_of_the_sources_gives_that_part_of_the_table():
    n = 700
    trained = make_vectors(n)
    model = Model("vectors", "", "", "", (), (CENTER_CENTER,))
    whole = nearest(model, trained, product_ids(n), NeighboursConfig(k=5)).table
    parts = [
        nearest(model, trained, product_ids(n), NeighboursConfig(k=5), sources=sources).table
        for sources in np.array_split(np.arange(n), 3)
    ]
    together = pa.concat_tables(parts)
    for column in ("product", "rank", "neighbour"):
        assert together[column].to_pylist() == whole[column].to_pylist()
    assert np.allclose(together["score"], whole["score"], atol=1e-6)


def test_threads_do_not_matter():
    trained = make_vectors(600)
    one, two = (nearest(VECTORS, trained, product_ids(600), NeighboursConfig(), threads=t).table for t in (1, 2))
    assert one.equals(two)


def test_a_model_that_saw_nothing_gives_an_empty_table():
    trained = TrainedModel("vectors", np.zeros(4, bool), *np.zeros((2, 4, 3), np.float32))
    for exact_up_to in (10, 0):
        config = NeighboursConfig(exact_up_to=exact_up_to)
        table = nearest(VECTORS, trained, product_ids(4), config).table
        assert len(table) == 0 and table.schema == NEIGHBOURS


def biased_vectors(n: int) -> TrainedModel:
    """Of different lengths, with biases, so that inner products are not in the order of cosines."""
    rng = np.random.default_rng(1)
    made = make_vectors(n, dim=16, groups=150)
    assert made.center is not None
    rows = made.center * rng.uniform(0.7, 1.3, (n, 1)).astype(np.float32)
    bias, one = rng.normal(0, 0.5, (n, 1)).astype(np.float32), np.ones((n, 1), np.float32)
    return TrainedModel("vectors", made.seen, np.hstack([rows, bias, one]), np.hstack([rows, one, bias]))


@pytest.mark.slow
@pytest.mark.parametrize("scoring", [CENTER_CENTER, CENTER_CONTEXT, NATIVE])
def test_approximate_lists_reach_the_promised_recall(scoring):
    n, k = 6000, 20
    trained = biased_vectors(n) if scoring == NATIVE else make_vectors(n, dim=16, groups=150)
    model = Model("vectors", "", "", "", (), (scoring,))
    exact = nearest(model, trained, product_ids(n), NeighboursConfig(k=k))
    quick = nearest(model, trained, product_ids(n), NeighboursConfig(k=k, exact_up_to=1000))
    facts = quick.info[scoring]
    assert facts["index"] == "ivf" and facts["nprobe"] < facts["cells"]
    assert facts["recall"] >= 0.95
    a, b = lists(exact, scoring), lists(quick, scoring)
    overlap = [len(set(a[p]) & set(b.get(p, []))) / k for p in a]
    assert np.mean(overlap) == pytest.approx(facts["recall"], abs=0.03)
    assert all(p not in listed for p, listed in b.items())
    frame = quick.table.to_pandas()
    assert frame.groupby("product", observed=True)["score"].apply(lambda s: s.is_monotonic_decreasing).all()
    both = exact.table.to_pandas().astype({"product": str, "neighbour": str})
    both = both.merge(frame.astype({"product": str, "neighbour": str}), on=["product", "neighbour"])
    assert len(both) and np.allclose(both["score_x"], both["score_y"], atol=1e-5)


def cells_of(n: int, n_cells: int) -> tuple[InvertedFile, VectorScorer]:
    made = make_vectors(n, dim=16, groups=40)
    assert made.center is not None
    one = VectorScorer(made.seen, made.center, made.context)
    candidates = np.flatnonzero(made.seen).astype(np.int32)
    return build_inverted_file(one.vectors[candidates], candidates, n_cells, seed=1), one


def plain_probe(cells: InvertedFile, count: int) -> CellProbe:
    return CellProbe(cells.directions, np.zeros_like(cells.mean), count)


def test_all_cells_together_give_the_exact_lists():
    cells, one = cells_of(900, 30)
    sources = np.flatnonzero(one.seen)[::-3].astype(np.int32)
    ids, scores = cells.top_k(one.queries, sources, 7, plain_probe(cells, 30), threads=2, progress=silent)
    exact_ids, exact_scores = one.top_k(sources, 7)
    assert np.array_equal(ids, exact_ids) and np.allclose(scores, exact_scores, atol=1e-6)


def test_a_vector_is_in_the_cell_of_its_direction_from_the_mean_and_a_probe_sees_the_first_cells_only():
    cells, one = cells_of(900, 30)
    assert sorted(cells.nodes.tolist()) == np.flatnonzero(one.seen).tolist()
    mean = one.vectors[one.seen].mean(axis=0)
    nearest_direction = ((one.vectors - mean) @ cells.directions.T).argmax(axis=1)
    of_cell = [set(cells.nodes[cells.starts[c] : cells.starts[c + 1]].tolist()) for c in range(30)]
    assert all(nearest_direction[node] == c == cells.cell_of[node] for c in range(30) for node in of_cell[c])
    sources = cells.nodes[::-17]
    probe = CellProbe(cells.directions, mean, 2)
    ids, _ = cells.top_k(one.queries, sources, 5, probe, threads=1, progress=silent)
    best = np.argsort(-((one.queries(sources) - mean) @ cells.directions.T), axis=1)[:, :2]
    for source, row, probed in zip(sources, ids, best, strict=True):
        seen = set().union(*(of_cell[c] for c in probed)) - {source}
        scores = {node: float(one.queries(np.array([source]))[0] @ one.vectors[node]) for node in seen}
        assert [n for n in row if n >= 0] == sorted(scores, key=lambda n: (-round(scores[n], 5), n))[:5]


@pytest.mark.parametrize("recall", [0.5, 0.9, 1.0])
def test_the_probe_is_the_shortest_that_finds_what_it_says(recall):
    cells, one = cells_of(900, 30)
    sample = np.flatnonzero(one.seen)[::5].astype(np.int32)
    exact, _ = one.top_k(sample, 7)
    probe, reached, share = cells.choose_probe(one.queries(sample), exact, recall)

    def found(count: int) -> float:
        shorter = CellProbe(probe.centroids, probe.shift, count)
        ids, _ = cells.top_k(one.queries, sample, 7, shorter, threads=1, progress=silent)
        return float(np.mean([len(set(a) & set(b)) / 7 for a, b in zip(exact, ids, strict=True)]))

    assert reached == pytest.approx(found(probe.nprobe)) and reached >= recall
    assert probe.nprobe == 1 or found(probe.nprobe - 1) < recall
    looked_at = np.diff(cells.starts)[probe.cells(one.queries(sample))].sum(axis=1)
    assert share == pytest.approx(looked_at.mean() / one.seen.sum())


def test_threads_and_blocks_do_not_change_what_is_found(monkeypatch):
    cells, one = cells_of(900, 30)
    sources = np.flatnonzero(one.seen).astype(np.int32)
    probe = plain_probe(cells, 3)
    whole = cells.top_k(one.queries, sources, 5, probe, 1, silent)
    for name, size in (("_BLOCK", 100), ("_WAVE", 250), ("_TILE", 500)):
        monkeypatch.setattr(f"core.scoring.ivf_search.{name}", size)
    parts = cells.top_k(one.queries, sources, 5, probe, 3, silent)
    assert np.array_equal(whole[0], parts[0]) and np.allclose(whole[1], parts[1], atol=1e-6)


def test_search_stays_exact_where_an_index_cannot_help():
    """Uniform noise in many dimensions: most lists would have to be probed."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((2000, 64)).astype(np.float32)
    model = Model("vectors", "", "", "", (), (CENTER_CENTER,))
    trained = TrainedModel("vectors", np.ones(2000, bool), vectors)
    quick = nearest(model, trained, product_ids(2000), NeighboursConfig(k=5, exact_up_to=100))
    assert quick.info[CENTER_CENTER]["index"] == "exact"
    assert quick.table.equals(nearest(model, trained, product_ids(2000), NeighboursConfig(k=5)).table)


def test_chain_models_are_listed_by_rows():
    chain = sp.csr_matrix(np.array([[0, 0.2, 0.8], [0, 0, 1.0], [0.5, 0.5, 0]], np.float32))
    model = Model("chain", "", "", "", (), (NATIVE,), "core.scoring.chains:chain")
    trained = TrainedModel("chain", np.ones(3, bool), matrices={"chain_0": chain})
    found = lists(nearest(model, trained, product_ids(3), NeighboursConfig(k=2)), NATIVE)
    assert found == {"P000000": ["P000002", "P000001"], "P000001": ["P000002"], "P000002": ["P000000", "P000001"]}
