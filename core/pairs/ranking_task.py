"""The products or orders whose lists are evaluated, and the products that these lists should contain."""

from dataclasses import dataclass

import numpy as np

from core.graph import ProductGraph
from core.pairs.held_out_orders import HeldOutOrders, ProductSets
from core.pairs.split import PairSplit, in_sorted


@dataclass(frozen=True)
class Targets:
    """The products that lists should contain.

    Attributes:
        target_keys: int64, sorted: ``row of the list * n_nodes + target``.
        n_targets: int64 ``[s]``: number of targets of each list, at least 1.
        n_nodes: number of products.
    """

    target_keys: np.ndarray
    n_targets: np.ndarray
    n_nodes: int

    def hits(self, lists: np.ndarray) -> np.ndarray:
        """bool ``[s, k]``: which places of the lists (node ids, -1 = empty) contain a target."""
        row = np.broadcast_to(np.arange(len(lists))[:, None], lists.shape)
        return self.is_target(row.ravel(), lists.ravel()).reshape(lists.shape) & (lists >= 0)

    def is_target(self, row: np.ndarray, node: np.ndarray) -> np.ndarray:
        """bool ``[m]``: whether ``node`` is a target of the list in ``row``."""
        return in_sorted(self.target_keys, row * np.int64(self.n_nodes) + node)


@dataclass(frozen=True)
class RankingTask(Targets):
    """Products whose lists are evaluated, and the targets that these lists should contain.

    Attributes:
        sources: int32 ``[s]`` node ids, ascending.
    """

    sources: np.ndarray


@dataclass(frozen=True)
class OrderTask(Targets):
    """Sets of products for which one list each is evaluated, and the targets that these lists should contain.

    Attributes:
        given: the products that are known of each order or customer, in the order in which they count.
    """

    given: ProductSets


@dataclass(frozen=True)
class OrderTasks:
    """The questions of the test in time.

    Attributes:
        next_product: given one product of a later order, which others does it contain?
        rest_of_basket: given all products of a later order but one, which one is missing?
        next_order: given what a customer bought, which products that are new to the customer does the first later order
            contain?
    """

    next_product: OrderTask
    rest_of_basket: OrderTask
    next_order: OrderTask


def ranking_task(split: PairSplit, graph: ProductGraph, limit: int, seed: int) -> RankingTask:
    """At most ``limit`` random products with a training and a held-out pair; their held-out partners are the targets.

    A held-out partner without a training pair is a target too, which a model that does not know it will miss.
    """
    source = np.concatenate([split.validation.source, split.validation.target])
    target = np.concatenate([split.validation.target, split.validation.source])
    known = graph.degree[source] > 0
    return _task(split.n_nodes, source[known], target[known], limit, seed)


def cold_task(split: PairSplit, limit: int, seed: int) -> RankingTask:
    """At most ``limit`` random cold products; their partners with a training pair are the targets."""
    return _task(split.n_nodes, split.cold_pairs.source, split.cold_pairs.target, limit, seed)


def _task(n_nodes: int, source: np.ndarray, target: np.ndarray, limit: int, seed: int) -> RankingTask:
    sources, n_targets = np.unique(source, return_counts=True)
    if len(sources) > limit:
        chosen = np.sort(np.random.default_rng(seed).choice(len(sources), size=limit, replace=False))
        sources, n_targets = sources[chosen], n_targets[chosen]
    row = np.full(n_nodes, -1, dtype=np.int64)
    row[sources] = np.arange(len(sources))
    chosen_pair = row[source] >= 0
    keys = np.sort(row[source[chosen_pair]] * n_nodes + target[chosen_pair])
    return RankingTask(keys, n_targets, n_nodes, sources.astype(np.int32))


def order_tasks(orders: HeldOutOrders, graph: ProductGraph, limit: int, seed: int) -> OrderTasks:
    """At most ``limit`` random orders, and as many customers, with what is asked about each.

    The product that is given, and the one that is missing, are drawn at random. A product is given only if it has a
    training pair; one that is asked for may have none, so that every model will miss it.
    """
    rng = np.random.default_rng(seed)
    known = graph.degree > 0
    n_nodes = len(known)
    baskets = orders.orders.take(_sample(rng, len(orders.orders), limit))
    draws = rng.random(len(baskets.nodes))
    one = _first_by(baskets, np.where(known[baskets.nodes], draws, 2.0))
    usable = known[baskets.nodes[one]]
    is_one = np.zeros(len(baskets.nodes), bool)
    is_one[one[usable]] = True
    asked = np.repeat(usable, baskets.sizes)
    next_product = _order_task(baskets, is_one, ~is_one & asked, n_nodes)
    missing = np.zeros(len(baskets.nodes), bool)
    missing[_first_by(baskets, rng.random(len(baskets.nodes)))] = True
    given = ~missing & known[baskets.nodes]
    asked = np.bincount(baskets.rows[given], minlength=len(baskets))[baskets.rows] > 0
    rest_of_basket = _order_task(baskets, given, missing & asked, n_nodes)
    customers = _sample(rng, len(orders.history), limit)
    history, targets = orders.history.take(customers), orders.next_orders.take(customers)
    keys = np.sort(targets.rows * np.int64(n_nodes) + targets.nodes)
    return OrderTasks(next_product, rest_of_basket, OrderTask(keys, targets.sizes, n_nodes, history))


def _sample(rng: np.random.Generator, size: int, limit: int) -> np.ndarray:
    return np.arange(size) if size <= limit else np.sort(rng.choice(size, size=limit, replace=False))


def _first_by(sets: ProductSets, key: np.ndarray) -> np.ndarray:
    """int64 ``[s]``: of each set the place of the product with the smallest key."""
    first: np.ndarray = np.lexsort((key, sets.rows))[sets.starts[:-1]]
    return first


def _order_task(sets: ProductSets, given: np.ndarray, targets: np.ndarray, n_nodes: int) -> OrderTask:
    """The task of the sets that have targets; ``given`` and ``targets`` say which of their products are which."""
    n_targets = np.bincount(sets.rows[targets], minlength=len(sets))
    row = np.cumsum(n_targets > 0) - 1
    kept = given & (n_targets > 0)[sets.rows]
    n_given = np.bincount(sets.rows[kept], minlength=len(sets))[n_targets > 0]
    keys = np.sort(row[sets.rows[targets]] * np.int64(n_nodes) + sets.nodes[targets])
    starts = np.concatenate([[0], np.cumsum(n_given)])
    return OrderTask(keys, n_targets[n_targets > 0], n_nodes, ProductSets(starts, sets.nodes[kept]))
