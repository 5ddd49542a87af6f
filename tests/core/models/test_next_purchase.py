"""The model of next purchases against dense loops."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from core.graph import build_graph
from core.interfaces import Inputs, TrainContext
from core.models import MODELS
from core.models.next_purchase.config import NextPurchaseConfig
from core.models.next_purchase.spread import largest, spread
from core.models.next_purchase.train import train
from core.models.next_purchase.transitions import damped, transitions
from core.orders.history import order_history
from core.pairs.split import SplitConfig
from core.training.inputs import model_inputs
from tests.core.orders.test_history import order_lines

MODEL = MODELS["next_purchase"]


def test_steps_are_counted_within_histories_only():
    rng = np.random.default_rng(0)
    customer, node = np.sort(rng.integers(0, 12, 90)), rng.integers(0, 8, 90)
    expected = np.zeros((8, 8))
    for i in range(90):
        for step in (1, 2, 3):
            if i + step < 90 and customer[i] == customer[i + step] and node[i] != node[i + step]:
                expected[node[i], node[i + step]] += 0.7 ** (step - 1)
    expected = expected + 0.5 * expected.T
    counts = transitions(customer, node, 8, window=3, decay=0.7, backward=0.5)
    np.testing.assert_allclose(counts.toarray(), expected)
    popularity = np.bincount(node, minlength=8)
    popularity[0] = 0
    base = np.maximum(popularity, 1.0)
    result = damped(counts, popularity, 0.7, 0.3)
    np.testing.assert_allclose(result.toarray(), expected / np.outer(base**0.7, base**0.3), rtol=1e-6)


def test_no_events_no_steps():
    assert transitions(np.empty(0, np.int64), np.empty(0, np.int32), 3, 7, 0.7, 0.5).nnz == 0
    assert transitions(np.array([0]), np.array([2]), 3, 7, 0.7, 0.5).nnz == 0


@pytest.mark.parametrize("keep", [4, 100])
def test_counts_are_spread_over_similar_products(keep):
    rng = np.random.default_rng(2)
    n = 20
    steps = sp.csr_matrix(sp.random_array((n, n), density=0.2, rng=rng, dtype=np.float32))
    steps.setdiag(0)
    steps.eliminate_zeros()
    similar = sp.csr_matrix(sp.random_array((n, n), density=0.3, rng=rng, dtype=np.float32))
    similar.setdiag(1)
    popularity = rng.integers(0, 9, n)
    result = spread(
        steps, similar, popularity, neighbours=3, from_similar=0.5, to_similar=2.0, alike=0.4, keep=keep, threads=1
    )

    s, like = steps.toarray().astype(np.float64), similar.toarray().astype(np.float64)
    np.fill_diagonal(like, 0)
    popular = like * np.maximum(popularity, 0.3) ** 0.5
    nearest = np.zeros_like(like)
    for i in range(n):
        best = np.argsort(-like[i], kind="stable")[:3]
        nearest[i, best] = like[i, best]
    nearest /= np.maximum(nearest.sum(axis=1, keepdims=True), 1e-30)
    dense = s + 0.5 * nearest @ s + 2.0 * s @ nearest.T
    dense += 0.4 * np.linalg.norm(s) / np.linalg.norm(popular) * popular
    np.fill_diagonal(dense, 0)
    for i in range(n):
        dense[i, np.argsort(-dense[i], kind="stable")[keep:]] = 0
    np.testing.assert_allclose(result.toarray(), dense, rtol=1e-4, atol=1e-7)


def test_the_largest_entries_of_rows():
    block = sp.csr_matrix(np.array([[1, 3, 3, 0], [0, 0, 0, 0], [-1, 0, 2, 0]], np.float32))
    lengths, columns, values = largest(block, 2)
    assert lengths.tolist() == [2, 0, 1] and columns.tolist() == [1, 2, 2] and values.tolist() == [3, 3, 2]
    assert largest(block, 0)[0].tolist() == [0, 0, 0]


PRODUCTS = pa.table(
    {
        "product_id": ["A", "B", "C", "D", "E"],
        "brand": pa.array(["x", "y", "z", "z", None], pa.string()),
        "categories": pa.array([["s"], ["t"], ["u"], ["u"], []], pa.list_(pa.string())),
    }
)
PLAIN = NextPurchaseConfig(source_power=0.0, target_power=0.0)


def fitted(rows, edges, config=PLAIN, split=None):
    history, _ = order_history(order_lines(rows), split or SplitConfig(by="random")) if rows else (
        order_history(order_lines([("A", "1", "u", 1)]))[0].slice(0, 0), {}
    )  # fmt: skip
    source, target = np.array(edges, np.int32).T
    graph = build_graph(5, source, target, np.ones(len(edges), np.float32))
    inputs = model_inputs(MODEL, 5, {"products": PRODUCTS, "graph": graph, "orders": history})
    return MODEL.fit(inputs, config, TrainContext(threads=1))


ROWS = [("A", "1", "u", 1), ("B", "2", "u", 2), ("C", "3", "u", 3), ("A", "4", "v", 1), ("B", "5", "v", 2)]


def test_what_follows_and_what_is_like_it():
    trained = fitted(ROWS, [(0, 4)])
    matrix = trained.matrices["chain_0"].toarray()
    # B follows A twice, C once and later; D is C's twin, so that it is recommended although nobody bought it.
    assert np.argsort(-matrix[0]).tolist()[:2] == [1, 2] and matrix[0, 3] > 0
    assert matrix[0, 1] > matrix[1, 0] > 0  # forth counts more than back
    assert trained.seen.tolist() == [True, True, True, True, False] and trained.info["customers"] == 2


def test_held_out_lines_change_nothing():
    later = [*ROWS, ("D", "6", "u", 8), ("A", "6", "u", 8)]
    split = SplitConfig(by="time", date="1970-01-06")
    planted, known = fitted(later, [(0, 4)], split=split), fitted(ROWS, [(0, 4)])
    assert (planted.matrices["chain_0"] != known.matrices["chain_0"]).nnz == 0


def test_pairs_take_the_place_of_histories_where_no_line_names_a_customer():
    trained = fitted([("A", "1", None, 1), ("B", "1", None, 1)], [(0, 1), (1, 2)])
    assert trained.matrices["chain_0"].toarray()[0, 1] > 0 and trained.info["customers"] == 0
    assert trained.seen.tolist() == [True, True, True, True, False]


def test_it_is_not_trained_without_order_lines():
    trained = fitted([], [(0, 1), (1, 2)])
    assert "only where there are orders" in trained.info["untrained"] and not trained.seen.any()


def test_missing_inputs_are_an_error():
    with pytest.raises(ValueError, match="needs the products"):
        train(Inputs(n_nodes=3), PLAIN, TrainContext())
