"""Warm starts: which rows belong to which products, where new products start, and when the start stays cold."""

import dataclasses
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from core.graph import build_graph
from core.interfaces import Inputs, TrainContext, TrainedModel
from core.models import MODELS
from core.models.gensim_word2vec.config import GensimConfig
from core.models.skipgram.config import SkipGramConfig
from core.scoring.factory import scorer
from core.training.corpus import build_corpus
from core.training.warm_start import find_start, shortened

NAMES = [name for name, model in MODELS.items() if hasattr(model.config_class(), "warm_start") and model.needs is None]
"""All but the rows of skip-gram that differ in their default sequences only."""
TABLES = [name for name in NAMES if "side_info" not in name]
"""Models whose vectors are trained as they are; those of side information are averaged afterwards."""
BLOCKS, SIZE = 6, 25
N = BLOCKS * SIZE


def keys(*products):
    return np.array(products, dtype=np.uint64)


def vectors(*rows):
    return np.array(rows, dtype=np.float32)


def earlier(center, context=None, seen=None, keys=None, model="skipgram", version=None):
    seen = np.ones(len(center), bool) if seen is None else np.array(seen)
    info = {"version": version or MODELS[model].version}
    return TrainedModel(model, seen, center, context, info=info, keys=keys)


def start_of(walks, n_nodes, context, center=None, contexts=None):
    center = np.full((n_nodes, 2), 9, np.float32) if center is None else center
    contexts = np.full((n_nodes, 2), 8, np.float32) if contexts is None else contexts
    corpus = build_corpus(np.array(walks, np.int32), n_nodes)
    return find_start(center, contexts, corpus, context)


def test_rows_follow_their_products_through_new_numbers():
    """By hand: products 10, 20, 30, 40 were nodes 0..3; 20 is gone, 5 and 35 are new, and 30 is on no walk now."""
    last = earlier(
        vectors([1, 1], [2, 2], [3, 3], [4, 4]), vectors([-1, 0], [-2, 0], [-3, 0], [-4, 0]), keys=keys(10, 20, 30, 40)
    )
    now = TrainContext(keys=keys(5, 10, 30, 35, 40), previous=last)
    start = start_of([[1, 4, 1], [4, 3, -1], [0, 0, -1]], 5, now)
    # 10 and 40 are as before; 35 is only beside 40; 5 is beside no known product and 30 on no walk: both start cold.
    np.testing.assert_allclose(start.center, [[9, 9], [1, 1], [9, 9], [1.2, 1.2], [4, 4]])
    np.testing.assert_allclose(start.context, [[8, 8], [-1, 0], [8, 8], [-1.2, 0], [-4, 0]])
    assert start.facts == {"warm": True, "kept": 2, "from_neighbours": 1, "fresh": 1, "dropped": 2}
    assert start.center.dtype == start.context.dtype == np.float32


def test_a_new_product_starts_at_the_mean_of_its_neighbours_by_steps():
    """By hand: node 3 is stepped to or from node 0 three times and node 1 once; node 4 only from the new node 3."""
    last = earlier(
        vectors([4, 0], [0, 8], [50, 50]), vectors([0, 4], [8, 0], [50, 50]), [True, True, False], keys(1, 2, 3)
    )
    walks = [[0, 3, 0, 1], [3, 0, -1, -1], [1, 3, -1, -1], [3, 4, -1, -1], [2, 0, -1, -1]]
    start = start_of(walks, 5, TrainContext(keys=keys(1, 2, 3, 4, 5), previous=last))
    # 0.3 times the means; the mean of node 4 uses that of node 3 before it is shortened.
    np.testing.assert_allclose(start.center[3:], [[0.9, 0.6], [0.9, 0.6]], rtol=1e-6)
    np.testing.assert_allclose(start.context[3:], [[0.6, 0.9], [0.6, 0.9]], rtol=1e-6)
    # Node 2 existed but had no vector, so it is new; it is beside node 0.
    np.testing.assert_allclose(start.center[2], [1.2, 0], rtol=1e-6)
    assert start.facts == {"warm": True, "kept": 2, "from_neighbours": 3, "fresh": 0, "dropped": 0}


def test_means_are_those_of_the_definition_on_random_walks():
    rng = np.random.default_rng(0)
    walks = rng.integers(0, 40, (300, 6)).astype(np.int32)
    walks[::3, 2:] = -1
    known = np.arange(40) < 30
    center, contexts = rng.normal(size=(2, 30, 2)).astype(np.float32)
    last = earlier(center, contexts, keys=np.arange(30, dtype=np.uint64))
    start = start_of(walks, 40, TrainContext(keys=np.arange(40, dtype=np.uint64), previous=last))
    for node in range(30, 40):
        beside = [(a, b) for walk in walks.tolist() for a, b in pairwise(walk) if b >= 0]
        others = [b if a == node else a for a, b in beside if node in (a, b)]
        others += [node for a, b in beside if a == b == node]  # a step in place is one in either direction
        others = [other for other in others if known[other]]
        for table, before in ((start.center, center), (start.context, contexts)):
            np.testing.assert_allclose(table[node], 0.3 * before[others].mean(axis=0), atol=1e-5)


