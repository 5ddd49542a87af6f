"""The blend: its ranker against a plain computation, its lists against brute force, and a check that nothing leaks."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import scipy.special
import torch
from sklearn.metrics import roc_auc_score

from core.catalog.tables import PRODUCTS, relationships_table
from core.graph import build_graph, transition_matrix
from core.interfaces import NATIVE, Inputs, TrainContext
from core.models import MODELS
from core.models.blend.config import BlendConfig
from core.models.blend.ranker import Examples, _list_loss, predict, train_ranker
from core.models.blend.train import inner_split
from core.pairs import build_pairs
from core.pairs.split import SplitConfig, pair_keys, split_pairs, split_product_pairs
from core.relationships import ONCE
from core.sample import sample_catalog
from core.scoring.factory import scorer
from core.store import Store
from core.training.inputs import model_inputs
from core.walks import WalksConfig, random_walks

SMALL = {
    "matrix_factorization_bias": {"epochs": 3, "dim": 8},
    "skipgram_side_info_mean": {"epochs": 3, "dim": 8},
    "content_knn": {},
}
CONFIG = BlendConfig(lists=300, networks=2, hidden=16, epochs=4, candidates=30)


def inputs_of(products, split) -> Inputs:
    """Inputs of the blend, with parts that the registry's own entries trained."""
    graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
    transition = transition_matrix(graph)
    walks = random_walks(transition, WalksConfig(walks_per_node=4, walk_length=6))
    inputs = Inputs(split.n_nodes, products, graph, transition, walks)
    context = TrainContext(threads=1)
    parts = {
        name: MODELS[name].fit(inputs, MODELS[name].config_class(**settings), context)
        for name, settings in SMALL.items()
    }
    return dataclasses.replace(inputs, models={name: parts[name] for name in MODELS["blend"].models})


def split_of(pairs, seed=42):
    has_metadata = pairs.products["has_metadata"].to_numpy()
    n_nodes = pairs.products.num_rows
    return split_pairs(n_nodes, pairs.source, pairs.target, pairs.weight, has_metadata, SplitConfig(), seed)


@pytest.fixture(scope="module")
def pairs():
    catalog = sample_catalog(600, 12.0, seed=3)
    return build_pairs(catalog.products, catalog.relationships)


@pytest.fixture(scope="module")
def split(pairs):
    return split_of(pairs)


@pytest.fixture(scope="module")
def inputs(pairs, split):
    return inputs_of(pairs.products, split)


@pytest.fixture(scope="module")
def blend(inputs):
    return MODELS["blend"].fit(inputs, CONFIG, TrainContext(threads=1))


def test_the_inner_split_counts_places_among_its_own_training_listings():
    rng = np.random.default_rng(0)
    owner, listed = np.repeat(np.arange(40, dtype=np.int32), 8), rng.integers(0, 60, 320).astype(np.int32)
    ids = pa.array([f"p{i:02d}" for i in range(60)])
    kinds, place = np.zeros(320, np.int8), np.tile(np.arange(1, 9, dtype=np.int32), 40)

    def pairs_of(rows):
        columns = owner[rows], listed[rows], kinds[rows], ["also_bought"], None, ONCE, place[rows]
        return build_pairs(PRODUCTS.empty_table(), relationships_table(ids, *columns), more_ids=ids)

    pairs = pairs_of(np.ones(320, bool))
    split = split_product_pairs(pairs, SplitConfig())
    graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
    given = {"products": pairs, "graph": graph, "walks": None, "sessions": None} | dict.fromkeys(MODELS["blend"].models)
    inner = inner_split(model_inputs(MODELS["blend"], split.n_nodes, given), BlendConfig(), 42)
    assert 0 < len(inner.train) < len(split.train)
    kept = pair_keys(60, inner.train.source, inner.train.target)
    known = pairs_of(np.isin(pair_keys(60, owner, listed), kept))
    assert known.weight.tobytes() == inner.train.weight.tobytes()
    outer = np.isin(pair_keys(60, split.train.source, split.train.target), kept)
    assert known.weight.tobytes() != split.train.weight[outer].tobytes()


def auc(model_scorer, positive, negative) -> float:
    scores = [model_scorer.score_pairs(*pairs) for pairs in (positive, negative)]
    labels = np.repeat([1, 0], [len(part) for part in scores])
    return roc_auc_score(labels, np.concatenate(scores))


def matched_auc(embeddings, split) -> float:
    model_scorer = scorer(MODELS["blend"], embeddings, NATIVE)
    return auc(
        model_scorer,
        (split.validation.source, split.validation.target),
        (split.degree_matched_negatives.source, split.degree_matched_negatives.target),
    )


