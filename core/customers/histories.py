"""The histories of customers as arrays of node ids."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.orders.history import lines_of, nodes_of
from core.orders.lines import NONE
from core.pairs.held_out_orders import ProductSets


@dataclass(frozen=True)
class Histories:
    """What each customer bought, in time.

    Attributes:
        customers: string ``[c]``: ids of the customers with at least one known product, sorted.
        customer: int64 ``[m]``: position of each event's customer in ``customers``, ascending.
        node: int32 ``[m]``: the product of each event; within a customer the earliest first.
    """

    customers: pa.Array
    customer: np.ndarray
    node: np.ndarray

    @property
    def n_customers(self) -> int:
        return len(self.customers)

    def latest_first(self) -> ProductSets:
        """The products of each customer, each at its last event, the latest first."""
        event = np.arange(len(self.node))[::-1]
        customer, node = self.customer[::-1], self.node[::-1]
        order = np.lexsort((event[::-1], node, customer))
        again = np.zeros(len(node), bool)
        again[order[1:]] = (customer[order][1:] == customer[order][:-1]) & (node[order][1:] == node[order][:-1])
        customer, node = customer[~again], node[~again]
        order = np.argsort(customer, kind="stable")
        sizes = np.bincount(customer, minlength=self.n_customers)
        return ProductSets(np.concatenate([[0], np.cumsum(sizes)]), node[order])


def histories_of(history: pa.Table, product_ids: pa.Array) -> Histories:
    """The purchases of each customer, or all events if there are no purchases.

    Events at the same moment stand as in the source, which may be sorted without times.

    Args:
        history: table of schema ``core.orders.history.HISTORY``.
        product_ids: the category's product ids in node order; lines of other products are left out.
    """
    lines = lines_of(history)
    names = history["customer"].combine_chunks().dictionary
    node = nodes_of(history, product_ids)
    rows = np.flatnonzero((node != NONE) & (lines.customer != NONE) & lines.counts)
    alphabetical = np.argsort(np.argsort(np.array(names.to_pylist(), dtype=object), kind="stable"), kind="stable")
    place = alphabetical[lines.customer[rows]] if len(rows) else np.empty(0, np.int64)
    order = np.lexsort((rows, lines.time[rows], place))
    used, customer = np.unique(place[order], return_inverse=True)
    sorted_names = pc.take(names, pc.sort_indices(names)) if len(names) else names
    return Histories(
        sorted_names.take(pa.array(used, pa.int64())), customer.astype(np.int64), node[rows[order]].astype(np.int32)
    )
