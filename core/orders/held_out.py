"""From a history of orders to what the test in time asks about."""

import numpy as np
import pyarrow as pa

from core.arrays import run_starts
from core.orders.history import lines_of, nodes_of
from core.orders.lines import NONE, OrderLines
from core.pairs.held_out_orders import HeldOutOrders, ProductSets


def held_out_orders(history: pa.Table, product_ids: pa.Array) -> HeldOutOrders | None:
    """The later orders, and what their customers bought before; None if the history was not split.

    Only purchases count, or all events if there are no purchases. A line without an order belongs to its session; if it
    has neither, it is an order of its own.

    Args:
        history: table of schema ``core.orders.history.HISTORY``.
        product_ids: the category's product ids in node order; lines of other products are left out.
    """
    later = np.asarray(history["later"].combine_chunks())
    if not later.any():
        return None
    lines = lines_of(history)
    node = nodes_of(history, product_ids)
    rows = np.flatnonzero((node != NONE) & lines.counts)
    lines, node, later = lines.take(rows), node[rows], later[rows]
    order = lines.group
    orders = _sets(order[later], node[later])
    orders = orders.take(np.flatnonzero(orders.sizes >= 2))
    return HeldOutOrders(orders, *_by_customer(lines, node, order, later))


def _by_customer(
    lines: OrderLines, node: np.ndarray, order: np.ndarray, later: np.ndarray
) -> tuple[ProductSets, ProductSets]:
    """The history of each customer, and the new products of the first later order."""
    before = np.flatnonzero((lines.customer != NONE) & ~later)
    # The latest first; of lines at the same moment the last one in the source, which may be sorted without times.
    before = before[np.lexsort((-before, -lines.time[before], lines.customer[before]))]
    history_customer, history_node = _first_of_each(lines.customer[before], node[before])
    after = np.flatnonzero((lines.customer != NONE) & later)
    after = after[np.lexsort((after, lines.time[after], lines.customer[after]))]
    starts = run_starts(lines.customer[after])
    first_order = order[after][starts][np.cumsum(starts) - 1] if len(after) else after
    after = after[order[after] == first_order]
    next_customer, next_node = _first_of_each(lines.customer[after], node[after])
    width = np.int64(max(node.max(initial=0), 0)) + 1
    known = np.isin(next_customer * width + next_node, history_customer * width + history_node)
    next_customer, next_node = next_customer[~known], next_node[~known]
    tested = np.intersect1d(next_customer, history_customer)
    histories = np.isin(history_customer, tested)
    targets = np.isin(next_customer, tested)
    return (
        _runs(history_customer[histories], history_node[histories]),
        _runs(next_customer[targets], next_node[targets]),
    )


def _sets(group: np.ndarray, node: np.ndarray) -> ProductSets:
    rows = np.lexsort((node, group))
    return _runs(*_first_of_each(group[rows], node[rows]))


def _first_of_each(group: np.ndarray, node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out products that stand before in the same group; groups are ascending, and the order stays."""
    rows = np.lexsort((np.arange(len(node)), node, group))
    repeats = np.zeros(len(node), bool)
    if len(node):
        repeats[rows[1:]] = (group[rows][1:] == group[rows][:-1]) & (node[rows][1:] == node[rows][:-1])
    return group[~repeats], node[~repeats]


def _runs(group: np.ndarray, node: np.ndarray) -> ProductSets:
    """Each run of equal groups as a set."""
    starts = np.flatnonzero(run_starts(group))
    return ProductSets(np.append(starts, len(group)).astype(np.int64), node.astype(np.int32))