def test_is_better_than_each_of_its_parts(blend, inputs, split):
    blend_auc = matched_auc(blend, split)
    for name, part in inputs.models.items():
        model_scorer = scorer(MODELS[name], part, MODELS[name].scorings[0])
        pairs = [
            (split.validation.source, split.validation.target),
            (split.degree_matched_negatives.source, split.degree_matched_negatives.target),
        ]
        assert blend_auc > auc(model_scorer, *pairs), name


def test_places_products_without_any_pair(blend, split):
    model_scorer = scorer(MODELS["blend"], blend, NATIVE)
    drawn = split.cold_degree_matched >= 0
    negative = split.cold_pairs.source[drawn], split.cold_degree_matched[drawn]
    # About ten cold products: 0.64 to 0.70 over twelve splits of this catalogue.
    assert auc(model_scorer, (split.cold_pairs.source, split.cold_pairs.target), negative) > 0.6
    ids, _ = model_scorer.top_k(split.cold[:20], 5)
    assert (ids[:, 0] >= 0).mean() > 0.8


def test_a_pair_scores_the_same_both_ways(blend, split):
    model_scorer = scorer(MODELS["blend"], blend, NATIVE)
    forth = model_scorer.score_pairs(split.validation.source, split.validation.target)
    np.testing.assert_allclose(
        model_scorer.score_pairs(split.validation.target, split.validation.source), forth, rtol=1e-4, atol=1e-5
    )


def test_lists_are_the_best_candidates(blend, inputs):
    """Against the definition: with as many candidates as products, lists hold the best of all that are reachable."""
    everything = dataclasses.replace(blend, info={**blend.info, "config": {**blend.info["config"], "candidates": 600}})
    model_scorer = scorer(MODELS["blend"], everything, NATIVE, threads=2)
    sources = np.flatnonzero(model_scorer.seen)[::40].astype(np.int32)
    mask = inputs.graph.adjacency()[sources]
    ids, scores = model_scorer.top_k(sources, 7, mask=mask)
    step = transition_matrix(inputs.graph).toarray()
    reach = (np.linalg.matrix_power(step, 3) > 0)[sources]
    others = np.stack(
        [
            np.isin(np.arange(600), other.top_k(sources[row : row + 1], 600, mask=mask[row])[0])
            for row in range(len(sources))
            for other in model_scorer._features.models.values()
        ]
    )
    others = others.reshape(len(sources), -1, 600).any(axis=1)
    allowed = (reach | others) & (mask.toarray() == 0)
    allowed[np.arange(len(sources)), sources] = False
    for row, source in enumerate(sources):
        candidates = np.flatnonzero(allowed[row]).astype(np.int32)
        expected = model_scorer._predict(
            model_scorer._features.forth(np.full(len(candidates), source, np.int32), candidates)
        )
        best = candidates[np.lexsort((candidates, -expected))][:7]
        assert ids[row, : len(best)].tolist() == best.tolist()
        assert (ids[row, len(best) :] == -1).all()
        assert (np.diff(scores[row, : len(best)]) <= 0).all()


def test_threads_change_nothing(blend, split):
    single, threaded = (scorer(MODELS["blend"], blend, NATIVE, threads) for threads in (1, 3))
    sources = split.validation.source[:50]
    assert np.array_equal(single.top_k(sources, 10)[0], threaded.top_k(sources, 10)[0])
    target = split.validation.target[:50]
    assert np.array_equal(single.score_pairs(sources, target), threaded.score_pairs(sources, target))


def test_held_out_pairs_touch_nothing(pairs, split, inputs, blend):
    """Pairs that share no structure but their products' degrees cannot be told from others that do not either.

    Every pair's second product is exchanged with another pair's, so that products keep their degrees and pairs mean
    nothing; what is held out of these can be found only by whoever has seen it.
    """
    rng = np.random.default_rng(5)
    source, target = pairs.source, rng.permutation(pairs.target)
    low, high = np.minimum(source, target), np.maximum(source, target)
    keys = np.unique((low * np.int64(pairs.products.num_rows) + high)[low != high])
    n_nodes = pairs.products.num_rows
    nonsense = split_pairs(
        n_nodes, (keys // n_nodes).astype(np.int32), (keys % n_nodes).astype(np.int32), np.ones(len(keys), np.float32),
        pairs.products["has_metadata"].to_numpy(), SplitConfig(),
    )  # fmt: skip
    trained = MODELS["blend"].fit(inputs_of(pairs.products, nonsense), CONFIG, TrainContext(threads=1))
    assert abs(matched_auc(trained, nonsense) - 0.5) < 0.04  # five standard errors of 2,400 pairs of each kind
    assert matched_auc(blend, split) > 0.75  # what the same code finds where there is something to find


def test_training_again_gives_the_same(inputs, blend):
    again = MODELS["blend"].fit(inputs, CONFIG, TrainContext(threads=1))
    for name, value in blend.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], value, err_msg=name)


