"""A shop's order lines, sessions or clicks into a table of order lines."""

import hashlib
import os
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalog import column_names
from core.catalog.containers import UnreadableError
from core.catalog.file_kind import SourceFile
from core.catalog.formats import Contents, SourceOptions
from core.catalog.numbers import TextNumbers
from core.catalog.quarantine import FileReport
from core.catalog.tables import refuse_float_ids
from core.catalog.tabular import (
    Batch,
    TableReader,
    as_utf8,
    has_columns,
    id_faults,
    id_text,
    is_number,
    is_textual,
    mask_of,
)
from core.errors import InputError
from core.orders.form import EVENTS, KNOWN_EVENTS
from core.orders.times import NO_TIME, TimeReader
from core.progress import Progress
from core.relationships import plain_name
from core.typing import BoolArray

ORDERS = pa.schema(
    [
        ("product", pa.dictionary(pa.int32(), pa.string())),
        ("order", pa.dictionary(pa.int32(), pa.string())),  # null where the source has none
        ("session", pa.dictionary(pa.int32(), pa.string())),
        ("customer", pa.dictionary(pa.int32(), pa.string())),
        ("time", pa.timestamp("ms", "UTC")),
        ("quantity", pa.float32()),  # negative for what was returned; never 0
        ("event", pa.dictionary(pa.int8(), pa.string())),  # purchase, cart or view
    ]
)
"""The schema of a table of order lines, in the source's order, returns included."""

CUSTOMER_KEY = "ALSOBOUGHT_CUSTOMER_KEY"
"""Environment variable with the key of the customers' hashes."""
_KEYS = ("order", "session", "customer")
_BATCH_ROWS = 1 << 18
_IGNORED = -1
_DAY_MS = 86_400_000


def recognise(file: SourceFile) -> bool:
    """Whether a file is a table of order lines."""
    return has_columns(file, column_names.OrderColumns({}))


class OrdersReader(TableReader):
    """Fills a table of order lines (a :class:`core.catalog.formats.Reader`)."""

    def __init__(self, options: SourceOptions) -> None:
        super().__init__(column_names.OrderColumns(options.columns), "read orders", _BATCH_ROWS)
        self._form = options.orders
        self._times = TimeReader(self._form.time_format, self._form.time_zone)
        self._numbers = TextNumbers()
        self._parts: dict[str, list[Any]] = {name: [] for name in ORDERS.names}
        self._counts = dict.fromkeys(("without_key", "zero_quantity", "ignored_events"), 0)
        self._latest = int(time.time() * 1000) + _DAY_MS  # clocks differ
        self._events = {plain_name(name): event for name, event in KNOWN_EVENTS.items()}
        self._events |= {plain_name(name): event for name, event in self._form.events.items()}

    def read(self, file: SourceFile, report: FileReport, progress: Progress) -> str:
        """Read all of a file; see :meth:`core.catalog.formats.Reader.read`."""
        report.keeps_excerpts = not self._form.hash_customers
        return super().read(file, report, progress)

    def contents(self) -> Contents:
        """The order lines, and how many were left out because they say nothing."""
        columns = {name: _unified(self._parts[name]) for name in ("product", *_KEYS)}
        refuse_float_ids(columns["product"].dictionary, "column product: ids")
        customers = columns["customer"]
        if self._form.hash_customers and len(customers.dictionary):
            columns["customer"] = pa.DictionaryArray.from_arrays(customers.indices, hashed(customers.dictionary))
        arrays: list[pa.Array] = list(columns.values())
        times = np.concatenate([np.empty(0, np.int64), *self._parts["time"]])
        arrays.append(pa.array(times, mask=times == NO_TIME).cast(pa.timestamp("ms", "UTC")))
        arrays.append(pa.array(np.concatenate([np.empty(0, np.float32), *self._parts["quantity"]])))
        events = np.concatenate([np.empty(0, np.int8), *self._parts["event"]])
        arrays.append(pa.DictionaryArray.from_arrays(pa.array(events), pa.array(EVENTS)))
        return Contents(orders=pa.table(arrays, schema=ORDERS), facts=dict(self._counts))

    def _add(self, batch: Batch, report: FileReport) -> None:
        n = len(batch.lines)
        reasons: list[tuple[BoolArray, str]] = []
        product = _ids(batch.columns["product"], "product", reasons)
        for mask, reason in id_faults(product):
            reasons.append((mask, f"product {reason}"))
        keys = {name: _keys(batch.columns.get(name), name, n, reasons) for name in _KEYS}
        times = np.full(n, NO_TIME)
        if "time" in batch.columns:
            times = self._read_times(batch.columns["time"], reasons)
        quantity = self._quantity(batch.columns.get("quantity"), n, reasons)
        if self._form.cancel_prefix:
            cancels = mask_of(pc.fill_null(pc.starts_with(keys["order"], self._form.cancel_prefix), False))
            quantity = np.where(cancels, -np.abs(quantity), quantity).astype(np.float32)
        event = self._event(batch.columns.get("event"), n, reasons)
        good = np.ones(n, bool)
        for mask, reason in reasons:
            for row in np.flatnonzero(mask & good):
                report.bad(int(batch.lines[row]), reason, _raw(batch, int(row)), int(batch.spans[row]))
            good &= ~mask
        report.records_over_lines += int(np.count_nonzero(batch.spans[good] > 1))
        silent = {
            "without_key": mask_of(pc.and_(keys["order"].is_null(), pc.and_(*(keys[k].is_null() for k in _KEYS[1:])))),
            "zero_quantity": quantity == 0,
            "ignored_events": event == _IGNORED,
        }
        for name, mask in silent.items():
            self._counts[name] += int(np.count_nonzero(mask & good))
            good &= ~mask
        keep = pa.array(good)
        self._parts["product"].append(product.filter(keep).dictionary_encode())
        for name in _KEYS:
            self._parts[name].append(keys[name].filter(keep).dictionary_encode())
        for name, values in (("time", times), ("quantity", quantity), ("event", event)):
            self._parts[name].append(values[good])

    def _read_times(self, column: pa.Array, reasons: list[tuple[BoolArray, str]]) -> Any:
        try:
            times = self._times.read(column)
        except InputError as error:  # which does not know the file
            raise UnreadableError(str(error)) from error
        filled = mask_of(column.is_valid())
        if is_textual(column.type):
            text, _ = as_utf8(column)
            filled &= mask_of(pc.not_equal(pc.utf8_trim_whitespace(text), ""))
        reasons.append(((times == NO_TIME) & filled, "time cannot be read"))
        reasons.append((times > self._latest, "time lies in the future"))
        return times

    def _quantity(self, column: pa.Array | None, n: int, reasons: list[tuple[BoolArray, str]]) -> Any:
        if column is None:
            return np.ones(n, np.float32)
        if is_textual(column.type):
            text, _ = as_utf8(column)
            text = pc.utf8_trim_whitespace(text)
            empty = mask_of(pc.equal(text, ""))
            values, _ = self._numbers.read(text)
            reasons.append((np.isnan(values) & ~empty, "quantity is not a number"))
        elif is_number(column.type):
            values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            empty = mask_of(column.is_null())
        else:
            raise UnreadableError(f"column quantity holds {column.type}; write numbers")
        return np.where(empty, 1.0, np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)).astype(np.float32)

    def _event(self, column: pa.Array | None, n: int, reasons: list[tuple[BoolArray, str]]) -> Any:
        if column is None:
            return np.zeros(n, np.int8)
        text, _ = as_utf8(column if is_textual(column.type) else column.cast(pa.string()))
        coded = text.dictionary_encode()
        codes = []
        for name in coded.dictionary.to_pylist():
            event = self._events.get(plain_name(name)) if name.strip() else "purchase"
            codes.append(_IGNORED if event == "ignore" else -2 if event is None else EVENTS.index(event))
        event = np.array(codes, np.int8)[coded.indices.to_numpy()]
        remedy = (
            "say under orders.events in categories.yaml what it stands for, or `columns: {event: null}` if the column "
            "means something else"
        )
        reasons.append((event == -2, f"event is unknown; {remedy}"))
        return event