WALKS = [[0, 1, 0]]


@pytest.mark.parametrize(
    ("why", "previous", "own_keys"),
    [
        ("no earlier vectors", None, keys(1, 2)),
        ("do not say to which products", earlier(np.ones((2, 2)), np.ones((2, 2))), keys(1, 2)),
        ("do not say to which products", earlier(np.ones((2, 2)), np.ones((2, 2)), keys=keys(1, 2)), None),
        ("come from version 0", earlier(np.ones((2, 2)), np.ones((2, 2)), keys=keys(1, 2), version="0"), keys(1, 2)),
        ("have length 3, not 2", earlier(np.ones((2, 3)), np.ones((2, 3)), keys=keys(1, 2)), keys(1, 2)),
        ("the shares of the split", earlier(np.ones((2, 2)), np.ones((2, 2)), keys=keys(3, 4)), keys(1, 2)),
        ("no product", earlier(np.ones((0, 2)), np.ones((0, 2)), keys=keys()), keys(1, 2)),
        ("no product", earlier(np.ones((2, 2)), np.ones((2, 2)), [False, False], keys(1, 2)), keys(1, 2)),
    ],
)
def test_what_does_not_fit_is_a_cold_start_that_says_why(why, previous, own_keys):
    start = start_of(WALKS, 2, TrainContext(keys=own_keys, previous=previous))
    assert start.center is None and start.context is None
    assert start.facts["warm"] is False and why in start.facts["why"]


def test_a_warm_training_makes_its_share_of_the_passes():
    for share, epochs, expected in ((0.3, 5, 1.5), (0.3, 20, 6), (0.3, 2, 0.6), (1.0, 3, 3), (0.25, 1, 0.25)):
        warm, part = shortened(SkipGramConfig(epochs=epochs, warm_share=share, warm_rate=0.5, learning_rate=0.04))
        assert warm.epochs * part == pytest.approx(expected) and 0 < part <= 1 and warm.epochs - 1 < expected
        assert warm.learning_rate == 0.02
    low, _ = shortened(SkipGramConfig(learning_rate=0.01, min_learning_rate=0.008, warm_rate=0.5))
    assert low.min_learning_rate == low.learning_rate == 0.005
    assert shortened(GensimConfig())[0].warm_start is False  # whatever else, the settings stay what they are


# --- whole trainings -------------------------------------------------------------------------------------------------


