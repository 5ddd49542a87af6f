"""A team's own table of products into the catalogue's products table.

Belongs here: CSV and Parquet files with ``product_id`` and any of title, brand, price, categories ("a|b|c" or a list),
sales_rank, image_url. Does not belong here: pairs (``core.catalog.pairs_table``), cleaning (``core.catalog.clean``).
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.catalog.clean import split_categories
from core.catalog.lines import LineBlocks, file_sha256
from core.catalog.tables import PRODUCTS, BadRecordError, ProductRows, Quarantine, check_id
from core.catalog.tabular import csv_header, id_text, is_parquet, no_column
from core.errors import InputError
from core.progress import Progress

_BATCH_ROWS = 1 << 14


class ProductsReader:
    """Fills the products table from a team's own table of products.

    Attributes:
        products: builder of the table.
        lines: rows read, without the header.
        bad_lines: of these, the ones without a usable id.
        repeated: of these, the ones whose product came before.
    """

    def __init__(self, quarantine: Quarantine) -> None:
        self.products = ProductRows()
        self.lines = self.bad_lines = self.repeated = 0
        self._quarantine = quarantine
        self._seen: set[str] = set()

    def read(self, path: Path, name: str, max_bad_share: float, progress: Progress) -> str:
        """Read all of ``path``; returns its fingerprint."""
        if is_parquet(path):
            for number, fields in _parquet_products(path, name, progress):
                self._add(name, number, fields)
            return file_sha256(path)
        reader = LineBlocks(path, progress, "read products")
        for number, row in _csv_products(reader, name):
            self._add(name, number, row)
            if self.lines % (1 << 14) == 0:
                self._quarantine.stop_if_hopeless(name, self.lines, self.bad_lines, max_bad_share)
        for fault in reader.faults:
            self.lines += 1
            self.bad_lines += 1
            self._quarantine.add(name, fault.line, fault.reason, fault.excerpt)
        return reader.fingerprint

    def _add(self, name: str, number: int, row: dict[str, Any] | str) -> None:
        self.lines += 1
        try:
            if isinstance(row, str):
                raise BadRecordError(row)
            if any(isinstance(value, str) and not value.isascii() and _has_surrogates(value) for value in row.values()):
                raise BadRecordError("no valid UTF-8")
            product_id = check_id(row.get("product_id") or "")
        except BadRecordError as error:
            self.bad_lines += 1
            self._quarantine.add(name, number, str(error), str(row))
            return
        repeated = product_id in self._seen
        if repeated:
            self.repeated += 1
            self._quarantine.add(name, number, "product appeared before (what is new here was added to it)", product_id)
        self._seen.add(product_id)
        fields = {name: row.get(name) for name in PRODUCTS.names[1:]}
        fields["categories"] = split_categories(fields["categories"])
        self.products.add(product_id, **fields, repeated=repeated)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _csv_products(reader: LineBlocks, name: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """First line and fields of each product; a text in place of the fields is the reason why there are none."""
    lines = _text_lines(reader)
    first = next(lines, "")
    header = csv_header(first.encode("utf-8", "surrogateescape"), ("product_id",))
    if header is None:
        raise no_column(name, [first[:200]], "product_id")
    names, delimiter = header
    rows = csv.reader(lines, delimiter=delimiter)
    while True:
        number = rows.line_num + 2  # of the row to come; the reader has not seen the header
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"broken row: {error}"
            continue
        if len(row) == len(names):
            yield number, dict(zip(names, row, strict=True))
        elif row:
            yield number, f"{len(row)} columns where {len(names)} are expected"


def _text_lines(reader: LineBlocks) -> Iterator[str]:
    for block in reader.blocks():
        for line in block.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n"):
            yield line + "\n"


def _parquet_products(path: Path, name: str, progress: Progress) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        file = pq.ParquetFile(path)
        found = {column.lower(): column for column in file.schema_arrow.names}
        if "product_id" not in found:
            raise no_column(name, list(found), "product_id")
        wanted = {column: found[column] for column in PRODUCTS.names if column in found}
        number, total = 0, file.metadata.num_rows
        for rows in file.iter_batches(_BATCH_ROWS, columns=list(wanted.values())):
            columns = {column: rows.column(original) for column, original in wanted.items()}
            columns["product_id"] = id_text(columns["product_id"], name, "product_id")
            for column, values in columns.items():
                if pa.types.is_decimal(values.type):
                    columns[column] = values.cast(pa.float64())
            for row in pa.RecordBatch.from_pydict(columns).to_pylist():
                number += 1
                yield number, row
            progress("read products", number, total, "rows")
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{name}: broken Parquet file ({error}); write it anew") from error
