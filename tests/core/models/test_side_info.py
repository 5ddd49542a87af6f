"""Skip-gram with side information: the fit against dense algebra and hand-worked cases, and cold products."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from core.evaluation import EvaluationConfig, auc_probe, evaluate
from core.graph import build_graph, transition_matrix
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, Inputs, TrainContext
from core.models import MODELS
from core.models.side_info.direct_fit import fit_side_vectors, softmax
from core.models.side_info.fields import side_fields
from core.pairs import build_pairs
from core.pairs.split import SplitConfig, split_pairs
from core.sample import sample_catalog
from core.scoring.factory import scorer
from core.walks import random_walks

MEAN, WEIGHTED = MODELS["skipgram_side_info_mean"], MODELS["skipgram_side_info_weighted"]


def table(rows: list[tuple[str | None, list[str], float | None]]) -> pa.Table:
    brand, categories, price = zip(*rows, strict=True)
    return pa.table(
        {
            "brand": pa.array(brand, pa.string()),
            "categories": pa.array(categories, pa.list_(pa.string())),
            "price": pa.array(price, pa.float32()),
        }
    )


def random_case(n: int = 120, dim: int = 6, seed: int = 0):
    """Vectors, occurrences (a fifth has none) and three fields, each of which some products lack."""
    rng = np.random.default_rng(seed)
    occurrences = rng.integers(1, 50, n) * (rng.random(n) > 0.2)
    learned = (rng.normal(size=(n, dim)) * (occurrences > 0)[:, None]).astype(np.float32)
    fields = []
    for values in (7, 5, 3):
        shares = rng.random((n, values)) * (rng.random((n, values)) < 0.4) * (rng.random(n) < 0.8)[:, None]
        shares /= np.maximum(shares.sum(1, keepdims=True), 1e-9)
        fields.append(sp.csr_matrix(shares.astype(np.float32)))
    return learned, occurrences, fields


def objective(logits, shared, learned, count, fields, has, own, side, penalty, solve=True):
    """The header's objective at the best vectors for given weights: one dense least-squares problem."""
    weights = np.where(has, np.exp(logits + shared), 0)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-30)
    n, values = len(learned), sum(field.shape[1] for field in fields)
    sides = np.hstack([weights[:, [1 + k]] * field.toarray() for k, field in enumerate(fields)])
    rows = np.sqrt(count)[:, None] * np.hstack([np.diag(weights[:, 0]), sides])
    ridge = np.diag(np.sqrt(np.r_[np.full(n, own), np.full(values, side)]))
    wanted = np.vstack([np.sqrt(count)[:, None] * learned, np.zeros((n + values, learned.shape[1]))])
    solution = np.linalg.lstsq(np.vstack([rows, ridge]), wanted, rcond=None)[0]
    loss = ((np.vstack([rows, ridge]) @ solution - wanted) ** 2).sum()
    vectors = np.hstack([np.diag(weights[:, 0]), sides]) @ solution
    return loss + penalty * ((logits**2).sum() + (shared**2).sum()), vectors, weights


def test_missing_values_placeholders_and_the_root_have_no_share():
    products = table(
        [
            ("Acme", ["Root", "Common", "Rare"], 10.0),
            ("acme ", ["Root", "Common"], None),
            ("Unknown", ["Root"], float("nan")),
            (None, [], 20.0),
            ("Other", ["Root", "Common"], 30.0),
        ]
    )
    brand, categories, price = (field.toarray() for field in side_fields(products, 3))
    assert brand.tolist() == [[1, 0], [1, 0], [0, 0], [0, 0], [0, 1]]
    rare, common = np.log(4), np.log(4 / 3)
    assert sorted(categories[0]) == pytest.approx([0, common / (rare + common), rare / (rare + common)])
    assert np.count_nonzero(categories[1]) == 1 and not categories[2:4].any()
    assert price.sum(1).tolist() == [1, 0, 0, 1, 1] and (price.argmax(1)[[0, 3, 4]] == [0, 1, 2]).all()


