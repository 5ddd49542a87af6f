"""From a table of order lines to the relationships that product pairs are made of."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalog.tables import relationships_table
from core.orders.config import OrdersConfig
from core.orders.form import EVENTS
from core.orders.lines import NONE, PURCHASE, OrderLines
from core.progress import Progress, silent
from core.relationships import ADD
from core.typing import Int64Array

VERSION = "1"
"""Raised whenever the same order lines and settings give other relationships."""


def order_relationships(
    orders: pa.Table, config: OrdersConfig | None = None, threads: int = 2, progress: Progress = silent
) -> tuple[pa.Table, dict[str, Any]]:
    """Count which products were bought and viewed together.

    Args:
        orders: table of schema ``core.catalog.orders_table.ORDERS``, returns included; may be empty.
        config: settings.
        threads: CPU threads; they do not change the result.
        progress: told "count pairs" in products, for one relationship after the other.

    Returns:
        Table of schema ``RELATIONSHIPS``, every pair once per relationship, with its association as weight; and
        JSON-able facts: ``lines``, ``orders``, ``customers``, ``largest_order`` (lines), ``returns``,
        ``cancelled_lines``, ``unmatched_returns``, ``orders_of_several_customers``, ``first`` and ``last`` (days), and
        by relationship what took part and was found.
    """
    ids = orders["product"].combine_chunks().dictionary
    if not orders.num_rows:
        empty = np.empty(0, np.int32)
        return relationships_table(ids, empty, empty, np.empty(0, np.int8), (), np.empty(0, np.float32), ADD), {}
    from core.orders.pairs import related_products  # Numba comes with it

    lines, facts = _bought(orders)
    related = related_products(lines, len(ids), config, threads, progress)
    names = list(related.pairs)
    pairs = list(related.pairs.values())

    def together(column: str, kind: Any) -> Any:
        return np.concatenate([np.empty(0, kind), *(getattr(one, column) for one in pairs)])

    kinds = np.repeat(np.arange(len(names), dtype=np.int8), [len(one) for one in pairs])
    table = relationships_table(
        ids, together("source", np.int32), together("target", np.int32), kinds, names,
        together("weight", np.float32), ADD,
    )  # fmt: skip
    return table, facts | related.info


def _bought(orders: pa.Table) -> tuple[OrderLines, dict[str, Any]]:
    """The lines that stand for something that was bought or viewed and not returned, and facts about all of them."""
    from core.orders.returns import cancel_returns  # Numba comes with it too

    product, order, session, customer = (_codes(orders[name]) for name in ("product", "order", "session", "customer"))
    times = orders["time"].combine_chunks()
    milliseconds = np.asarray(times.cast(pa.int64()).fill_null(0))
    event = _events(orders["event"])
    quantity = np.asarray(orders["quantity"].combine_chunks(), dtype=np.float64)
    order, shared = _orders_of_one_customer(order, customer)
    buyer = np.where(customer != NONE, customer, np.where(order != NONE, order + (1 << 40), NONE))
    purchases = event == PURCHASE
    returned = cancel_returns(buyer, product, milliseconds, np.where(purchases, quantity, 1.0))
    bought = np.bincount(order[purchases & (order != NONE)], minlength=1)
    known = times.drop_null()
    facts = {
        "lines": orders.num_rows,
        "orders": int(np.count_nonzero(bought)),
        "customers": len(np.unique(customer[customer != NONE])),
        "largest_order": int(bought.max()),
        "returns": returned.returns,
        "cancelled_lines": returned.cancelled,
        "unmatched_returns": returned.unmatched,
        "orders_of_several_customers": shared,
        "lines_without_time": len(times) - len(known),
        "first": _day(pc.min(known)),
        "last": _day(pc.max(known)),
    }
    lines = OrderLines(product.astype(np.int32), order, session, customer, milliseconds, event)
    return lines.take(np.flatnonzero(returned.kept)), facts


def _orders_of_one_customer(order: Int64Array, customer: Int64Array) -> tuple[Int64Array, int]:
    """Order codes such that no order has two customers, and how many order ids had several."""
    both = np.flatnonzero((order != NONE) & (customer != NONE))
    if not len(both):
        return order, 0
    ranked = both[np.lexsort((customer[both], order[both]))]
    new_order = np.r_[True, order[ranked][1:] != order[ranked][:-1]]
    new_customer = np.r_[True, customer[ranked][1:] != customer[ranked][:-1]]
    again = new_customer & ~new_order
    if not again.any():
        return order, 0
    split = order.copy()
    number = np.cumsum(again)
    # Counted from the order's first customer on: 0 stays with the order's own code.
    since = number - np.maximum.accumulate(np.where(new_order, number, 0))
    moved = since > 0
    split[ranked[moved]] = order.max() + number[moved]
    return split, len(np.unique(order[ranked[again]]))


def _day(time: pa.Scalar) -> str | None:
    return None if time.as_py() is None else str(time.as_py())[:10]


def _codes(column: pa.ChunkedArray) -> Int64Array:
    codes: Int64Array = np.asarray(column.combine_chunks().indices.fill_null(NONE)).astype(np.int64)
    return codes


def _events(column: pa.ChunkedArray) -> Any:
    encoded = column.combine_chunks()
    lookup = np.array([EVENTS.index(name) for name in encoded.dictionary.to_pylist()] or [PURCHASE], np.uint8)
    return lookup[np.asarray(encoded.indices)]
