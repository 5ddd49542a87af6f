"""A team's own table of products into the catalogue's products table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.catalog import columns
from core.catalog.clean import split_categories
from core.catalog.tables import PRODUCTS, BadRecordError, ProductRows, Quarantine, check_id
from core.catalog.tabular import Batch, TableFile, as_utf8, id_text, is_textual
from core.progress import Progress

_BATCH_ROWS = 1 << 14


class ProductsReader:
    """Fills the products table from a team's own table of products.

    Attributes:
        products: builder of the table.
        lines: lines (of a text file) or rows read, without the header and blank lines.
        bad_lines: of these, the ones without a usable id, or of which something that is read is no text.
        repeated: rows whose product came before.
        records_over_lines: good rows that go over several lines.
        columns: which columns were ``read`` as what, and which are ``unread``.
    """

    def __init__(self, quarantine: Quarantine) -> None:
        self.products = ProductRows()
        self.lines = self.bad_lines = self.repeated = self.records_over_lines = 0
        self.columns: dict[str, Any] = {}
        self._quarantine = quarantine
        self._seen: set[str] = set()

    def read(self, path: Path, name: str, max_bad_share: float, progress: Progress) -> str:
        """Read all of ``path``; returns its fingerprint.

        Raises:
            UnreadableError: this is no products table; the message does not name the file.
        """
        table = TableFile(path, columns.PRODUCTS, progress, "read products", _BATCH_ROWS)
        self.columns = {"read": table.read, "unread": table.unread}
        for batch in table.batches():
            self.lines += len(batch.broken)
            for line, why, raw in batch.broken:
                self._bad(name, line, 1, why, raw)
            for number, span, row, reason in _rows(batch):
                self._add(name, number, span, row, reason)
            self._quarantine.stop_if_hopeless(name, self.lines, self.bad_lines, max_bad_share)
        return table.fingerprint

    def _bad(self, name: str, number: int, lines: int, reason: str, raw: str | bytes) -> None:
        self.bad_lines += lines
        self._quarantine.add(name, number, reason, raw)

    def _add(self, name: str, number: int, span: int, row: dict[str, Any], reason: str | None) -> None:
        self.lines += span
        try:
            if reason is not None:
                raise BadRecordError(reason)
            product_id = check_id(row["product_id"] or "")
        except BadRecordError as error:
            shown = ", ".join("" if value is None else str(value)[:200] for value in row.values())
            self._bad(name, number, span, str(error), shown)
            return
        repeated = product_id in self._seen
        if repeated:
            self.repeated += 1
            self._quarantine.add(name, number, "product appeared before (what is new here was added to it)", product_id)
        self._seen.add(product_id)
        self.records_over_lines += span > 1
        fields = {name: row.get(name) for name in PRODUCTS.names[1:]}
        fields["categories"] = split_categories(fields["categories"])
        self.products.add(product_id, **fields, repeated=repeated)


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
