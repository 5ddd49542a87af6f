"""Read the history of orders in parts: what it holds, which orders are later, and the lines of one order or customer.

What stays in memory is one row per later order or customer, and never all order lines.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import streamlit as st

from core.arrays import distinct
from core.orders.form import EVENTS
from core.orders.lines import PURCHASE
from core.pairs.split import LAST_ORDER
from core.store import Store
from explorer.shared.store_reader import current_manifest, installed_store
from explorer.shared.table_rows import rows_where

NO_TIME = -1
"""Stands for an order without a time."""
NO_ORDERS = (
    "The source of this category has no orders. To see them here, give the category a table of order lines "
    "(`format: orders` in categories.yaml), as docs/data-formats.md describes, and materialize it again."
)
_UNKNOWN = -1
_PURCHASE = EVENTS[PURCHASE]


@dataclass(frozen=True)
class LaterOrders:
    """The orders that are held out and hold at least two products, the newest first.

    Attributes:
        ids: string ``[n]``: id of the order, or of the session if the source has no order ids.
        sessions: bool ``[n]``: whether the id is that of a session.
        sizes: int64 ``[n]``: number of different products.
        times: int64 ``[n]``: time of the first line in milliseconds since 1970, UTC, or :data:`NO_TIME`.
        cut: first moment that is held out, in the same unit; None if the orders were not split at one moment.
    """

    ids: pa.Array
    sessions: np.ndarray
    sizes: np.ndarray
    times: np.ndarray
    cut: int | None

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, order_id: str) -> int | None:
        """Row of an order, or None if it is not among them."""
        row = int(pc.index(self.ids, pa.scalar(order_id, pa.string())).as_py())
        return None if row < 0 else row


@dataclass(frozen=True)
class Customers:
    """The customers of a history, those with the most order lines first.

    Attributes:
        ids: string ``[n]``: ids as they are stored.
        lines: int64 ``[n]``: number of order lines.
        later: bool ``[n]``: whether some of these lines are held out.
    """

    ids: pa.Array
    lines: np.ndarray
    later: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def holds(self, customer: str) -> bool:
        """Whether there is a customer with this id."""
        return bool(pc.index(self.ids, pa.scalar(customer, pa.string())).as_py() >= 0)


def count_lines(category: str) -> int | None:
    """Number of order lines of a category; None if ``order_history`` is not materialized."""
    current = current_manifest("order_history", category)
    return None if current is None else int(current.fields["value"]["rows"])


def read_later_orders(category: str) -> LaterOrders:
    """The later orders of a category whose history is materialized."""
    return _later_orders(str(installed_store().root), category, _version(category))


def read_customers(category: str) -> Customers:
    """The customers of a category whose history is materialized."""
    return _customers(str(installed_store().root), category, _version(category))


def read_order(category: str, order_id: str, is_session: bool) -> list[str]:
    """The different products of a later order, in the order of the source."""
    return _order(str(installed_store().root), category, _version(category), order_id, is_session)


def read_customer_lines(category: str, customer: str) -> pa.Table:
    """The order lines of one customer in the order of the source, with all columns of the history as text and time."""
    return _customer_lines(str(installed_store().root), category, _version(category), customer)


def only_purchases_count(category: str) -> bool:
    """Whether views and carts do not count as orders, because there are purchases."""
    return _has_purchases(str(installed_store().root), category, _version(category))


def what_later_means(category: str, cut: int | None) -> str:
    """One sentence that says which orders are later."""
    current = current_manifest("order_history", category)
    config = (current.info.get("config") or {}) if current else {}
    if config.get("by") == LAST_ORDER:
        return "Later is the last order of every customer who has several; no model learned from these orders."
    if cut is None:
        return "Later orders are those held out for the test; no model learned from them."
    return f"Later means from {day_and_time(cut)} (UTC) on; no model learned from these orders."


def day_and_time(milliseconds: int) -> str:
    """A time as "2025-03-01 14:05", or as the day alone at midnight."""
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return f"{moment:%Y-%m-%d}" if (moment.hour, moment.minute) == (0, 0) else f"{moment:%Y-%m-%d %H:%M}"


def index_later_orders(path: Path) -> LaterOrders:
    """Index the later orders of a file with schema ``core.orders.history.HISTORY``.

    Only purchases count, or all events if there are no purchases, as in the test in time.
    """
    wanted = pc.field("later") & counted_lines(path)
    table = _read(path, ["product", "order", "session", "time"], wanted).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        nothing = np.empty(0, np.int64)
        return LaterOrders(pa.array([], pa.string()), np.empty(0, bool), nothing, nothing, None)
    orders, sessions = (_encoded(table[name]) for name in ("order", "session"))
    order, session = (codes.indices.fill_null(_UNKNOWN).to_numpy().astype(np.int64) for codes in (orders, sessions))
    key = np.where(order != _UNKNOWN, order, np.where(session != _UNKNOWN, len(orders.dictionary) + session, _UNKNOWN))
    time = table["time"].cast(pa.int64()).fill_null(NO_TIME).to_numpy()
    cut = _cut(path, time)
    named = key != _UNKNOWN
    key, time = key[named], time[named]
    product = _encoded(table["product"]).indices.to_numpy()[named].astype(np.int64)
    width = int(product.max(initial=0)) + 1
    n_keys = len(orders.dictionary) + len(sessions.dictionary)
    sizes = np.bincount(distinct(key * width + product) // width, minlength=n_keys)
    never = np.iinfo(np.int64).max
    first = np.full(n_keys, never)
    np.minimum.at(first, key, np.where(time == NO_TIME, never, time))
    first[first == never] = NO_TIME
    kept = np.flatnonzero(sizes >= 2)
    kept = kept[np.lexsort((kept, -first[kept]))]
    ids = pa.concat_arrays([orders.dictionary, sessions.dictionary]).take(pa.array(kept))
    return LaterOrders(ids, kept >= len(orders.dictionary), sizes[kept], first[kept], cut)


def index_customers(path: Path) -> Customers:
    """Index the customers of such a file."""
    table = _read(path, ["customer", "later"], pc.field("customer").is_valid()).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        return Customers(pa.array([], pa.string()), np.empty(0, np.int64), np.empty(0, bool))
    customers = _encoded(table["customer"])
    codes = customers.indices.to_numpy()
    lines = np.bincount(codes, minlength=len(customers.dictionary))
    later = np.bincount(codes[np.asarray(table["later"].combine_chunks())], minlength=len(lines)) > 0
    rows = np.flatnonzero(lines)
    rows = rows[np.argsort(-lines[rows], kind="stable")]
    return Customers(customers.dictionary.take(pa.array(rows)), lines[rows], later[rows])


def products_of_order(path: Path, order_id: str, is_session: bool, only_purchases: bool) -> list[str]:
    """The different products of a later order in such a file, in the file's order.

    Args:
        path: the file.
        order_id: id of the order or session.
        is_session: which of the two it is; lines of a session that belong to an order do not count.
        only_purchases: whether views and carts do not count either.
    """
    rows = rows_where(path, "session" if is_session else "order", order_id, ["product", "order", "event", "later"])
    counts = rows["later"]
    if is_session:
        counts = pc.and_(counts, rows["order"].is_null())
    if only_purchases:
        counts = pc.and_(counts, pc.equal(rows["event"], _PURCHASE))
    return list(dict.fromkeys(rows.filter(counts)["product"].to_pylist()))


def lines_of_customer(path: Path, customer: str) -> pa.Table:
    """The lines of one customer in such a file, in the file's order."""
    return rows_where(path, "customer", customer, ["product", "order", "session", "time", "event", "later"])


