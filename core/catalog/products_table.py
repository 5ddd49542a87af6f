"""Reads a team's own table of products into the catalogue's products table."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.catalog import column_names
from core.catalog.clean import split_categories
from core.catalog.column_names import part_name
from core.catalog.formats import Contents
from core.catalog.quarantine import FileReport
from core.catalog.tables import PRODUCTS, BadRecordError, ProductRows, check_id, refuse_float_ids
from core.catalog.tabular import Batch, TableReader, as_utf8, id_text, is_textual

_BATCH_ROWS = 1 << 14


class ProductsReader(TableReader):
    """Fills the products table from a team's own table of products (a :class:`core.catalog.formats.Reader`)."""

    def __init__(self, mapped: Mapping[str, str | Sequence[str]] | None = None) -> None:
        super().__init__(column_names.ProductColumns(mapped or {}), "read products", _BATCH_ROWS)
        self._products = ProductRows()
        self._seen: set[str] = set()

    def contents(self) -> Contents:
        """The products."""
        table = self._products.table()
        refuse_float_ids(table["product_id"].combine_chunks(), "column product_id: ids")
        return Contents(table, fields=self._products.notes())

    def _add(self, batch: Batch, report: FileReport) -> None:
        for number, span, row, reason in _rows(batch):
            self._add_row(report, number, span, row, reason)

    def _add_row(self, report: FileReport, number: int, span: int, row: dict[str, Any], reason: str | None) -> None:
        try:
            if reason is not None:
                raise BadRecordError(reason)
            product_id = check_id(row["product_id"] or "")
        except BadRecordError as error:
            cells = ", ".join("" if value is None else str(value)[:200] for value in row.values())
            report.bad(number, str(error), cells, span)
            return
        repeated = product_id in self._seen
        if repeated:
            report.repeat(number, product_id)
        self._seen.add(product_id)
        report.records_over_lines += span > 1
        fields = {name: row.get(name) for name in PRODUCTS.names[1:]}
        if titles := _parts(row, "title"):
            fields["title"] = " ".join(str(part).strip() for part in titles)
        fields["categories"] = split_categories(fields["categories"])
        if levels := _parts(row, "categories"):
            fields["categories"] = [level for part in levels for level in _as_list(split_categories(part))]
        self._products.add(product_id, **fields, repeated=repeated)


def _parts(row: Mapping[str, Any], role: str) -> list[Any]:
    """The values that a field is put together from; none if it is a single column."""
    if part_name(role, 1) not in row:
        return []
    names = itertools.takewhile(row.__contains__, (part_name(role, number) for number in itertools.count()))
    return [row[name] for name in names if row[name] not in (None, "")]


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _rows(batch: Batch) -> Iterator[tuple[int, int, dict[str, Any], str | None]]:
    """Line, number of lines, fields of each row, and why it is bad (None for a good one)."""
    values: dict[str, list[Any]] = {}
    reasons: dict[int, str] = {}
    for role, column in batch.columns.items():
        if role == "product_id":
            column = id_text(column, role)
        if is_textual(column.type):
            texts, invalid = as_utf8(column)
            values[role] = pc.if_else(column.is_valid(), texts, None).to_pylist()
            for row in [] if invalid is None else invalid.nonzero()[0].tolist():
                reasons[row] = f"{role} is not valid UTF-8"
                values[role][row] = column[row].as_py().decode("utf-8", "replace")
        elif pa.types.is_decimal(column.type):
            values[role] = column.cast(pa.float64()).to_pylist()
        else:
            values[role] = _texts(column.to_pylist())
    roles = list(values)
    table = zip(batch.lines.tolist(), batch.spans.tolist(), *values.values(), strict=True)
    for row, (number, span, *fields) in enumerate(table):
        yield number, span, dict(zip(roles, fields, strict=True)), reasons.get(row)


def _texts(values: list[Any]) -> list[Any]:
    """With bytes within lists as text."""
    return [
        [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in value]
        if isinstance(value, list)
        else value
        for value in values
    ]
