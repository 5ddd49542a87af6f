"""A team's own table of product pairs into the catalogue's relationships table.

Belongs here: CSV and Parquet files with the columns ``product1, product2[, relationship][, weight]``. Does not belong
here: what the pairs are used for. Ids are text: whole numbers of a Parquet file are written out, floats are refused, as
nobody means ``12.0``. Everything works on whole columns, as there may be tens of millions of rows.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from core.catalog.lines import LineBlocks, file_sha256
from core.catalog.numbers import TextNumbers
from core.catalog.tables import MAX_ID_BYTES, Quarantine, relationships_table, shared_codes
from core.catalog.tabular import as_text, csv_header, id_text, is_number, is_parquet, is_textual, no_column
from core.errors import InputError
from core.progress import Progress
from core.relationships import ADD, UNNAMED, unify_names

MAX_RELATIONSHIPS = 60

_BATCH_ROWS = 1 << 19


def is_pairs_header(line: bytes) -> bool:
    """Whether the first line of a text file is the header of a pairs table."""
    return csv_header(line, ("product1", "product2")) is not None


@dataclass
class _Batch:
    """Rows of a pairs table: text columns (string or binary) and where each row stands in the file."""

    lines: np.ndarray
    product1: pa.Array
    product2: pa.Array
    relationship: pa.Array | None
    weight: pa.Array | None


class PairsReader:
    """Fills the relationships table from a pairs table.

    Attributes:
        lines: rows read, without the header and blank lines.
        bad_lines: of these, the ones in quarantine.
    """

    def __init__(self, quarantine: Quarantine) -> None:
        self.lines = self.bad_lines = 0
        self._quarantine = quarantine
        self._ids: tuple[list[pa.DictionaryArray], list[pa.DictionaryArray]] = ([], [])
        self._relationships: list[pa.DictionaryArray] = []
        self._weights: list[np.ndarray] = []
        self._doubts: list[np.ndarray] = []
        self._numbers = TextNumbers()
        self._weighted = False

    def read(self, path: Path, name: str, max_bad_share: float, progress: Progress) -> str:
        """Read all of ``path``; returns its fingerprint (SHA-256 of its bytes)."""
        if is_parquet(path):
            for batch in _parquet_batches(path, name, progress):
                self._add(batch, name, max_bad_share)
            return file_sha256(path)
        reader = LineBlocks(path, progress, "read pairs")
        for batch, broken in _csv_batches(reader, name):
            for number, reason, raw in broken:
                self._bad(name, number, reason, raw)
            self.lines += len(broken)
            self._add(batch, name, max_bad_share)
        for fault in reader.faults:
            self.lines += 1
            self._bad(name, fault.line, fault.reason, fault.excerpt)
        return reader.fingerprint

    def table(self) -> pa.Table:
        """The rows read so far as a table of schema ``RELATIONSHIPS``."""
        codes, dictionary = shared_codes(self._ids[0] + self._ids[1])
        kinds, written = shared_codes(self._relationships)
        kinds, names = unify_names(kinds, written.to_pylist())
        if len(names) > MAX_RELATIONSHIPS:
            raise InputError(
                f"column relationship holds {len(names):,} different names ({names[0]}, {names[1]}, ...); "
                f"it names the kind of a pair, at most {MAX_RELATIONSHIPS} kinds are supported"
            )
        half = len(codes) // 2
        weight = None
        if self._weighted:
            weight = self._numbers.decided(np.concatenate(self._weights), np.concatenate(self._doubts))
        return relationships_table(dictionary, codes[:half], codes[half:], kinds.astype(np.int8), names, weight, ADD)

    def _bad(self, name: str, number: int, reason: str, raw: str | bytes) -> None:
        self.bad_lines += 1
        self._quarantine.add(name, number, reason, raw)

    def _add(self, batch: _Batch, name: str, max_bad_share: float) -> None:
        n = len(batch.lines)
        if not n:
            return
        reasons: list[tuple[np.ndarray, str]] = []
        ids = []
        for column, label in ((batch.product1, "product1"), (batch.product2, "product2")):
            text = _text(column, reasons, label)
            reasons.append((_mask(pc.equal(text, "")), f"{label} is missing"))
            reasons.append((_mask(pc.invert(pc.utf8_is_printable(text))), f"{label} has unprintable characters"))
            long = pc.greater(pc.binary_length(text), MAX_ID_BYTES)
            reasons.append((_mask(long), f"{label} is longer than {MAX_ID_BYTES:,} bytes"))
            ids.append(text)
        reasons.append((_mask(pc.equal(*ids)), "product1 and product2 are the same"))
        weight = None
        if batch.weight is not None:
            weight, doubts = _numbers(batch.weight, self._numbers, reasons)
        relationship = (
            pa.array([UNNAMED] * n)
            if batch.relationship is None
            else _text(batch.relationship, reasons, "relationship")
        )
        reasons.append((_mask(pc.equal(relationship, "")), "relationship is missing"))

        good = np.ones(n, bool)
        for mask, reason in reasons:
            for row in np.flatnonzero(mask & good):
                columns = (batch.product1, batch.product2, batch.relationship, batch.weight)
                values = [column[row].as_py() for column in columns if column is not None]
                raw = ", ".join(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
                self._bad(name, int(batch.lines[row]), reason, raw)
            good &= ~mask
        self.lines += n
        keep = pa.array(good)
        for chunks, text in zip(self._ids, ids, strict=True):
            chunks.append(text.filter(keep).dictionary_encode())
        self._relationships.append(relationship.filter(keep).dictionary_encode())
        if weight is not None:
            self._weighted = True
            self._weights.append(weight[good])
            self._doubts.append(doubts[good])
        self._quarantine.stop_if_hopeless(name, self.lines, self.bad_lines, max_bad_share)


def _mask(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False)


def _text(column: pa.Array, reasons: list[tuple[np.ndarray, str]], label: str) -> pa.Array:
    """Trimmed text, empty for null; bytes that are no UTF-8 are noted in ``reasons`` and come out as empty."""
    if pa.types.is_binary(column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowInvalid:
            texts = [_decoded(value) for value in column.to_pylist()]
            reasons.append((np.array([text is None for text in texts]), f"{label} is no valid UTF-8"))
            column = pa.array(texts, pa.string())
    return pc.utf8_trim_whitespace(column.fill_null(""))


def _decoded(value: bytes | None) -> str | None:
    try:
        return "" if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _numbers(
    column: pa.Array, numbers: TextNumbers, reasons: list[tuple[np.ndarray, str]]
) -> tuple[np.ndarray, np.ndarray]:
    """float32 weights and int8 doubts (see ``TextNumbers``); rows whose weight is none are noted in ``reasons``."""
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        values, doubts = numbers.read(_text(column, reasons, "weight"))
        reasons.append((np.isnan(values), "weight is no number"))
    else:
        reasons.append((_mask(column.is_null()), "weight is missing"))
        values = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        doubts = np.zeros(len(values), np.int8)
    with np.errstate(over="ignore", under="ignore"):
        weight = values.astype(np.float32)
    reasons.append((~np.isfinite(weight), "weight is not finite"))
    reasons.append((weight <= 0, "weight is not positive"))
    return weight, doubts


def _parquet_batches(path: Path, name: str, progress: Progress) -> Iterator[_Batch]:
    try:
        file = pq.ParquetFile(path)
        found = {column.lower(): column for column in file.schema_arrow.names}
        for needed in ("product1", "product2"):
            if needed not in found:
                raise no_column(name, list(found), needed)
        wanted = [found[c] for c in ("product1", "product2", "relationship", "weight") if c in found]
        done, total = 0, file.metadata.num_rows
        for rows in file.iter_batches(_BATCH_ROWS, columns=wanted):
            columns: dict[str, pa.Array] = {key: rows.column(found[key]) for key in found if found[key] in wanted}
            weight = columns.get("weight")
            if weight is not None:
                weight = as_text(weight) if is_textual(weight.type) else weight
                if not is_textual(weight.type) and not is_number(weight.type):
                    raise InputError(f"{name}: column weight holds {weight.type}; write numbers")
            relationship = columns.get("relationship")
            if relationship is not None and not is_textual(relationship.type):
                raise InputError(f"{name}: column relationship holds {relationship.type}; write names as text")
            yield _Batch(
                np.arange(done + 1, done + 1 + len(rows)),
                id_text(columns["product1"], name, "product1"),
                id_text(columns["product2"], name, "product2"),
                None if relationship is None else as_text(relationship),
                weight,
            )
            done += len(rows)
            progress("read pairs", done, total, "rows")
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{name}: broken Parquet file ({error}); write it anew") from error


_BLANK_STARTS = (b"\n", b"\r\n")
_BLANKS = (b"\n\n", b"\n\r\n")
_Broken = list[tuple[int, str, bytes]]


def _csv_batches(reader: LineBlocks, name: str) -> Iterator[tuple[_Batch, _Broken]]:
    """Batches and the rows that are no rows; the file's lines are numbered from 1, the header being the first."""
    names: list[str] = []
    delimiter, number = "", 1
    for block in reader.blocks():
        if not names:
            first, _, block = block.partition(b"\n")
            header = csv_header(first, ("product1", "product2"))
            if header is None:
                raise no_column(name, [first.decode("utf-8", "replace")[:200]], "product1")
            names, delimiter = header
            number = 2
        if not block:
            continue
        count = block.count(b"\n") + (not block.endswith(b"\n"))
        wanted: list[str] = [c for c in ("product1", "product2", "relationship", "weight") if c in names]
        table, lines, broken = _csv_table(block, count, names, delimiter, wanted)
        columns = {c: table[c].combine_chunks() if c in table.column_names else None for c in names}
        yield (
            _Batch(
                lines + number,
                columns["product1"],
                columns["product2"],
                columns.get("relationship"),
                columns.get("weight"),
            ),
            [(line + number, reason, raw) for line, reason, raw in broken],
        )
        number += count