def test_a_hand_worked_mean():
    """Two products of one brand learned 3 and 1 (each 4 times); a third of that brand and a lone one are new.

    With a = (1/2, 1/2) and own = side = 1, a product counts m = 4 / (4/4 + 1) = 2. Ridge over x = 1/2:
    s = 2/2 (3 + 1) / (2 (1/4 + 1/4) + 1) = 2, so the sides give 1; of the rest, n a0^2 / (n a0^2 + own) = 1/2 is
    the product's own: 1 + (3 - 1) / 2 = 2 and 1 + 0 = 1. The new product is its brand's vector, 2.
    """
    brand = sp.csr_matrix(np.array([[1], [1], [1], [0]], np.float32))
    learned = np.array([[3], [1], [0], [0]], np.float32)
    fit = fit_side_vectors(learned, np.array([4, 4, 0, 0]), [brand], own=1, side=1)
    assert fit.weights.tolist() == [[0.5, 0.5], [0.5, 0.5], [0, 1], [0, 0]]
    assert fit.vectors[:, 0] == pytest.approx([2, 1, 2, 0])


@pytest.mark.parametrize(("own", "side"), [(1, 1), (20, 0.5)])
def test_the_mean_is_the_minimum_of_the_dense_objective(own, side):
    learned, occurrences, fields = random_case()
    fit = fit_side_vectors(learned, occurrences, fields, own, side)
    has = np.column_stack([occurrences > 0, *(field.getnnz(1) > 0 for field in fields)])
    zeros = np.zeros(has.shape)
    _, vectors, weights = objective(zeros, zeros[0], learned, occurrences, fields, has, own, side, 0)
    described = has[:, 1:].any(1)
    assert np.allclose(fit.weights, weights, atol=1e-6)
    assert np.allclose(fit.vectors[described], vectors[described], atol=2e-3)
    assert (fit.vectors[~described] == learned[~described]).all()  # no side values: its own vector, unchanged


def test_weights_start_equal_sum_to_one_and_learning_them_lowers_the_objective():
    learned, occurrences, fields = random_case()
    has = np.column_stack([occurrences > 0, *(field.getnnz(1) > 0 for field in fields)])
    start = softmax(np.zeros(has.shape), has)
    assert np.allclose(start, has / np.maximum(has.sum(1, keepdims=True), 1))
    losses = []
    for rounds in (1, 3, 10):
        fit = fit_side_vectors(learned, occurrences, fields, 2, 1, penalty=1.0, rounds=rounds)
        assert np.allclose(fit.weights.sum(1), has.any(1)) and (fit.weights[~has] == 0).all()
        with np.errstate(divide="ignore"):
            logits = np.where(has, np.log(fit.weights) - fit.shared, 0)
        logits -= (logits * has).sum(1, keepdims=True) / np.maximum(has.sum(1, keepdims=True), 1) * has
        losses.append(objective(logits, fit.shared, learned, occurrences, fields, has, 2, 1, 0)[0])
    equal = objective(np.zeros(has.shape), np.zeros(4), learned, occurrences, fields, has, 2, 1, 0)[0]
    assert equal > losses[0] > losses[1] > losses[2]
    firm = fit_side_vectors(learned, occurrences, fields, 2, 1, penalty=1e9, rounds=3)
    assert np.allclose(firm.weights, start, atol=1e-4)


@pytest.mark.parametrize("penalty", [None, 10.0])
def test_what_a_product_learned_counts_the_more_the_more_often_it_was_met(penalty):
    """Products of one brand that all learned similar vectors, but occurred 1, 10, 100 or 1000 times."""
    rng = np.random.default_rng(0)
    occurrences = np.repeat([1, 10, 100, 1000], 50)
    learned = (rng.normal(size=4) + rng.normal(size=(200, 4))).astype(np.float32)
    brand = sp.csr_matrix(np.ones((200, 1), np.float32))
    fit = fit_side_vectors(learned, occurrences, [brand], own=5, side=1, penalty=penalty, rounds=5)
    gap = np.linalg.norm(fit.vectors - learned, axis=1).reshape(4, 50).mean(1)
    assert (gap[:-1] > 1.2 * gap[1:]).all()


def test_progress_counts_rounds():
    reports = []
    learned, occurrences, fields = random_case(40)
    fit_side_vectors(learned, occurrences, fields, 1, 1, 1.0, 3, lambda *report: reports.append(report))
    assert reports == [("side information", done, 3, "rounds") for done in (1, 2, 3)]


@pytest.fixture(scope="module")
def sample():
    catalog = sample_catalog(3000, seed=1)
    pairs = build_pairs(catalog.products, catalog.relationships)
    has_metadata = pairs.products["has_metadata"].to_numpy()
    split = split_pairs(
        len(has_metadata), pairs.source, pairs.target, pairs.weight, has_metadata, SplitConfig(cold_share=0.1)
    )
    graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
    walks = random_walks(transition_matrix(graph))
    return Inputs(n_nodes=split.n_nodes, products=pairs.products, graph=graph, walks=walks), split, graph


