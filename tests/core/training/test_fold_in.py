"""Vectors of products that came after the training, against the formula worked out by hand and by dense matrices."""

import numpy as np
import pytest

from core.graph import build_graph
from core.interfaces import Inputs, TrainContext, TrainedModel
from core.training.fold_in import place_new_products, renumbered
from tests.core.recommendations.catalogues import product_table


def graph_of(n_nodes, pairs):
    source, target = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    return build_graph(n_nodes, source, target, np.ones(len(pairs), np.float32))


def placed(pairs, known, vectors, seen=None, context=None, **facts):
    vectors = np.array(vectors, np.float32)
    known = np.array(known, bool)
    trained = TrainedModel("skipgram", known if seen is None else np.array(seen, bool), vectors, context)
    products = product_table([f"p{i}" for i in range(len(known))], **facts)
    inputs = Inputs(len(known), products, graph_of(len(known), pairs))
    return place_new_products(trained, known, inputs, TrainContext())


def test_a_new_product_lies_between_its_partners_and_what_is_two_steps_away():
    # 4 is new; its partners are 0 and 1, whose known partners are 2 for 0, and 2 and 3 for 1.
    pairs = [(0, 2), (1, 2), (1, 3), (0, 4), (1, 4)]
    model = placed(pairs, [1, 1, 1, 1, 0], [[1, 0], [0, 1], [4, 0], [0, 8], [0, 0]])
    near_0, near_1 = np.array([1 + 4, 0]) / 2, np.array([0 + 2, 1 + 4]) / 2
    np.testing.assert_allclose(model.center[4], (near_0 + near_1) / 2)
    np.testing.assert_array_equal(model.center[:4], [[1, 0], [0, 1], [4, 0], [0, 8]])
    assert model.seen.all() and model.context is None


def test_a_product_whose_partners_are_new_too_follows_and_islands_stay_unseen():
    pairs = [
        (0, 1),
        (1, 2),
        (2, 3),
        (4, 5),
    ]  # 2 is paired with the known 1, 3 only with 2; 4 and 5 only know each other
    model = placed(pairs, [1, 1, 0, 0, 0, 0], [[2, 0], [0, 2], *[[0, 0]] * 4])
    np.testing.assert_allclose(model.center[2], [1, 1])  # (v(1) + v(0)) / 2
    np.testing.assert_allclose(model.center[3], (model.center[2] + [0, 2]) / 2)
    np.testing.assert_array_equal(model.seen, [1, 1, 1, 1, 0, 0])
    assert not model.center[4:].any()


def test_centers_and_contexts_are_those_of_dense_matrices():
    rng = np.random.default_rng(3)
    n, dim = 60, 5
    pairs = [(i, j) for i in range(n) for j in range(i) if rng.random() < 0.15]
    known = rng.random(n) < 0.8
    center, context = (np.where(known[:, None], rng.normal(size=(n, dim)), 0).astype(np.float32) for _ in range(2))
    model = placed(pairs, known, center, context=context)
    adjacency = np.zeros((n, n))
    for i, j in pairs:
        adjacency[i, j] = adjacency[j, i] = 1
    among = adjacency * known
    step = among / np.maximum(among.sum(axis=1, keepdims=True), 1)
    alone = among.sum(axis=1) == 0
    for table, learned in ((model.center, center), (model.context, context)):
        near = np.where(alone[:, None], learned, (learned + step @ learned) / 2)
        reached = ~known & ~alone
        assert reached.sum() > 5
        np.testing.assert_allclose(table[reached], (step @ near)[reached], rtol=1e-4, atol=1e-6)


def test_a_product_without_pairs_is_placed_by_similar_ones_and_by_its_pairs_once_it_has_some():
    facts = {"brands": ["a", "a", "b", "a"], "categories": [["x", "w"], ["w"], ["z"], ["x", "w"]]}
    vectors = [[1, 0], [0, 1], [-1, -1], [0, 0]]
    model = placed([(0, 1), (1, 2)], [1, 1, 1, 0], vectors, **facts)
    assert model.seen[3] and model.center[3][0] > model.center[3][1] > 0  # 0 shares all of its values, 1 some
    # Side information had already given it a vector; its first pair says more.
    model = placed([(0, 1), (1, 2), (2, 3)], [1, 1, 1, 0], [*vectors[:3], [9, 9]], seen=[1, 1, 1, 1], **facts)
    np.testing.assert_allclose(model.center[3], [(-1 + 0) / 2, (-1 + 1) / 2])
    model = placed([(0, 1), (1, 2)], [1, 1, 1, 0], [*vectors[:3], [9, 9]], seen=[1, 1, 1, 1], **facts)
    np.testing.assert_array_equal(model.center[3], [9, 9])
    model = placed([(0, 1), (1, 2)], [1, 1, 1, 0], vectors)  # nothing is known about it
    assert not model.seen[3] and not model.center[3].any()


def test_rows_move_with_their_products():
    part = TrainedModel("skipgram", np.array([True, False]), np.array([[1.0], [2.0]], np.float32))
    whole = TrainedModel("blend", np.array([True, True]), parts={"skipgram": part}, arrays={"ranker.w": np.ones(3)})
    moved = renumbered(whole, np.array([-1, 1, 0]))
    np.testing.assert_array_equal(moved.seen, [False, True, True])
    np.testing.assert_array_equal(moved.parts["skipgram"].center, [[0], [2], [1]])
    np.testing.assert_array_equal(moved.parts["skipgram"].seen, [False, False, True])
    assert moved.center is None and moved.arrays is whole.arrays


def test_vectors_are_needed():
    with pytest.raises(ValueError, match="skipgram needs vectors"):
        place_new_products(TrainedModel("skipgram", np.ones(1, bool)), np.ones(1, bool), Inputs(1), TrainContext())
