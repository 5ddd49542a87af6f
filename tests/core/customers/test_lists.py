"""Customers' lists against a dense reference, and their measurement."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from core import checks
from core.customers.config import CustomersConfig
from core.customers.histories import Histories
from core.customers.lists import LISTS, customer_lists, lists_of_histories, measure_lists
from core.pairs.held_out_orders import HeldOutOrders, ProductSets

N, C = 15, 40


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(1)
    matrix = sp.random_array((N, N), density=0.2, rng=rng, format="csr", dtype=np.float32)
    matrix = sp.csr_matrix(matrix)
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    customer = np.sort(rng.integers(0, C, 120))
    used, customer = np.unique(customer, return_inverse=True)
    node = rng.integers(0, N, 120).astype(np.int32)
    return matrix, Histories(pa.array([f"c{i}" for i in used]), customer, node)


def reference(matrix, histories, config):
    """Rows (customer, rank, product, score, because) by plain loops over dense rows."""
    dense = matrix.toarray().astype(np.float64)
    popular = np.argsort(-np.bincount(histories.node, minlength=N), kind="stable")
    rows = []
    for number, name in enumerate(histories.customers.to_pylist()):
        latest = list(dict.fromkeys(histories.node[histories.customer == number][::-1].tolist()))
        parts = {p: config.recency**place * dense[p] for place, p in enumerate(latest[: config.history])}
        scores = np.sum(list(parts.values()), axis=0)
        scores[latest] = 0
        best = [j for j in np.argsort(-scores, kind="stable") if scores[j] > 0][: config.k]
        best += [j for j in popular if j not in best and j not in latest][: config.k - len(best)]
        for rank, j in enumerate(best, 1):
            because = max(parts, key=lambda p: parts[p][j]) if scores[j] > 0 else None
            rows.append((name, rank, f"p{j}", scores[j], None if because is None else f"p{because}"))
    return rows


def test_lists_agree_with_dense_loops(shop):
    matrix, histories = shop
    config = CustomersConfig(k=6, history=3, recency=0.5)
    table = customer_lists(histories, matrix, pa.array([f"p{i}" for i in range(N)]), config)
    assert table.schema == LISTS
    found = [tuple(row.values()) for row in table.to_pylist()]
    expected = reference(matrix, histories, config)
    assert [row[:3] + row[4:] for row in found] == [row[:3] + row[4:] for row in expected]
    np.testing.assert_allclose([row[3] for row in found], [row[3] for row in expected], rtol=1e-5)
    assert any(row[4] is None for row in found) and any(row[4] is not None for row in found)


def test_lists_without_customers_are_empty():
    nobody = Histories(pa.array([], pa.string()), np.empty(0, np.int64), np.empty(0, np.int32))
    table = customer_lists(nobody, sp.csr_matrix((2, 2), dtype=np.float32), pa.array(["a", "b"]))
    assert table.schema == LISTS and not table.num_rows


def test_places_that_nothing_fills_stay_empty():
    histories = ProductSets(np.array([0, 1]), np.array([0], np.int32))
    lists = lists_of_histories(histories, sp.csr_matrix((3, 3), dtype=np.float32), 5, 0.5, 9, np.array([2, 0, 1]))
    assert lists.nodes.tolist() == [[2, -1, -1, -1, -1]] and lists.because.tolist() == [[-1] * 5]


def test_a_hand_worked_measurement():
    # Product 0 leads to 1 and 2 in this order. The second customer has it in second place, half as much.
    matrix = sp.csr_matrix(np.array([[0, 4, 3, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]], np.float32))
    history = ProductSets(np.array([0, 1, 3]), np.array([0, 3, 0], np.int32))
    targets = ProductSets(np.array([0, 1, 2]), np.array([2, 1], np.int32))
    orders = HeldOutOrders(ProductSets(np.array([0]), np.array([], np.int32)), history, targets)
    config = CustomersConfig(recency=0.5)
    measured = measure_lists(orders, matrix, config, k=1)
    assert measured["customers"] == 2 and measured["hit_rate@1"] == 0.5 and measured["ndcg@1"] == 0.5
    measured = measure_lists(orders, matrix, config, k=10)
    assert measured["hit_rate@10"] == 1 and measured["ndcg@10"] == pytest.approx((1 + 1 / np.log2(3)) / 2)
    # Popular are 0 and 3, which are neither of the customers' targets.
    assert measured["popularity_hit_rate@10"] == 0
    [finding] = checks.check_customer_lists(measured)
    assert finding.passed and finding.name == checks.CUSTOMER_LISTS[0].name
    assert not checks.check_customer_lists(measured | {"hit_rate@10": 0.0, "popularity_hit_rate@10": 0.1})[0].passed


@pytest.mark.parametrize("orders", [None, HeldOutOrders(*[ProductSets(np.array([0]), np.array([], np.int32))] * 3)])
def test_nothing_is_measured_without_later_orders(orders):
    measured = measure_lists(orders, sp.csr_matrix((3, 3), dtype=np.float32))
    assert measured == {"customers": 0} and checks.check_customer_lists(measured)[0].passed
