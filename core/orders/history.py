"""The history of orders: what was bought and viewed and not returned, and which of it comes after the test's cut."""

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import distinct
from core.errors import InputError
from core.orders.form import EVENTS
from core.orders.lines import NONE, PURCHASE, OrderLines
from core.pairs.split import AUTO, LAST_ORDER, RANDOM, TIME, SplitConfig
from core.typing import BoolArray, Int64Array

VERSION = "1"
"""Raised whenever the same order lines and settings give another history."""

HISTORY = pa.schema(
    [
        ("product", pa.dictionary(pa.int32(), pa.string())),
        ("order", pa.dictionary(pa.int32(), pa.string())),  # null where the source has none
        ("session", pa.dictionary(pa.int32(), pa.string())),
        ("customer", pa.dictionary(pa.int32(), pa.string())),
        ("time", pa.timestamp("ms", "UTC")),
        ("event", pa.dictionary(pa.int8(), pa.string())),  # purchase, cart or view
        ("later", pa.bool_()),  # held out for the test: no model may learn from it
    ]
)
"""The schema of a history, in the source's order. An order id is one order: ids that several customers share are
numbered apart."""

_KEYS = ("product", "order", "session", "customer")
_ENOUGH_LINES = 1000
"""Number of order lines from which a source is split in time unless the settings say otherwise."""


def order_history(orders: pa.Table, config: SplitConfig | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """Take back what was returned, and mark what the test looks at.

    With ``by: time``, the lines after a date, or the last share of them, are later. An order or session with a later
    line is later as a whole. Lines without a time are left out, because they could lie on either side. With
    ``by: last_order``, the last order of every customer with at least two is later.

    Args:
        orders: table of schema ``core.catalog.orders_table.ORDERS``, returns included; may be empty.
        config: settings of the split; ``auto`` stands for ``time`` if there are at least 1,000 lines and nine out of
            ten have a time, and for ``random`` otherwise.

    Returns:
        Table of schema :data:`HISTORY`, and JSON-able facts: ``lines``, ``orders``, ``customers``, ``largest_order``
        (lines), ``orders_of_one_product``, ``returns``, ``cancelled_lines``, ``unmatched_returns``,
        ``orders_of_several_customers``, ``lines_without_time``, ``first`` and ``last`` (days), ``split`` (how it was
        split), ``later_lines``, ``later_orders``, and with a split in time ``cut`` (the first later moment) and
        ``left_out_without_time``.

    Raises:
        InputError: the settings ask for a split that the lines do not allow.
    """
    config = config or SplitConfig()
    if not orders.num_rows:
        return HISTORY.empty_table(), {}
    orders, shared = _orders_of_one_customer(orders)
    lines = lines_of(orders)
    kept, facts = _not_returned(lines, orders)
    facts["orders_of_several_customers"] = shared
    by = _chosen(config, facts)
    rows = np.flatnonzero(kept)
    if by == TIME:
        timed = np.asarray(orders["time"].combine_chunks().is_valid())[rows]
        facts["left_out_without_time"] = int(np.count_nonzero(~timed))
        rows = rows[timed]
    lines = lines.take(rows)
    if not len(lines):
        return HISTORY.empty_table(), facts | {"split": by, "later_lines": 0, "later_orders": 0}
    if by == RANDOM:
        later = np.zeros(len(rows), bool)
    elif by == TIME:
        later, facts["cut"] = _after(lines, config)
    else:
        later = _last_orders(lines)
    facts |= {"split": by, "later_lines": int(np.count_nonzero(later))}
    facts["later_orders"] = len(np.unique(lines.order[later & (lines.order != NONE)]))
    history = orders.take(pa.array(rows)).append_column("later", pa.array(later))
    return history.select(HISTORY.names).cast(HISTORY).combine_chunks(), facts


def known_lines(history: pa.Table) -> pa.Table:
    """The lines of a history that are not held out."""
    return history.filter(pc.invert(history["later"]))


def nodes_of(history: pa.Table, product_ids: pa.Array) -> Int64Array:
    """int64 ``[m]``: the node of each line's product, -1 for a product that is not among ``product_ids``."""
    encoded = history["product"].combine_chunks()
    known = pc.index_in(encoded.dictionary, value_set=product_ids.cast(encoded.dictionary.type)).fill_null(NONE)
    nodes: Int64Array = np.asarray(known, dtype=np.int64)[np.asarray(encoded.indices)]
    return nodes


def lines_of(history: pa.Table) -> OrderLines:
    """The lines of a history as arrays; codes are positions in the dictionaries of its columns."""
    product, order, session, customer = (_codes(history[name]) for name in _KEYS)
    time, event = _milliseconds(history["time"]), _events(history["event"])
    return OrderLines(product.astype(np.int32), order, session, customer, time, event)


def _orders_of_one_customer(orders: pa.Table) -> tuple[pa.Table, int]:
    """The lines with order ids such that no order has two customers, and how many order ids had several."""
    order, customer = _codes(orders["order"]), _codes(orders["customer"])
    both = np.flatnonzero((order != NONE) & (customer != NONE))
    if not len(both):
        return orders, 0
    ranked = both[np.lexsort((customer[both], order[both]))]
    new_order = np.r_[True, order[ranked][1:] != order[ranked][:-1]]
    again = np.r_[True, customer[ranked][1:] != customer[ranked][:-1]] & ~new_order
    if not again.any():
        return orders, 0
    number = np.cumsum(again)
    # Counted from the order's first customer on: 0 stays with the order's own code.
    since = number - np.maximum.accumulate(np.where(new_order, number, 0))
    moved = since > 0
    ids = orders["order"].combine_chunks().dictionary
    taken, added = set(ids.to_pylist()), []
    for row, which in zip(ranked[again], since[again] + 1, strict=True):
        name = f"{ids[order[row]].as_py()} ({which})"
        while name in taken:
            name += "'"
        taken.add(name)
        added.append(name)
    shared = len(np.unique(order[ranked[again]]))
    codes = order.copy()
    codes[ranked[moved]] = len(ids) + number[moved] - 1
    ids = pa.concat_arrays([ids, pa.array(added, ids.type)])
    column = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes == NONE), ids)
    return orders.set_column(orders.schema.get_field_index("order"), "order", column), shared


