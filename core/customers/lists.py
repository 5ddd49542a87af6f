"""Lists "for you": what each customer may buy next, and because of which product."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.arrays import largest_by_row
from core.customers.config import CustomersConfig
from core.customers.histories import Histories
from core.evaluation.metrics import hit_rate, ndcg
from core.pairs.held_out_orders import HeldOutOrders, ProductSets
from core.pairs.ranking_task import Targets
from core.progress import Progress, silent

_NAME = pa.dictionary(pa.int32(), pa.string())
LISTS = pa.schema(
    [
        ("customer", _NAME),
        ("rank", pa.int32()),  # 1 is the best
        ("product_id", _NAME),
        ("score", pa.float32()),  # 0 for a popular product that fills the list
        ("because", _NAME),  # the product of the history that contributed most; null for a popular product
    ]
)
"""The schema of the lists; the rows of a customer stand together, best first."""

_BLOCK = 512
"""Number of customers whose scores are held at once."""


@dataclass(frozen=True)
class NodeLists:
    """Lists of node ids, best first.

    Attributes:
        nodes: int32 ``[s, k]``; -1 marks an empty place.
        scores: float32 ``[s, k]``; 0 for popular products that fill a list.
        because: int32 ``[s, k]``; -1 where the score is 0.
    """

    nodes: np.ndarray
    scores: np.ndarray
    because: np.ndarray


def lists_of_histories(
    histories: ProductSets,
    matrix: sp.csr_matrix,
    k: int,
    recency: float,
    latest: int,
    popularity: np.ndarray,
    progress: Progress = silent,
) -> NodeLists:
    """Score of product j = sum over the places p of the history of recency ** p · matrix[product p, j].

    Products of the history are left out. Where fewer than k products have a score, the most popular ones follow.

    Args:
        histories: what each customer bought, the latest first.
        matrix: CSR ``[n, n]`` without negative entries.
        k: length of the lists.
        recency: see above.
        latest: maximum number of products of a history that are scored; all are left out.
        popularity: ``[n]``; products with 0 fill no list.
        progress: told the number of customers with a list.
    """
    n_nodes = matrix.shape[0]
    size = (len(histories), k)
    lists = NodeLists(np.full(size, -1, np.int32), np.zeros(size, np.float32), np.full(size, -1, np.int32))
    popular = np.argsort(-popularity, kind="stable")[: np.count_nonzero(popularity)]
    used = histories.first(latest)
    for first in range(0, len(histories), _BLOCK):
        numbers = np.arange(first, min(first + _BLOCK, len(histories)))
        own, scored = histories.take(numbers), used.take(numbers)
        scores = (scored.matrix(n_nodes, recency) @ matrix).tocsr()
        _fill(lists, first, scores - scores.multiply(own.matrix(n_nodes)), own, popular)
        _explain(lists, numbers, scored, matrix, recency)
        progress("customers' lists", numbers[-1] + 1, len(histories), "customers")
    return lists


def _fill(lists: NodeLists, first: int, scores: sp.csr_matrix, own: ProductSets, popular: np.ndarray) -> None:
    """Enter the lists of the customers from number ``first`` on; where scores run out, popular products follow."""
    k = lists.nodes.shape[1]
    row, node, value, place = largest_by_row(scores.tocsr(), k)
    lists.nodes[first + row, place], lists.scores[first + row, place] = node, value
    count = np.bincount(row, minlength=len(own))
    for short in np.flatnonzero(count < k):
        listed = lists.nodes[first + short]
        taken = np.concatenate([listed[: count[short]], own.nodes[own.starts[short] : own.starts[short + 1]]])
        # No more popular products than these can be taken already.
        few = popular[: len(taken) + k]
        more = few[~np.isin(few, taken)][: k - count[short]]
        listed[count[short] : count[short] + len(more)] = more


def _explain(lists: NodeLists, numbers: np.ndarray, scored: ProductSets, matrix: sp.csr_matrix, recency: float) -> None:
    """Enter the product of the history that contributed most to each score; among equals the latest."""
    nodes = lists.nodes[numbers]
    most = np.zeros(nodes.shape)
    because = np.full(nodes.shape, -1, np.int32)
    for place in range(int(scored.sizes.max(initial=0))):
        rows = np.flatnonzero(scored.sizes > place)
        given = scored.nodes[scored.starts[rows] + place]
        targets = np.maximum(nodes[rows], 0)
        part = recency**place * np.asarray(matrix[np.repeat(given, nodes.shape[1]), targets.ravel()]).reshape(
            targets.shape
        )
        better = (part > most[rows]) & (lists.scores[numbers[rows]] > 0)
        most[rows] = np.where(better, part, most[rows])
        because[rows] = np.where(better, given[:, None], because[rows])
    lists.because[numbers] = because


def customer_lists(
    histories: Histories,
    matrix: sp.csr_matrix,
    product_ids: pa.Array,
    config: CustomersConfig | None = None,
    progress: Progress = silent,
) -> pa.Table:
    """A list for every customer.

    Args:
        histories: what training may know of the customers, so that the lists can be compared with what is held out.
        matrix: CSR ``[n, n]``: ``chain_0`` of the model ``next_purchase``.
        product_ids: ids in node order.
        config: settings.
        progress: progress callback.

    Returns:
        Table of schema :data:`LISTS`, by customer and rank.
    """
    config = config or CustomersConfig()
    popularity = np.bincount(histories.node, minlength=len(product_ids))
    lists = lists_of_histories(
        histories.latest_first(), matrix, config.k, config.recency, config.history, popularity, progress
    )
    row, place = np.nonzero(lists.nodes >= 0)
    ids = product_ids.cast(pa.string())
    because = lists.because[row, place]
    columns = [
        _named(row, histories.customers.cast(pa.string())),
        pa.array((place + 1).astype(np.int32)),
        _named(lists.nodes[row, place], ids),
        pa.array(lists.scores[row, place]),
        _named(because, ids),
    ]
    return pa.table(columns, schema=LISTS)


def _named(codes: np.ndarray, names: pa.Array) -> pa.DictionaryArray:
    """The names of these codes; null for -1."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), names)