def _csv_table(
    block: bytes, count: int, names: list[str], delimiter: str, wanted: list[str]
) -> tuple[pa.Table, np.ndarray, _Broken]:
    """The ``wanted`` columns as bytes, the offset of each row's line, and the lines that are no rows."""
    odd: list[pa.csv.InvalidRow] = []

    def note(row: pa.csv.InvalidRow) -> str:
        odd.append(row)
        return "skip"

    if block.startswith(_BLANK_STARTS) or any(blank in block for blank in _BLANKS):
        return _csv_table_by_line(block, names, delimiter, wanted)  # Arrow takes a blank line for a row of empty cells
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            pa.csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=note),
            pa.csv.ConvertOptions(
                check_utf8=False, column_types=dict.fromkeys(wanted, pa.binary()), include_columns=wanted
            ),
        )
    except pa.ArrowInvalid:
        table = None
    if table is None or table.num_rows + len(odd) != count or any(row.number is None for row in odd):
        return _csv_table_by_line(block, names, delimiter, wanted)  # a quote that stands where none should
    skipped = np.array([row.number - 1 for row in odd], np.int64)
    broken = [
        (row.number - 1, f"{row.actual_columns} columns where {row.expected_columns} are expected", row.text.encode())
        for row in odd
        if row.text.strip()
    ]
    return table, np.setdiff1d(np.arange(count), skipped, assume_unique=True), broken


def _csv_table_by_line(
    block: bytes, names: list[str], delimiter: str, wanted: list[str]
) -> tuple[pa.Table, np.ndarray, _Broken]:
    rows: list[list[bytes]] = []
    lines: list[int] = []
    broken: _Broken = []
    for offset, line in enumerate(block.split(b"\n")):
        if not line.strip():
            continue
        try:
            (row,) = csv.reader([line.decode("utf-8", "surrogateescape")], delimiter=delimiter, strict=True)
        except (csv.Error, ValueError) as error:
            broken.append((offset, f"broken row: {error}", line))
            continue
        if len(row) != len(names):
            broken.append((offset, f"{len(row)} columns where {len(names)} are expected", line))
            continue
        rows.append([row[names.index(column)].encode("utf-8", "surrogateescape") for column in wanted])
        lines.append(offset)
    columns = list(zip(*rows, strict=True)) or [()] * len(wanted)
    table = pa.table([pa.array(column, pa.binary()) for column in columns], names=wanted)
    return table, np.array(lines, np.int64), broken