def _not_returned(lines: OrderLines, orders: pa.Table) -> tuple[BoolArray, dict[str, Any]]:
    """Which lines stand for something that was bought or viewed and not returned, and facts about all of them."""
    from core.orders.returns import cancel_returns  # Numba comes with it

    order, customer = lines.order, lines.customer
    quantity = np.asarray(orders["quantity"].combine_chunks(), dtype=np.float64)
    buyer = np.where(customer != NONE, customer, np.where(order != NONE, order + (1 << 40), NONE))
    purchases = lines.event == PURCHASE
    returned = cancel_returns(buyer, lines.product, lines.time, np.where(purchases, quantity, 1.0))
    in_order = np.flatnonzero(purchases & (order != NONE))
    bought = np.bincount(order[in_order], minlength=1)
    n_products = int(lines.product.max(initial=0)) + 1
    products = distinct(order[in_order] * n_products + lines.product[in_order]) // n_products
    known = orders["time"].drop_null()
    facts = {
        "lines": orders.num_rows,
        "orders": int(np.count_nonzero(bought)),
        "customers": len(np.unique(customer[customer != NONE])),
        "largest_order": int(bought.max()),
        "orders_of_one_product": int(np.count_nonzero(np.bincount(products, minlength=1) == 1)),
        "returns": returned.returns,
        "cancelled_lines": returned.cancelled,
        "unmatched_returns": returned.unmatched,
        "lines_without_time": orders.num_rows - len(known),
        "first": _day(pc.min(known)),
        "last": _day(pc.max(known)),
    }
    return returned.kept, facts


def _chosen(config: SplitConfig, facts: dict[str, Any]) -> str:
    """How the lines are split."""
    lines, without_time = facts["lines"], facts["lines_without_time"]
    if config.by == AUTO:
        return TIME if lines >= _ENOUGH_LINES and without_time <= lines / 10 else RANDOM
    if config.by == TIME and without_time == lines:
        raise InputError("settings split.by: the order lines have no times to split by; choose `random`")
    if config.by == LAST_ORDER and not facts["customers"]:
        raise InputError("settings split.by: the order lines have no customers; choose `time` or `random`")
    return config.by


def _after(lines: OrderLines, config: SplitConfig) -> tuple[BoolArray, str]:
    """Which lines are later than the date, or than the share of lines that training keeps; and that moment."""
    if config.date:
        cut = int(np.datetime64(datetime.datetime.fromisoformat(config.date), "ms").astype(np.int64))
    else:
        cut = int(np.sort(lines.time)[min(int(len(lines) * (1 - config.last)), len(lines) - 1)])
    later = lines.time >= cut
    moment = str(np.datetime64(cut, "ms"))
    if later.all() or not later.any():
        side = "before" if later.all() else "after"
        raise InputError(f"settings split: there is no order line {side} {moment}; choose another date or share")
    for group in (lines.order, lines.session):
        member = group != NONE
        reaches = np.zeros(int(group.max()) + 1, bool)
        reaches[group[member & later]] = True
        later[member] |= reaches[group[member]]
    return later, moment


def _last_orders(lines: OrderLines) -> BoolArray:
    """The lines of the last order of every customer who has several, as :attr:`OrderLines.group` tells orders apart."""
    order = lines.group
    ended = np.full(int(order.max(initial=NONE)) + 1, np.iinfo(np.int64).min)
    np.maximum.at(ended, order, lines.time)
    rows = np.flatnonzero(lines.customer != NONE)
    # Orders that end at the same moment follow each other as the source has them.
    rows = rows[np.lexsort((order[rows], ended[order[rows]], lines.customer[rows]))]
    customer, of_order = lines.customer[rows], order[rows]
    ends = np.flatnonzero(np.r_[customer[1:] != customer[:-1], True][: len(rows)])
    starts = np.flatnonzero(np.r_[True, customer[1:] != customer[:-1]][: len(rows)])
    several = of_order[starts] != of_order[ends]
    is_last = np.zeros(len(ended), bool)
    is_last[of_order[ends[several]]] = True
    later: BoolArray = is_last[order] & (lines.customer != NONE)
    return later


def _day(time: pa.Scalar) -> str | None:
    return None if time.as_py() is None else str(time.as_py())[:10]


def _codes(column: pa.ChunkedArray) -> Int64Array:
    codes: Int64Array = np.asarray(column.combine_chunks().indices.fill_null(NONE)).astype(np.int64)
    return codes


def _milliseconds(column: pa.ChunkedArray) -> Int64Array:
    milliseconds: Int64Array = np.asarray(column.combine_chunks().cast(pa.int64()).fill_null(0))
    return milliseconds


def _events(column: pa.ChunkedArray) -> np.ndarray:
    encoded = column.combine_chunks()
    lookup = np.array([EVENTS.index(name) for name in encoded.dictionary.to_pylist()] or [PURCHASE], np.uint8)
    codes: np.ndarray = lookup[np.asarray(encoded.indices)]
    return codes