def has_purchases(path: Path) -> bool:
    """Whether any line of such a file is a purchase."""
    file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    for group in range(file.num_row_groups):
        events = file.read_row_group(group, columns=["event"])["event"].cast(pa.string())
        if pc.any(pc.equal(events, _PURCHASE)).as_py():
            return True
    return False


def counted_lines(path: Path) -> pc.Expression:
    """Which lines belong to orders: the purchases, or all lines if there are no purchases."""
    return pc.field("event") == _PURCHASE if has_purchases(path) else pc.field("event").is_valid()


def _cut(path: Path, later: np.ndarray) -> int | None:
    """The first later moment. Orders that begin before it and go on after it are later as a whole."""
    file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    known_until = NO_TIME
    for group in range(file.num_row_groups):
        part = file.read_row_group(group, columns=["time", "later"])
        latest = pc.max(part.filter(pc.invert(part["later"]))["time"].cast(pa.int64())).as_py()
        known_until = known_until if latest is None else max(known_until, latest)
    after = later[(later > known_until) & (later != NO_TIME)]
    return int(after.min()) if len(after) and known_until != NO_TIME else None


def _read(path: Path, columns: list[str], wanted: pc.Expression) -> pa.Table:
    return pq.read_table(path, columns=columns, filters=wanted, memory_map=True, page_checksum_verification=True)


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.DictionaryArray) else pa.concat_arrays(whole.chunks)


def _version(category: str) -> str:
    current = current_manifest("order_history", category)
    return current.version if current else ""


def _file(root: str, category: str) -> Path:
    return Store(root).file("order_history", category, "value")


@st.cache_resource(max_entries=3, show_spinner="Reading orders …")
def _later_orders(root: str, category: str, version: str) -> LaterOrders:
    return index_later_orders(_file(root, category))


@st.cache_resource(max_entries=3, show_spinner="Reading customers …")
def _customers(root: str, category: str, version: str) -> Customers:
    return index_customers(_file(root, category))


@st.cache_resource(max_entries=32, show_spinner=False)
def _has_purchases(root: str, category: str, version: str) -> bool:
    return has_purchases(_file(root, category))


@st.cache_resource(max_entries=200, show_spinner=False)
def _order(root: str, category: str, version: str, order_id: str, is_session: bool) -> list[str]:
    return products_of_order(_file(root, category), order_id, is_session, _has_purchases(root, category, version))


@st.cache_resource(max_entries=200, show_spinner=False)
def _customer_lines(root: str, category: str, version: str, customer: str) -> pa.Table:
    return lines_of_customer(_file(root, category), customer)