def measure_lists(
    orders: HeldOutOrders | None, matrix: sp.csr_matrix, config: CustomersConfig | None = None, k: int = 10
) -> dict[str, float]:
    """How well the lists from the earlier histories of customers contain their first later order.

    All products are ranked but those of the history.

    Args:
        orders: the orders that are held out in time; None if there are none.
        matrix: see :func:`customer_lists`.
        config: settings.
        k: length of the lists.

    Returns:
        ``customers`` and, if there are any, ``hit_rate@k`` and ``ndcg@k`` as means over them, and as
        ``popularity_hit_rate@k`` and ``popularity_ndcg@k`` those of the most popular products.
    """
    if orders is None or not len(orders.history):
        return {"customers": 0}
    config = config or CustomersConfig()
    n_nodes = matrix.shape[0]
    popularity = np.bincount(orders.history.nodes, minlength=n_nodes)
    targets = orders.next_orders
    keys = np.sort(targets.rows * np.int64(n_nodes) + targets.nodes)
    task = Targets(keys, targets.sizes, n_nodes)
    measured: dict[str, float] = {"customers": len(orders.history)}
    for prefix, scores in (("", matrix), ("popularity_", sp.csr_matrix(matrix.shape, dtype=np.float32))):
        lists = lists_of_histories(orders.history, scores, k, config.recency, config.history, popularity)
        hits = task.hits(lists.nodes)
        measured[f"{prefix}hit_rate@{k}"] = float(hit_rate(hits, k).mean())
        measured[f"{prefix}ndcg@{k}"] = float(ndcg(hits, task.n_targets, k).mean())
    return measured