@pytest.fixture(scope="module")
def trained(sample):
    inputs, split, _ = sample
    context = TrainContext(threads=1, probe=auc_probe(split))
    return {
        model.name: model.fit(inputs, model.config_class(dim=32, epochs=5), context)
        for model in (MODELS["skipgram"], MEAN, WEIGHTED)
    }


def metrics(name, sample, trained):
    _, split, graph = sample
    evaluation = evaluate(MODELS[name], trained[name], split, graph, EvaluationConfig(bootstrap=0, ranking_sources=200))
    rows = evaluation.metrics.to_pylist()
    return {(r["protocol"], r["subset"], r["scoring"], r["metric"]): r["value"] for r in rows}, evaluation.info


@pytest.mark.parametrize("model", [MEAN, WEIGHTED], ids=lambda model: model.name)
def test_new_products_are_placed_and_known_ones_lose_nothing(model, sample, trained):
    plain, _ = metrics("skipgram", sample, trained)
    ours, info = metrics(model.name, sample, trained)
    for protocol in ("published", "degree_matched"):
        for scoring in (CENTER_CONTEXT, CENTER_CENTER):
            key = (protocol, "seen", scoring, "roc_auc")
            assert ours[key] > plain[key] - 0.01
    for scoring in (CENTER_CONTEXT, CENTER_CENTER):
        assert plain["cold_start", "all", scoring, "roc_auc"] == 0.5
        assert ours["cold_start", "all", scoring, "roc_auc"] > 0.8
    assert ours["cold_start", "all", CENTER_CONTEXT, "recall@10"] > 0.45
    assert (
        ours["ranking", "all", CENTER_CONTEXT, "recall@10"]
        > plain["ranking", "all", CENTER_CONTEXT, "recall@10"] - 0.02
    )
    assert info["unplaced"]["cold_start"] < 0.2


@pytest.mark.parametrize("model", [MEAN, WEIGHTED], ids=lambda model: model.name)
def test_new_products_do_not_fill_the_lists_of_known_ones(model, sample, trained):
    known = np.flatnonzero(sample[2].degree > 0).astype(np.int32)
    for scoring in model.scorings:
        ids, _ = scorer(model, trained[model.name], scoring).top_k(known, 10)
        assert (sample[2].degree[ids] == 0).mean() < 0.01


@pytest.mark.parametrize("model", [MEAN, WEIGHTED], ids=lambda model: model.name)
def test_a_cold_product_is_its_side_values_and_one_without_any_stays_unseen(model, sample, trained):
    inputs, _, graph = sample
    embeddings = trained[model.name]
    described = np.sum([field.getnnz(1) for field in side_fields(inputs.products, 10)], axis=0) > 0
    on_walks = graph.degree > 0
    assert embeddings.seen[on_walks].all() and not embeddings.seen[~on_walks & ~described].any()
    new = np.flatnonzero(embeddings.seen & ~on_walks)
    assert len(new) == embeddings.info["placed_by_side_information"] > 50
    assert not embeddings.center[~embeddings.seen].any() and not embeddings.context[~embeddings.seen].any()
    ids, _ = scorer(model, embeddings, CENTER_CONTEXT).top_k(new.astype(np.int32), 5)
    assert (ids >= 0).all()


def test_a_pair_with_an_unseen_product_scores_the_median_and_a_placed_one_its_own(sample, trained):
    """The rule of ``evaluate`` follows ``seen``: cold products need no other fallback."""
    _, split, graph = sample
    assert MEAN.fallback == "median"
    embeddings = trained[MEAN.name]
    model_scorer = scorer(MEAN, embeddings, CENTER_CONTEXT)
    blind = dataclasses.replace(embeddings, seen=graph.degree > 0)
    config = EvaluationConfig(bootstrap=0, ranking_sources=50)

    def cold_auc(which):
        rows = evaluate(MEAN, which, split, graph, config).metrics.to_pylist()
        return next(
            r["value"]
            for r in rows
            if (r["protocol"], r["metric"], r["scoring"]) == ("cold_start", "roc_auc", CENTER_CONTEXT)
        )

    assert cold_auc(blind) == 0.5
    drawn = split.cold_degree_matched >= 0
    sides = [
        (split.cold_pairs.source, split.cold_pairs.target),
        (split.cold_pairs.source[drawn], split.cold_degree_matched[drawn]),
    ]
    scores = [model_scorer.score_pairs(*side) for side in sides]
    placed = [model_scorer.seen[a] & model_scorer.seen[b] for a, b in sides]
    middle = np.median(np.concatenate([s[p] for s, p in zip(scores, placed, strict=True)]))
    high, low = (np.where(p, s, middle) for s, p in zip(scores, placed, strict=True))
    below = np.searchsorted(np.sort(low), high, "left") + np.searchsorted(np.sort(low), high, "right")
    assert cold_auc(embeddings) == pytest.approx(below.mean() / 2 / len(low), abs=1e-6)


