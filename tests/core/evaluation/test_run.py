"""A whole evaluation against one written with loops and scikit-learn, and the tables made of it."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from core.errors import InputError
from core.evaluation import (
    CURVES,
    METRICS,
    SCORES,
    Evaluation,
    EvaluationConfig,
    auc_probe,
    evaluate,
    leaderboard,
    summary_line,
    to_markdown,
)
from core.evaluation.probe import AucProbe
from core.graph import ProductGraph, build_graph
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, NATIVE, Inputs, Model, TrainedModel
from core.models import MODELS
from core.pairs.split import Pairs, PairSplit, SplitConfig, split_pairs

N = 300
VECTORS = Model("vectors", "", "", "", (), (CENTER_CONTEXT, CENTER_CENTER))


def make_split(n: int = N, m: int = 2500, seed: int = 0, cold_share: float = 0.1) -> tuple[PairSplit, ProductGraph]:
    """Six groups of products; most pairs stay within a group, and each group has popular products."""
    rng = np.random.default_rng(seed)
    a = (n * rng.random(m) ** 2).astype(int)
    b = np.where(rng.random(m) < 0.8, (a + 6 * rng.integers(n // 6, size=m)) % n, rng.integers(n, size=m))
    pairs = np.unique(np.sort(np.column_stack([a, b]), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    weight = np.ones(len(pairs), np.float32)
    config = SplitConfig(cold_share=cold_share)
    split = split_pairs(n, pairs[:, 0], pairs[:, 1], weight, rng.random(n) < 0.5, config, seed)
    return split, build_graph(n, split.train.source, split.train.target, split.train.weight)


def make_vectors(graph: ProductGraph, noise: float = 0.8, seed: int = 0) -> TrainedModel:
    """Products of a group lie near each other; unseen products have no vector."""
    rng = np.random.default_rng(seed)
    n = graph.n_nodes
    groups = rng.standard_normal((2, 6, 8))
    center, context = groups[:, np.arange(n) % 6] + noise * rng.standard_normal((2, n, 8))
    seen = graph.degree > 0
    center[~seen] = context[~seen] = 0
    return TrainedModel("vectors", seen, center.astype(np.float32), context.astype(np.float32))


def values(evaluation: Evaluation) -> dict[tuple[str, str, str, str], float]:
    return {(r["protocol"], r["subset"], r["scoring"], r["metric"]): r["value"] for r in evaluation.metrics.to_pylist()}


FAST = EvaluationConfig(bootstrap=20)


@pytest.mark.parametrize("fallback", ["median", "own"])
def test_every_metric_equals_a_plain_evaluation(fallback):
    split, graph = make_split()
    embeddings = make_vectors(graph)
    # A product of the training graph that the model dropped, and a cold one that it can place by other means.
    dropped, placed_cold = int(np.argmax(graph.degree)), int(split.cold_pairs.source[0])
    embeddings.seen[dropped] = False
    embeddings.seen[placed_cold] = True
    embeddings.center[placed_cold] = embeddings.context[placed_cold] = 1.0
    model = replace(VECTORS, fallback=fallback)
    found = values(evaluate(model, embeddings, split, graph, FAST))

    unit = [
        v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9) for v in (embeddings.center, embeddings.context)
    ]
    crossed = unit[0] @ unit[1].T
    matrices = {CENTER_CENTER: unit[0] @ unit[0].T, CENTER_CONTEXT: crossed + crossed.T}
    seen, in_train = embeddings.seen, graph.degree > 0
    checked = 0
    for scoring, matrix in matrices.items():

        def link(positives, negatives, keep, matrix=matrix):
            pairs = [(*p, 1) for p in positives] + [(*p, 0) for p in negatives]
            median = np.median([matrix[a, b] for a, b, _ in pairs if seen[a] and seen[b]])
            rows = [
                (label, matrix[a, b] if (seen[a] and seen[b]) or fallback == "own" else median)
                for a, b, label in pairs
                if keep(a, b)
            ]
            label, score = zip(*rows, strict=True)
            return roc_auc_score(label, score), average_precision_score(label, score)

        positives = list(zip(split.validation.source, split.validation.target, strict=True))
        for protocol, source, target in (
            ("published", split.uniform_negatives.source, split.uniform_negatives.target),
            ("degree_matched", split.degree_matched_negatives.source, split.degree_matched_negatives.target),
        ):
            negatives = list(zip(source, target, strict=True))
            for subset, keep in (("all", lambda a, b: True), ("seen", lambda a, b: in_train[a] and in_train[b])):
                auc, ap = link(positives, negatives, keep)
                assert found[protocol, subset, scoring, "roc_auc"] == pytest.approx(auc, abs=1e-6)
                assert found[protocol, subset, scoring, "average_precision"] == pytest.approx(ap, abs=1e-6)
                checked += 2
        cold = list(zip(split.cold_pairs.source, split.cold_pairs.target, strict=True))
        for metric, target in (("roc_auc", split.cold_degree_matched), ("roc_auc_uniform", split.cold_uniform)):
            negatives = [(a, b) for a, b in zip(split.cold_pairs.source, target, strict=True) if b >= 0]
            auc, _ = link(cold, negatives, lambda a, b: True)
            assert found["cold_start", "all", scoring, metric] == pytest.approx(auc, abs=1e-6)
            checked += 1

        def lists(source, left_out, matrix=matrix):
            order = sorted(
                (j for j in np.flatnonzero(seen) if seen[source] and j != source and j not in left_out),
                key=lambda j: (-matrix[source, j], j),
            )
            return order[:20]

        partners: dict[int, set[int]] = {}
        for a, b in positives:
            partners.setdefault(int(a), set()).add(int(b))
            partners.setdefault(int(b), set()).add(int(a))
        rows: dict[str, list[float]] = {name: [] for name in ("recall@10", "recall@20", "ndcg@10", "mrr", "mrr@10")}
        listed: set[int] = set()
        n_sources = 0
        for source, targets in partners.items():
            if not in_train[source]:
                continue
            n_sources += 1
            trained = set(graph.indices[graph.indptr[source] : graph.indptr[source + 1]].tolist())
            best = lists(source, trained)
            listed |= set(best[:10])
            hit = [j in targets for j in best]
            rows["recall@10"].append(sum(hit[:10]) / min(10, len(targets)))
            rows["recall@20"].append(sum(hit) / min(20, len(targets)))
            ideal = sum(1 / np.log2(r + 2) for r in range(min(10, len(targets))))
            rows["ndcg@10"].append(sum(h / np.log2(r + 2) for r, h in enumerate(hit[:10])) / ideal)
            rows["mrr"].append(1 / (hit.index(True) + 1) if any(hit) else 0)
            rows["mrr@10"].append(1 / (hit.index(True) + 1) if any(hit[:10]) else 0)
        for metric, column in rows.items():
            assert found["ranking", "all", scoring, metric] == pytest.approx(np.mean(column)), metric
            checked += 1
        assert found["ranking", "all", scoring, "coverage@10"] == len(listed) / min(10 * n_sources, seen.sum())

        recalls = []
        for source in np.unique(split.cold_pairs.source):
            targets = set(split.cold_pairs.target[split.cold_pairs.source == source].tolist())
            recalls.append(len(set(lists(source, set())[:10]) & targets) / min(10, len(targets)))
        assert found["cold_start", "all", scoring, "recall@10"] == pytest.approx(np.mean(recalls))
        assert len([r for r in recalls if r > 0]) <= 1
    assert checked == 30


def test_random_vectors_know_nothing():
    split, graph = make_split(n=1200, m=15_000)
    rng = np.random.default_rng(1)
    center, context = rng.standard_normal((2, 1200, 16)).astype(np.float32)
    found = values(evaluate(VECTORS, TrainedModel("vectors", graph.degree > 0, center, context), split, graph, FAST))
    for scoring in VECTORS.scorings:
        for protocol in ("published", "degree_matched"):
            assert found[protocol, "seen", scoring, "roc_auc"] == pytest.approx(0.5, abs=0.03)
        assert found["ranking", "all", scoring, "recall@10"] < 0.05
        assert found["ranking", "all", scoring, "popularity_bias@10"] == pytest.approx(0.5, abs=0.03)


def test_shuffled_labels_give_chance():
    """Positives and negatives thrown together and dealt out again: no model can tell them apart."""
    split, graph = make_split(n=1200, m=15_000)
    source = np.concatenate([split.validation.source, split.degree_matched_negatives.source])
    target = np.concatenate([split.validation.target, split.degree_matched_negatives.target])
    order = np.random.default_rng(2).permutation(len(source))
    half = len(split.validation.source)
    shuffled = replace(
        split,
        validation=Pairs(source[order[:half]], target[order[:half]]),
        degree_matched_negatives=Pairs(source[order[half:]], target[order[half:]]),
    )
    embeddings = make_vectors(graph)
    key = ("degree_matched", "seen", CENTER_CENTER, "roc_auc")
    assert values(evaluate(VECTORS, embeddings, split, graph, FAST))[key] > 0.7
    assert values(evaluate(VECTORS, embeddings, shuffled, graph, FAST))[key] == pytest.approx(0.5, abs=0.03)


def test_popularity_shines_only_against_uniform_negatives():
    """The reason why degree-matched negatives exist (DESIGN.md, "Evaluation")."""
    rng = np.random.default_rng(3)
    n = 20_000
    ends = np.minimum((n * rng.random((2, 60_000)) ** 2.2).astype(int), n - 1)
    pairs = np.unique(np.sort(ends.T, axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    split = split_pairs(n, pairs[:, 0], pairs[:, 1], np.ones(len(pairs), np.float32), np.zeros(n, bool), SplitConfig())
    graph = build_graph(n, split.train.source, split.train.target, split.train.weight)
    model = MODELS["popularity"]
    found = values(evaluate(model, model.fit(Inputs(n_nodes=n, graph=graph), model.config_class()), split, graph, FAST))
    assert found["published", "all", NATIVE, "roc_auc"] > 0.65
    assert found["degree_matched", "all", NATIVE, "roc_auc"] == pytest.approx(0.5, abs=0.03)


def test_a_plain_model_cannot_place_cold_products():
    split, graph = make_split()
    found = values(evaluate(VECTORS, make_vectors(graph), split, graph, FAST))
    for scoring in VECTORS.scorings:
        assert found["cold_start", "all", scoring, "roc_auc"] == 0.5
        assert found["cold_start", "all", scoring, "roc_auc_uniform"] == 0.5
        assert found["cold_start", "all", scoring, "recall@10"] == 0.0


def test_no_cold_products_no_cold_start():
    split, graph = make_split(cold_share=0.0)
    evaluation = evaluate(VECTORS, make_vectors(graph), split, graph, FAST)
    assert "cold_start" not in evaluation.metrics["protocol"].to_pylist()
    assert "cold_start" not in evaluation.info["pairs"]


def test_intervals_hold_the_value_and_tables_their_schemas():
    split, graph = make_split()
    evaluation = evaluate(VECTORS, make_vectors(graph), split, graph, EvaluationConfig(bootstrap=200, curve_points=50))
    assert evaluation.metrics.schema == METRICS
    assert evaluation.curves.schema == CURVES
    assert evaluation.scores.schema == SCORES
    for row in evaluation.metrics.to_pylist():
        if row["metric"] == "coverage@10":
            assert row["low"] is None and row["high"] is None
        else:
            assert row["low"] <= row["value"] <= row["high"], row
    curves = evaluation.curves.to_pandas()
    sizes = curves.groupby(["protocol", "subset", "scoring"]).size()
    assert len(sizes) == 8 and sizes.max() <= 50
    for _, curve in curves.groupby(["protocol", "subset", "scoring"]):
        assert curve["threshold"].isna().tolist() == [True] + [False] * (len(curve) - 1)
        assert curve["recall"].is_monotonic_increasing and curve["recall"].iloc[-1] == 1
    counts = evaluation.scores.to_pandas().groupby(["protocol", "scoring", "label"])["count"].sum()
    placed = (graph.degree[split.validation.source] > 0) & (graph.degree[split.validation.target] > 0)
    assert counts["published", CENTER_CENTER, "positive"] == placed.sum()


def test_no_bootstrap_no_intervals():
    split, graph = make_split()
    metrics = evaluate(VECTORS, make_vectors(graph), split, graph, EvaluationConfig(bootstrap=0)).metrics
    assert metrics["low"].null_count == metrics["high"].null_count == len(metrics)


def test_info_counts_the_pairs():
    split, graph = make_split()
    evaluation = evaluate(VECTORS, make_vectors(graph), split, graph, replace(FAST, ranking_sources=17))
    info = evaluation.info
    assert info["fallback"] == "median"
    assert info["pairs"]["published"]["all"] == {
        "positives": len(split.validation.source),
        "negatives": len(split.uniform_negatives.source),
    }
    both = (graph.degree[split.degree_matched_negatives.source] > 0) & (
        graph.degree[split.degree_matched_negatives.target] > 0
    )
    assert info["pairs"]["degree_matched"]["seen"]["negatives"] == both.sum()
    assert info["sources"]["ranking"] == 17
    assert info["unplaced"]["cold_start"] == 1.0


def test_result_depends_on_the_seed_and_not_on_threads():
    split, graph = make_split()
    embeddings = make_vectors(graph)
    config = EvaluationConfig(bootstrap=20, ranking_sources=50)
    one, two = (evaluate(VECTORS, embeddings, split, graph, config, threads=threads) for threads in (1, 2))
    assert one.metrics.equals(two.metrics) and one.curves.equals(two.curves) and one.scores.equals(two.scores)
    other = evaluate(VECTORS, embeddings, split, graph, config, seed=7)
    assert not one.metrics.equals(other.metrics)


def test_diverged_vectors_are_an_input_error():
    split, graph = make_split()
    embeddings = make_vectors(graph)
    embeddings.center[int(split.validation.source[0])] = np.nan
    with pytest.raises(InputError, match="learning rate"):
        evaluate(VECTORS, embeddings, split, graph, FAST)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_complete_and_tiny_categories(n):
    """No negatives, hardly any pairs: undefined values are null and nothing breaks."""
    source, target = np.triu_indices(n, k=1)
    split = split_pairs(n, source, target, np.ones(len(source), np.float32), np.ones(n, bool), SplitConfig())
    graph = build_graph(n, split.train.source, split.train.target, split.train.weight)
    for name in ("popularity", "adamic_adar"):
        model = MODELS[name]
        embeddings = model.fit(Inputs(n_nodes=n, graph=graph), model.config_class())
        evaluation = evaluate(model, embeddings, split, graph, FAST)
        assert values(evaluation)["published", "all", NATIVE, "roc_auc"] is None
        assert summary_line(evaluation.metrics)
        assert "–" in to_markdown(leaderboard({name: evaluation.metrics}, "tiny"))


def test_probe_is_the_published_auc_of_seen_pairs():
    split, graph = make_split()
    embeddings = make_vectors(graph)
    found = values(evaluate(VECTORS, embeddings, split, graph, FAST))
    probe = auc_probe(split, seed=0, size=10**6)
    assert (np.diff(probe.nodes) > 0).all()
    center, context = embeddings.center[probe.nodes], embeddings.context[probe.nodes]
    crossed = probe(center, context)
    assert crossed == pytest.approx(found["published", "seen", CENTER_CONTEXT, "roc_auc"], abs=1e-4)
    alone = probe(center, None)
    assert alone == pytest.approx(found["published", "seen", CENTER_CENTER, "roc_auc"], abs=1e-4)


@pytest.mark.parametrize("crossed", [False, True])
def test_probe_of_inner_products_against_scikit_learn(crossed):
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 90, (2, 2, 5000))
    center, context = rng.normal(size=(2, 90, 6)).astype(np.float32) * rng.random((90, 1), np.float32)
    probe = AucProbe(positive, negative)
    other = context if crossed else center
    a, b = np.concatenate([positive, negative], axis=1)
    scores = (center[a] * other[b]).sum(1)
    expected = roc_auc_score(np.repeat([1, 0], 5000), scores)
    rows = center[probe.nodes], context[probe.nodes] if crossed else None
    assert probe(*rows, cosine=False) == pytest.approx(expected, abs=1e-5)


def test_probe_is_fixed_small_and_harmless():
    split, graph = make_split()
    embeddings = make_vectors(graph)
    before = embeddings.center.copy()
    probe, other = auc_probe(split, seed=0, size=50), auc_probe(split, seed=1, size=50)
    rows = embeddings.center[probe.nodes]
    assert probe(rows, None) == probe(rows, None) and len(probe.nodes) <= 200
    assert probe(rows, None) != other(embeddings.center[other.nodes], None)
    assert np.array_equal(embeddings.center, before)
    assert np.isnan(probe(np.full_like(rows, np.nan), None))


def test_probe_without_pairs_is_nan():
    one = np.ones(1, np.float32)
    split = split_pairs(3, np.array([0]), np.array([1]), one, np.zeros(3, bool), SplitConfig())
    probe = auc_probe(split)
    assert np.isnan(probe(np.ones((3, 2), np.float32)[probe.nodes], None))


def test_progress_counts_to_the_end():
    split, graph = make_split()
    calls: list[tuple] = []
    evaluate(VECTORS, make_vectors(graph), split, graph, FAST, progress=lambda *call: calls.append(call))
    assert [call[1] for call in calls] == list(range(5))
    assert all(call[0] == "evaluation" and call[2] == 4 for call in calls)


def test_results_can_be_read_without_numba():
    """The store and the explorer import these packages; compiling and FAISS must not come with them."""
    code = (
        "import sys, core.evaluation, core.scoring.neighbours, core.pairs.split;"
        "print([m for m in ('numba', 'faiss', 'torch', 'sklearn', 'gensim') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