def hashed(customers: pa.Array) -> pa.Array:
    """Keyed BLAKE2b hashes (16 hexadecimal digits) of customers' ids; they cannot be reversed without the key.

    Raises:
        InputError: there is no key in the environment.
    """
    key = os.environ.get(CUSTOMER_KEY, "").encode()
    if not key:
        raise InputError(
            f"categories.yaml says hash_customers, and {CUSTOMER_KEY} is not set; set it to a secret of your own, "
            "and keep it: with another key the same customers get other hashes"
        )
    key = hashlib.blake2b(key, digest_size=64).digest()
    return pa.array(
        [hashlib.blake2b(text.encode(), key=key, digest_size=8).hexdigest() for text in customers.to_pylist()]
    )


def _unified(chunks: list[pa.DictionaryArray]) -> pa.DictionaryArray:
    """All chunks over one common dictionary."""
    kind = pa.dictionary(pa.int32(), pa.string())
    return pa.chunked_array(chunks, kind).unify_dictionaries().combine_chunks()


def _ids(column: pa.Array, label: str, reasons: list[tuple[BoolArray, str]]) -> pa.Array:
    text, invalid = as_utf8(id_text(column, label))
    if invalid is not None:
        reasons.append((invalid, f"{label} is not valid UTF-8"))
    return pc.utf8_trim_whitespace(text)


def _keys(column: pa.Array | None, label: str, n: int, reasons: list[tuple[BoolArray, str]]) -> pa.Array:
    """Text of an order's, session's or customer's id; null where there is none."""
    if column is None:
        return pa.nulls(n, pa.string())
    if pa.types.is_floating(column.type):  # what pandas makes of whole numbers some of which are missing
        whole = column.cast(pa.float64())
        if not pc.all(pc.fill_null(pc.equal(pc.floor(whole), whole), True)).as_py():
            raise UnreadableError(f"column {label} holds fractions; write ids as text or whole numbers")
        column = whole.cast(pa.int64())
        text = column.cast(pa.string())
    else:
        if column.null_count and pa.types.is_integer(column.type):
            text = column.cast(pa.string())
        else:
            text = _ids(column, label, reasons)
    return pc.if_else(pc.fill_null(pc.equal(text, ""), True), pa.scalar(None, pa.string()), text)


def _raw(batch: Batch, row: int) -> str:
    values = [column[row].as_py() for column in batch.columns.values()]
    return ", ".join(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