def test_the_learning_curve_ends_with_the_vectors_that_are_returned(sample, trained):
    _, split, _ = sample
    plain, ours = trained["skipgram"].learning_curve.to_pylist(), trained[MEAN.name].learning_curve.to_pylist()
    assert len(ours) == len(plain) + 1 and [r["examples"] for r in ours[:-1]] == [r["examples"] for r in plain]
    embeddings = trained[MEAN.name]
    probe = auc_probe(split)
    auc = probe(embeddings.center[probe.nodes], embeddings.context[probe.nodes])
    assert ours[-1]["roc_auc"] == pytest.approx(auc, abs=1e-6)
    assert ours[-1]["examples"] == ours[-2]["examples"] and ours[-1]["loss"] is None
    assert embeddings.info["seconds"] == pytest.approx(ours[-1]["seconds"])
    assert embeddings.info["config"]["own_strength"] == 1.0


@pytest.mark.parametrize("model", [MEAN, WEIGHTED], ids=lambda model: model.name)
def test_one_thread_repeats_itself_and_a_finished_walk_training_is_taken_up_again(model, sample, tmp_path):
    inputs = dataclasses.replace(sample[0], walks=sample[0].walks[:2000])
    config = model.config_class(dim=8, epochs=1)
    first = model.fit(inputs, config, TrainContext(threads=1, checkpoints=tmp_path))
    words = []
    again = model.fit(
        inputs, config, TrainContext(threads=1, checkpoints=tmp_path, progress=lambda stage, *_: words.append(stage))
    )
    fresh = model.fit(inputs, config, TrainContext(threads=1))
    assert set(words) == {"side information"}
    for other in (again, fresh):
        assert (first.center == other.center).all() and (first.context == other.context).all()


def test_without_any_metadata_it_is_plain_skip_gram(sample):
    walks = sample[0].walks[:500]
    n = sample[0].n_nodes
    context = TrainContext(threads=1)
    plain = MODELS["skipgram"].fit(Inputs(n, walks=walks), MODELS["skipgram"].config_class(dim=4, epochs=1), context)
    for model in (MEAN, WEIGHTED):
        inputs = Inputs(n, walks=walks, graph=sample[2], products=table([(None, [], None)] * n))
        ours = model.fit(inputs, model.config_class(dim=4, epochs=1), context)
        assert (ours.center == plain.center).all() and (ours.seen == plain.seen).all()


def test_it_needs_the_products_and_the_graph(sample):
    for missing in ("products", "graph"):
        with pytest.raises(ValueError, match="needs the products and the training graph"):
            MEAN.fit(dataclasses.replace(sample[0], **{missing: None}), MEAN.config_class())


def test_placing_new_products_alike_leaves_known_ones_as_they_are(sample):
    inputs = dataclasses.replace(sample[0], walks=sample[0].walks[:2000])
    config, context = MEAN.config_class(dim=8, epochs=1), TrainContext(threads=1)
    by_partners = MEAN.fit(inputs, config, context)
    alike = MEAN.fit(inputs, dataclasses.replace(config, new_products="alike"), context)
    known = np.bincount(inputs.walks[inputs.walks >= 0], minlength=inputs.n_nodes) > 0
    new = alike.seen & ~known
    assert new.sum() > 50 and (by_partners.seen == alike.seen).all()
    assert np.allclose(by_partners.center[known], alike.center[known], atol=1e-4)
    assert np.allclose(by_partners.context[known], alike.context[known], atol=1e-4)
    assert (by_partners.center[new] != alike.center[new]).any(axis=1).all()