def catalogue(n, seed=0):
    """Pairs and walks of n products that mostly stay in their block (product p is in block p % BLOCKS)."""
    rng = np.random.default_rng(seed)

    def stay(product):
        inside = rng.integers(0, -(-n // BLOCKS), len(product)) * BLOCKS + product % BLOCKS
        return np.where((rng.random(len(product)) < 0.9) & (inside < n), inside, rng.integers(0, n, len(product)))

    walks = np.empty((3000, 10), np.int32)
    walks[:, 0] = np.arange(3000) % n
    for step in range(1, 10):
        walks[:, step] = stay(walks[:, step - 1])
    ends = np.stack([walks[:, 0], stay(walks[:, 0])], axis=1)
    ends = np.unique(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1), axis=0)
    graph = build_graph(n, ends[:, 0], ends[:, 1], np.ones(len(ends), np.float32))
    products = pa.table(
        {
            "brand": [f"brand {i % BLOCKS}" if i % 2 else None for i in range(n)],
            "categories": pa.array([["all"]] * n, pa.list_(pa.string())),
            "price": pa.array([None] * n, pa.float64()),
        }
    )
    return Inputs(n, products=products, graph=graph, walks=walks, node2vec_walks=walks)


def config_of(name, **changes):
    small = {"dim": 16, "epochs": 40 if name.startswith("matrix_factorization") else 6, "learning_rate": 0.05}
    if name == "matrix_factorization_sequences":
        small |= {"epochs": 6}
    if name == "gensim_word2vec":
        small |= {"subsample": 0.0}
    return MODELS[name].config_class(**(small | changes))


def block_auc(name, trained, n):
    source, target = np.random.default_rng(1).integers(0, n, (2, 20_000)).astype(np.int32)
    source, target = source[source != target], target[source != target]
    model = MODELS[name]
    scores = scorer(model, trained, model.scorings[0]).score_pairs(source, target)
    return roc_auc_score(source % BLOCKS == target % BLOCKS, scores)


def renumbered(inputs, number):
    """The same catalogue with product p as node number[p]."""
    a = np.repeat(np.arange(inputs.n_nodes), inputs.graph.degree)
    once = a < inputs.graph.indices
    graph = build_graph(inputs.n_nodes, number[a[once]], number[inputs.graph.indices[once]], inputs.graph.weights[once])
    walks = number[inputs.walks].astype(np.int32)
    product = np.argsort(number)
    return Inputs(inputs.n_nodes, inputs.products.take(product), graph, walks=walks, node2vec_walks=walks), product


@pytest.fixture(scope="module")
def cold():
    """Every model, trained on a catalogue without the last ten products; key = product + 100."""
    inputs = catalogue(N - 10)
    context = TrainContext(threads=1, keys=np.arange(N - 10, dtype=np.uint64) + 100)
    return {name: MODELS[name].fit(inputs, config_of(name), context) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_with_new_products_and_new_numbers_a_warm_start_is_as_good_for_less(name, cold):
    inputs, product = renumbered(catalogue(N, seed=2), np.random.default_rng(5).permutation(N))
    context = TrainContext(threads=1, keys=product.astype(np.uint64) + 100)
    full = MODELS[name].fit(inputs, config_of(name), context)
    warm = MODELS[name].fit(inputs, config_of(name, warm_start=True), dataclasses.replace(context, previous=cold[name]))
    facts = warm.info["start"]
    assert facts["warm"] and facts["kept"] == N - 10 and facts["from_neighbours"] == 10 and facts["fresh"] == 0
    unit = "words" if "words" in full.info else "pairs"
    assert warm.info[unit] <= full.info[unit] / 3 and "start" not in full.info

    def by_product(trained):
        table = np.empty_like(trained.center)
        table[product] = trained.center
        other = None
        if trained.context is not None:
            other = np.empty_like(trained.context)
            other[product] = trained.context
        seen = np.empty_like(trained.seen)
        seen[product] = trained.seen
        return dataclasses.replace(trained, center=table, context=other, seen=seen)

    quality = [block_auc(name, by_product(trained), N) for trained in (full, warm)]
    assert quality[1] > 0.9 and quality[1] > quality[0] - 0.02
    assert (warm.keys == context.keys).all()


@pytest.mark.parametrize("name", TABLES)
def test_without_training_a_warm_start_is_what_was_there(name, cold):
    """With hardly any training at hardly any rate, the vectors are the earlier ones, whatever their numbers are."""
    number = np.random.default_rng(6).permutation(N - 10)
    inputs, product = renumbered(catalogue(N - 10), number)
    context = TrainContext(threads=1, keys=product.astype(np.uint64) + 100, previous=cold[name])
    config = config_of(name, warm_start=True, warm_share=0.001, warm_rate=1e-6)
    warm = MODELS[name].fit(inputs, config, context)
    assert warm.info["start"]["kept"] == N - 10 and warm.info["start"]["dropped"] == 0
    np.testing.assert_allclose(warm.center[number], cold[name].center, atol=1e-4)
    if warm.context is not None:
        np.testing.assert_allclose(warm.context[number], cold[name].context, atol=1e-4)


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.parametrize("name", ["skipgram", "matrix_factorization_bias"])
def test_one_thread_repeats_itself_and_resumes_where_it_was_killed(name, backend, cold, tmp_path):
    inputs = catalogue(N, seed=3)
    config = config_of(name, warm_start=True, backend=backend, warm_share=0.5)
    context = TrainContext(threads=1, keys=np.arange(N, dtype=np.uint64) + 100, previous=cold[name])
    first, again = (MODELS[name].fit(inputs, config, context) for _ in range(2))
    assert (first.center == again.center).all()

    class KilledError(Exception):
        pass

    def kill(_stage, done, total, _unit):
        if done > 0.8 * total:
            raise KilledError

    with pytest.raises(KilledError):
        MODELS[name].fit(inputs, config, dataclasses.replace(context, checkpoints=tmp_path, progress=kill))
    reports = []
    watched = dataclasses.replace(
        context, checkpoints=tmp_path, progress=lambda *report: reports.append(report[1] / report[2])
    )
    resumed = MODELS[name].fit(inputs, config, watched)
    assert (resumed.center == first.center).all() and reports[0] > 0.6 and reports[-1] == 1

    # A checkpoint of a training with another start belongs to another training.
    moved = dataclasses.replace(cold[name], center=cold[name].center + np.float32(0.01))
    reports.clear()
    MODELS[name].fit(inputs, config, dataclasses.replace(watched, previous=moved))
    assert reports[0] < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_cold_start_that_was_to_be_warm_is_an_ordinary_training(name):
    inputs = catalogue(60)
    wanted = config_of(name, warm_start=True, epochs=1)
    plain, asked = (
        MODELS[name].fit(inputs, config, TrainContext(threads=1))
        for config in (dataclasses.replace(wanted, warm_start=False), wanted)
    )
    assert (plain.center == asked.center).all()
    assert "start" not in plain.info and asked.info["start"]["warm"] is False


def test_products_that_side_information_placed_start_from_there(cold):
    """Products 1 and 2 were on no walk of the earlier training; product 1 has a brand, product 2 has no metadata."""
    name = "skipgram_side_info_mean"
    inputs = catalogue(N)
    fewer = dataclasses.replace(inputs, walks=inputs.walks[~np.isin(inputs.walks, [1, 2]).any(axis=1)])
    context = TrainContext(threads=1, keys=np.arange(N, dtype=np.uint64))
    last = MODELS[name].fit(fewer, config_of(name), context)
    assert last.seen[1] and not last.seen[2]
    warm = MODELS[name].fit(inputs, config_of(name, warm_start=True), dataclasses.replace(context, previous=last))
    assert warm.info["start"] == {"warm": True, "kept": N - 1, "from_neighbours": 1, "fresh": 0, "dropped": 0}