def test_survives_the_store(blend, split, tmp_path):
    store = Store(tmp_path)
    store.write("embeddings/blend", "x", blend)
    stored = store.read("embeddings/blend", "x")
    assert list(stored.parts) == list(blend.parts)
    before, after = (scorer(MODELS["blend"], embeddings, NATIVE) for embeddings in (blend, stored))
    pairs = split.validation.source, split.validation.target
    assert np.array_equal(before.score_pairs(*pairs), after.score_pairs(*pairs))


def test_a_category_of_two_pairs(pairs):
    products = pairs.products.slice(0, 4)
    ids, weight = np.array([[0, 1], [1, 2]], np.int32).T, np.ones(2, np.float32)
    split = split_pairs(4, ids[0], ids[1], weight, np.zeros(4, bool), SplitConfig())
    trained = MODELS["blend"].fit(inputs_of(products, split), CONFIG, TrainContext(threads=1))
    model_scorer = scorer(MODELS["blend"], trained, NATIVE)
    assert np.isfinite(model_scorer.score_pairs(ids[0], ids[1])).all()
    known = int(split.train.source[0]), int(split.train.target[0])
    ids, _ = model_scorer.top_k(np.array(known[:1], np.int32), 3)
    assert known[1] in ids


def features_like(rng, n):
    return rng.standard_normal((n, 5)).astype(np.float32)


def example_lists(rng, count=200, length=12):
    """Lists in which the row with the largest sum of two features is the relevant model_scorer."""
    rows = features_like(rng, count * length)
    best = (rows[:, 0] + rows[:, 1]).reshape(count, length).argmax(axis=1)
    relevant = np.zeros((count, length), bool)
    relevant[np.arange(count), best] = True
    return rows, np.arange(count + 1, dtype=np.int64) * length, relevant.ravel()


def test_ranker_learns_an_order_and_a_boundary():
    rng = np.random.default_rng(0)
    rows, starts, relevant = example_lists(rng)
    pairs = features_like(rng, 4000)
    config = BlendConfig(networks=2, hidden=16, epochs=15, learning_rate=0.02)
    examples = Examples(rows, starts, relevant, pairs, pairs[:, 0] + pairs[:, 1] > 0)
    ranker, _ = train_ranker(examples, config, TrainContext(seed=1))
    fresh, _, wanted = example_lists(rng)
    chosen = predict(ranker, fresh).reshape(200, 12).argmax(axis=1)
    assert (wanted.reshape(200, 12)[np.arange(200), chosen]).mean() > 0.85
    assert roc_auc_score(fresh[:, 0] + fresh[:, 1] > 0, predict(ranker, fresh)) > 0.97


def test_ranker_does_not_depend_on_torch_threads():
    rng = np.random.default_rng(0)
    rows, starts, relevant = example_lists(rng, 50)
    examples = Examples(rows, starts, relevant, rows, relevant)
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        config = BlendConfig(networks=2, hidden=16, epochs=2, learning_rate=0.02)
        results.append(train_ranker(examples, config, TrainContext(seed=1, threads=threads))[0])
        assert torch.get_num_threads() == threads
    for name in results[0]:
        np.testing.assert_array_equal(results[0][name], results[1][name])


def test_list_loss_is_the_mean_cross_entropy_of_a_softmax():
    rng = np.random.default_rng(0)
    lengths = np.array([3, 1, 5])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = features_like(rng, lengths.sum())
    relevant = np.array([1, 0, 1, 1, 0, 0, 1, 0, 0], np.float32)
    layers = [torch.from_numpy(rng.standard_normal(s).astype(np.float32)) for s in
              [(2, 5, 4), (2, 1, 4), (2, 4, 4), (2, 1, 4), (2, 4, 1), (2, 1, 1)]]  # fmt: skip
    chosen = np.array([2, 0, 1])
    loss = _list_loss(layers, torch.from_numpy(rows), torch.from_numpy(relevant), starts, chosen)

    def logits(network):
        hidden = rows
        for layer in (0, 2):
            hidden = np.maximum(hidden @ layers[layer][network].numpy() + layers[layer + 1][network].numpy(), 0)
        return (hidden @ layers[4][network].numpy() + layers[5][network].numpy())[:, 0]

    expected = []
    for network in (0, 1):
        out = logits(network)
        for row in chosen:
            part = slice(starts[row], starts[row + 1])
            share = relevant[part] / relevant[part].sum()
            expected.append(-(share * scipy.special.log_softmax(out[part])).sum())
    assert float(loss) == pytest.approx(np.mean(expected), rel=1e-5)


def test_without_examples_the_first_feature_decides():
    nothing = np.empty((0, 5), np.float32), np.zeros(1, np.int64), np.empty(0, bool)
    rows = features_like(np.random.default_rng(0), 30)
    ranker, _ = train_ranker(Examples(*nothing, rows, np.zeros(30, bool)), CONFIG, TrainContext(seed=1))
    np.testing.assert_allclose(predict(ranker, rows), rows[:, 0], rtol=1e-6)
