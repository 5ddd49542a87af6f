"""The content model against dense NumPy, a catalogue worked by hand, and the cold-start protocol."""

import numpy as np
import pyarrow as pa
import pytest

from core.evaluation import EvaluationConfig, evaluate
from core.graph import ProductGraph, build_graph
from core.interfaces import NATIVE, Inputs, TrainContext, TrainedModel
from core.models import MODELS
from core.models.content_knn.config import ContentConfig
from core.models.content_knn.similarity import features
from core.pairs.split import SplitConfig, split_pairs
from core.scoring.factory import scorer
from core.scoring.neighbours import NeighboursConfig, nearest

MODEL = MODELS["content_knn"]


def table(rows: list[tuple[str | None, list[str]]]) -> pa.Table:
    brand, categories = zip(*rows, strict=True)
    kind = pa.list_(pa.string())
    return pa.table({"brand": pa.array(brand, pa.string()), "categories": pa.array(categories, kind)})


def random_catalogue(n: int = 80, seed: int = 0) -> tuple[pa.Table, ProductGraph]:
    """Brands and up to three categories under one root; a quarter without metadata, a quarter without a pair."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str | None, list[str]]] = []
    for _ in range(n):
        if rng.random() < 0.25:
            rows.append((None, []))
            continue
        brand = [None, "Unknown", *(f"b{i}" for i in range(8))][rng.integers(10)]
        rows.append((brand, ["Root", *(f"c{i}" for i in rng.integers(0, 12, rng.integers(0, 4)))]))
    pairs = np.unique(np.sort(rng.integers(0, n * 3 // 4, (200, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    weight = rng.uniform(0.5, 3, len(pairs)).astype(np.float32)
    return table(rows), build_graph(n, pairs[:, 0], pairs[:, 1], weight)


def dense_cosine(products: pa.Table) -> np.ndarray:
    """Cosine with loops and dictionaries, from the definition."""
    rows = products.to_pylist()
    sets = [
        ({("b", r["brand"].lower())} if r["brand"] and r["brand"] != "Unknown" else set())
        | {("c", c) for c in r["categories"]}
        for r in rows
    ]
    vectors = []
    for values in sets:
        vector = {}
        for kind, value in values:
            with_kind = sum(any(k == kind for k, _ in s) for s in sets)
            vector[kind, value] = np.log(with_kind / sum((kind, value) in s for s in sets))
        vectors.append(vector)
    cosine = np.zeros((len(rows), len(rows)))
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors):
            lengths = np.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
            if lengths > 0:
                cosine[i, j] = sum(a[k] * b[k] for k in a.keys() & b.keys()) / lengths
    return cosine


def fit(products: pa.Table, graph: ProductGraph, threads: int = 2, **config: float) -> TrainedModel:
    inputs = Inputs(n_nodes=graph.n_nodes, products=products, graph=graph)
    return MODEL.fit(inputs, ContentConfig(**config), TrainContext(threads=threads))


def test_features_give_the_cosine_of_the_definition():
    products, _ = random_catalogue()
    matrix = features(products)
    assert np.allclose((matrix @ matrix.T).toarray(), dense_cosine(products), atol=1e-6)
    assert (np.diff(matrix.getnnz(axis=0)) >= 0).all()  # rare features first


@pytest.mark.parametrize(("floor", "power"), [(0.3, 3.0), (0.05, 1.0), (0.7, 2.0), (1.0, 3.0)])
@pytest.mark.parametrize("threads", [1, 3])
def test_scores_and_lists_are_those_of_dense_matrices(floor, power, threads):
    products, graph = random_catalogue()
    n = graph.n_nodes
    cosine = dense_cosine(products)
    weight = np.where(cosine >= floor - 1e-6, cosine, 0) ** power
    np.fill_diagonal(weight, 1)
    pairs = graph.adjacency().toarray().astype(np.float64)
    reference = weight @ pairs
    trained = fit(products, graph, threads, floor=floor, power=power)
    model_scorer = scorer(MODEL, trained, NATIVE, threads)
    source, target = np.triu_indices(n, k=1)
    assert np.allclose(
        model_scorer.score_pairs(source, target), (reference + reference.T)[source, target] / 2, rtol=1e-4
    )

    assert np.array_equal(trained.seen, (reference > 0).any(axis=1))
    ids, scores = model_scorer.top_k(np.arange(n, dtype=np.int32), 7)
    np.fill_diagonal(reference, 0)
    reference[:, ~trained.seen] = 0
    for i in np.flatnonzero(trained.seen):
        best = np.sort(reference[i][reference[i] > 0])[::-1][:7]
        assert np.allclose(scores[i, : len(best)], best, rtol=1e-4)
        assert np.allclose(reference[i, ids[i, : len(best)]], best, rtol=1e-4)
    without_pair = trained.seen & (graph.degree == 0)
    assert without_pair.any() and (ids[without_pair, 0] >= 0).all()


def small() -> tuple[pa.Table, ProductGraph]:
    """Products 0 and 1 have one brand and 2 has another; 3 and 4 have none; 5 is new and has the first brand."""
    root = ["Beauty"]
    products = table(
        [("Acme", root), ("acme ", root), ("Other", root), ("Generic", root), (None, root), ("ACME", root)]
    )
    return products, build_graph(6, np.array([0, 1, 2]), np.array([3, 4, 3]), np.array([2, 1, 5], np.float32))


def test_a_new_product_goes_with_what_its_brand_goes_with():
    """5 is as similar to 0 and 1 as possible, so it goes with 3 (weight 2) and with 4 (weight 1); 2 is unrelated."""
    products, graph = small()
    trained = fit(products, graph)
    ids, scores = scorer(MODEL, trained, NATIVE).top_k(np.array([5], np.int32), 3)
    assert ids.tolist() == [[3, 4, -1]] and scores[0, :2].tolist() == [2, 1]


def test_missing_values_placeholders_and_the_root_make_nothing_alike():
    products, graph = small()
    alike = fit(products, graph).matrices["chain_0"].toarray()
    assert alike[3].tolist() == [0, 0, 0, 1, 0, 0] and alike[4].tolist() == [0, 0, 0, 0, 1, 0]
    assert features(products).shape[1] == 2  # two brands; the root has no column
    nothing = fit(table([(None, [])] * 6), graph)
    assert (nothing.matrices["chain_0"].toarray() == np.diag(graph.degree > 0)).all()
    assert not nothing.seen[5]


def test_keep_and_fan_out_prefer_the_most_alike_and_the_most_joined():
    """Six products of one brand; 1..5 have 1..5 pairs. The new product, 0, looks at no more products than allowed."""
    rows = [("A", ["R", "x"]) for _ in range(6)] + [("B", ["R", "y"]) for _ in range(6)]
    source = np.repeat(np.arange(1, 6), np.arange(1, 6))
    target = np.concatenate([np.arange(6, 6 + k) for k in range(1, 6)])
    graph = build_graph(12, source, target, np.ones(15, np.float32))
    for limits in ({"keep": 2}, {"fan_out": 2}):
        alike = fit(table(rows), graph, **limits).matrices["chain_0"].toarray()
        assert np.flatnonzero(alike[0]).tolist() == [4, 5]
    rows[1] = ("A", ["R", "x", "z"])  # now less similar than the others
    rows[2] = ("A", ["R", "x", "z"])
    alike = fit(table(rows), graph, keep=3).matrices["chain_0"].toarray()
    assert np.flatnonzero(alike[0]).tolist() == [3, 4, 5]
    assert alike[1, 1] == 1 and alike[1, 2] == pytest.approx(1) and np.count_nonzero(alike[1]) == 3


def test_cold_products_are_placed_and_listed():
    """Products of a group share brand and partners, so the group of a cold product determines its partners."""
    rng = np.random.default_rng(0)
    n, groups = 400, 8
    group = np.arange(n) % groups
    a = rng.integers(0, n, 4000)
    b = (a + groups * rng.integers(1, n // groups, 4000)) % n
    keys = np.unique(np.minimum(a, b) * n + np.maximum(a, b))
    source, target = keys // n, keys % n
    split = split_pairs(
        n, source, target, np.ones(len(keys), np.float32), np.ones(n, bool), SplitConfig(cold_share=0.1)
    )
    graph = build_graph(n, split.train.source, split.train.target, split.train.weight)
    products = table([(f"brand {g}", ["Root"]) for g in group])
    trained = fit(products, graph)
    assert trained.seen[split.cold].all()
    evaluation = evaluate(MODEL, trained, split, graph, EvaluationConfig(bootstrap=0))
    assert evaluation.info["fallback"] == "own" and evaluation.info["unplaced"]["cold_start"] == 0
    cold = {r["metric"]: r["value"] for r in evaluation.metrics.to_pylist() if r["protocol"] == "cold_start"}
    assert cold["roc_auc_uniform"] > 0.9 and cold["recall@10"] > 0.1

    ids = pa.array([f"p{i:03}" for i in range(n)])
    lists = nearest(MODEL, trained, ids, NeighboursConfig(k=5), sources=split.cold).table.to_pandas()
    assert set(lists["product"].astype(str)) == {f"p{i:03}" for i in split.cold}
    same = [
        int(p[1:]) % groups == int(q[1:]) % groups for p, q in zip(lists["product"], lists["neighbour"], strict=True)
    ]
    assert np.mean(same) == 1


def test_it_needs_products_and_graph():
    with pytest.raises(ValueError, match="products and the training graph"):
        MODEL.fit(Inputs(n_nodes=3), ContentConfig())
