"""The questions of the test in time, and that no answer is known to any model."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from core.catalog.tables import PRODUCTS, relationships_table
from core.errors import InputError
from core.graph import build_graph
from core.models import MODELS
from core.orders.config import OrdersConfig
from core.orders.held_out import held_out_orders
from core.orders.history import order_history
from core.orders.relationships import order_relationships
from core.orders.sessions import sessions
from core.pairs import build_pairs
from core.pairs.held_out_orders import HeldOutOrders, ProductSets
from core.pairs.ranking_task import order_tasks
from core.pairs.split import SplitConfig, split_product_pairs
from core.relationships import ADD
from core.training.inputs import Stages
from tests.core.orders.test_history import order_lines

SKIP_GRAMS = ("skipgram", "skipgram_sessions", "skipgram_both", "skipgram_side_info_mean", "gensim_word2vec")
TINY = {
    **{name: {"epochs": 1, "dim": 8} for name in SKIP_GRAMS},
    **{name: {"epochs": 1, "dim": 8} for name in MODELS if name.startswith("matrix_factorization")},
    "skipgram_side_info_weighted": {"epochs": 1, "dim": 8, "rounds": 1},
    "walks": {"walks_per_node": 2}, "blend": {"epochs": 1, "networks": 1, "hidden": 4, "lists": 20},
}  # fmt: skip


def sets(*lists):
    starts = np.concatenate([[0], np.cumsum([len(nodes) for nodes in lists])])
    return ProductSets(starts, np.concatenate(lists).astype(np.int32))


def as_lists(product_sets):
    return [part.tolist() for part in np.split(product_sets.nodes, product_sets.starts[1:-1])]


def targets(task):
    row, node = task.target_keys // task.n_nodes, task.target_keys % task.n_nodes
    return [sorted(node[row == i].tolist()) for i in range(len(task.n_targets))]


def test_every_order_asks_for_the_rest():
    graph = build_graph(8, np.array([0, 1, 2]), np.array([1, 2, 3]), np.ones(3, np.float32))  # 4 to 7 have no pair
    orders = HeldOutOrders(sets([0, 1, 5], [2, 3], [6, 7], [0, 4]), sets([3, 0], [1]), sets([1], [2, 6]))
    tasks = order_tasks(orders, graph, 100, seed=1)
    given, asked = as_lists(tasks.next_product.given), targets(tasks.next_product)
    assert len(given) == 3 and all(len(one) == 1 and one[0] < 4 for one in given)
    assert [sorted(a + b) for a, b in zip(given, asked, strict=True)] == [[0, 1, 5], [2, 3], [0, 4]]
    assert tasks.next_product.n_targets.tolist() == [2, 1, 1]
    rest = zip(as_lists(tasks.rest_of_basket.given), targets(tasks.rest_of_basket), strict=True)
    for known, missing in rest:
        assert len(missing) == 1 and set(known) | set(missing) <= {0, 1, 2, 3, 4, 5} and max(known) < 4
    assert as_lists(tasks.next_order.given) == [[3, 0], [1]] and targets(tasks.next_order) == [[1], [2, 6]]


def test_a_sample_is_drawn_by_the_seed():
    graph = build_graph(50, np.arange(49), np.arange(1, 50), np.ones(49, np.float32))
    many = sets(*[[i, i + 1] for i in range(49)])
    orders = HeldOutOrders(many, many, many)
    one, same, other = (order_tasks(orders, graph, 10, seed) for seed in (3, 3, 4))
    assert len(one.next_product.n_targets) == len(one.next_order.n_targets) == 10
    np.testing.assert_array_equal(one.next_product.target_keys, same.next_product.target_keys)
    assert not np.array_equal(one.next_order.given.nodes, other.next_order.given.nodes)


def shop(plant):
    """Split pairs of 60 days of orders; ``plant`` adds orders to the last days, of products that were sold before."""
    rng = np.random.default_rng(2)
    rows = []
    for number in range(300):
        centre = rng.integers(30)
        products = {int(p) % 30 for p in centre + rng.integers(0, 4, size=3)}
        rows += [(f"P{p:02d}", str(number), f"c{number % 20}", number // 5) for p in sorted(products)]
    if plant:
        for number in range(300, 400):
            rows += [(f"P{p:02d}", str(number), f"c{number % 20}", 58) for p in (number % 30, (number * 7) % 30)]
    history, _ = order_history(order_lines(rows), SplitConfig(by="time", date="1970-02-20"))
    counted = order_relationships(history, OrdersConfig(min_count=1, window_days=1.0))
    ids = counted.products["product_id"].combine_chunks()
    metadata = [
        {"product_id": i, "title": f"T {i}", "brand": f"B{n % 4}", "price": 1.0 + n, "categories": ["c", f"c{n % 3}"]}
        for n, i in enumerate(sorted(ids.to_pylist()))
    ]
    products = pa.Table.from_pylist(metadata, schema=PRODUCTS)
    pairs = build_pairs(products, counted.relationships, later=counted.later, more_ids=ids)
    split = split_product_pairs(pairs, SplitConfig(by="time"), seed=7)
    orders = held_out_orders(history, pairs.products["product_id"].combine_chunks())
    return pairs, dataclasses.replace(split, orders=orders), history


class WithOrders(Stages):
    """The stages of a category with orders."""

    def __init__(self, pairs, split, history):
        graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
        super().__init__(pairs, graph, TINY, 42, 1, "cpu", lambda *_: None, split.keys)
        self._split, self._history = split, history

    @property
    def orders(self):
        return self._history

    @property
    def sessions(self):
        return sessions(self._history, self.products.products["product_id"].combine_chunks(), self._split).rows


def test_what_is_planted_after_the_cut_changes_no_model():
    plain, more = shop(False), shop(True)
    split, planted = plain[1], more[1]
    assert len(planted.validation) > len(split.validation) and len(planted.orders.orders) > len(split.orders.orders)
    assert split.n_nodes == planted.n_nodes == 30
    trained = []
    for parts in (plain, more):
        stages = WithOrders(*parts)
        trained.append({name: stages.trained(model) for name, model in MODELS.items() if name != "node2vec"})
    for name in trained[0]:
        for field in ("seen", "center", "context"):
            np.testing.assert_array_equal(getattr(trained[0][name], field), getattr(trained[1][name], field), name)
        for part, matrix in trained[0][name].matrices.items():
            assert (matrix != trained[1][name].matrices[part]).nnz == 0, name
        for part, array in trained[0][name].arrays.items():
            np.testing.assert_array_equal(array, trained[1][name].arrays[part], name)


def test_a_split_in_time_needs_orders():
    ids = pa.array(["a", "b"])
    relationships = relationships_table(ids, np.int32([0]), np.int32([1]), np.int8([0]), ("x",), np.float32([1]), ADD)
    pairs = build_pairs(PRODUCTS.empty_table(), relationships)
    with pytest.raises(InputError, match="needs a source of order lines"):
        split_product_pairs(pairs, SplitConfig(by="time"))
