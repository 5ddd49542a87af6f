"""A team's own table as batches of rows, whether it is CSV, Parquet or Arrow."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.catalog import column_names
from core.catalog.column_names import Needs
from core.catalog.containers import UnreadableError
from core.catalog.file_kind import PARQUET, TEXT, SourceFile, check_json, is_json
from core.catalog.lines import LineBlocks, file_sha256
from core.catalog.quarantine import FileReport
from core.catalog.records import Broken, Layout, Records, find_layout, likely_names, read_records
from core.catalog.tables import MAX_ID_BYTES
from core.progress import Progress
from core.typing import BoolArray, Int64Array

_FEW_BYTES = 1 << 20
_BATCH_BYTES = 64 << 20


@dataclass
class Batch:
    """Some rows of a table.

    Attributes:
        columns: arrays ``[n]`` by documented name; binary from a text file, of any type from others.
        lines: int64 ``[n]``, 1-based line (of a text file, the header counts) or row of each.
        spans: int64 ``[n]``, over how many lines each goes.
        broken: lines that are not rows.
    """

    columns: dict[str, pa.Array]
    lines: Int64Array
    spans: Int64Array
    broken: list[Broken] = field(default_factory=list)


class TableFile:
    """A table of which only the understood columns are read.

    Attributes:
        read: the name in the file of each column that is read, by documented name.
        unread: names of the columns that are not.
        fingerprint: SHA-256 of the file, complete once :meth:`batches` is exhausted.

    Raises:
        UnreadableError: the file is not such a table.
    """

    def __init__(self, file: SourceFile, needs: Needs, progress: Progress, stage: str, batch_rows: int) -> None:
        self._path, self._kind = file.path, file.kind
        self._progress, self._stage, self._batch_rows = progress, stage, batch_rows
        self._layout: Layout | None = None
        self.fingerprint = ""
        if file.kind == TEXT:
            self._layout = _layout(file.head, needs)
            names = self._layout.names
        else:
            self._file, names = _open(file.path, file.kind)
        self._positions = needs.columns(names)
        self.read = {role: names[position].strip() for role, position in self._positions.items()}
        self.unread = column_names.unread(names, self._positions)

    def batches(self) -> Iterator[Batch]:
        """All rows, in order.

        Raises:
            UnreadableError: the file is damaged.
        """
        return self._text_batches() if self._layout is not None else self._row_batches()

    def _text_batches(self) -> Iterator[Batch]:
        assert self._layout is not None  # noqa: S101
        reader = LineBlocks(self._path, self._progress, self._stage)
        held: list[Records] = []
        rows = size = 0
        for records in read_records(reader.blocks(), self._layout, self._positions):
            held.append(records)
            rows += len(records.lines) + len(records.broken)
            size += sum(column.nbytes for column in records.columns.values())
            if rows >= self._batch_rows or size >= _BATCH_BYTES:
                yield _together(held)
                held, rows, size = [], 0, 0
        if held:
            yield _together(held)
        if reader.faults:
            none = np.empty(0, np.int64)
            faults = [Broken(line, reason, _bytes(excerpt)) for line, reason, excerpt in reader.faults]
            yield Batch({role: pa.array([], pa.binary()) for role in self._positions}, none, none, faults)
        self.fingerprint = reader.fingerprint

    def _row_batches(self) -> Iterator[Batch]:
        done = 0
        try:
            for rows in self._rows():
                lines = np.arange(done + 1, done + 1 + len(rows))
                done += len(rows)
                by_role = {role: _plain(rows.column(i)) for i, role in enumerate(self._positions)}
                yield Batch(by_role, lines, np.ones_like(lines))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _broken(self._kind, error) from error
        self.fingerprint = file_sha256(self._path)

    def _rows(self) -> Iterator[pa.RecordBatch]:
        """Batches with just the wanted columns, in the order of ``_positions``."""
        wanted = list(self._positions.values())
        if self._kind == PARQUET:
            names = [self._file.schema_arrow.names[i] for i in wanted]
            done, total = 0, self._file.metadata.num_rows
            for rows in self._file.iter_batches(self._batch_rows, columns=names):
                yield rows.select(names)
                done += len(rows)
                self._progress(self._stage, done, total, "rows")
            return
        for number in range(self._file.num_record_batches):
            rows = self._file.get_batch(number).select(wanted)
            rows.validate(full=True)  # Arrow trusts what it reads, and a damaged offset would end the process
            for start in range(0, len(rows), self._batch_rows):
                yield rows.slice(start, self._batch_rows)
            self._progress(self._stage, number + 1, self._file.num_record_batches, "batches")


def has_columns(file: SourceFile, needs: Needs) -> bool:
    """Whether a file is a table with the needed columns."""
    if file.kind == TEXT:
        return find_layout(file.head, needs.find, edges=needs is column_names.PAIRS_TABLE) is not None
    return needs.find(_open(file.path, file.kind)[1]) is not None


class TableReader(ABC):
    """Reads a team's own table batch by batch: what the readers of all tables share.

    Args:
        needs: the kind of table.
        stage: name of the reading, for the progress.
        batch_rows: rows of a batch, about.
    """

    def __init__(self, needs: Needs, stage: str, batch_rows: int) -> None:
        self._needs, self._stage, self._batch_rows = needs, stage, batch_rows

    def read(self, file: SourceFile, report: FileReport, progress: Progress) -> str:
        """Read all of a file; see :meth:`core.catalog.formats.Reader.read`."""
        table = TableFile(file, self._needs, progress, self._stage, self._batch_rows)
        report.columns = {"read": table.read, "unread": table.unread}
        for batch in table.batches():
            report.lines += len(batch.broken) + int(batch.spans.sum())
            for line, reason, raw in batch.broken:
                report.bad(line, reason, raw)
            if len(batch.lines):
                self._add(batch, report)
            report.stop_if_hopeless()
        return table.fingerprint

    @abstractmethod
    def _add(self, batch: Batch, report: FileReport) -> None:
        """Take the rows of a batch, of which there is at least one, and report those that are bad."""


def _together(parts: list[Records]) -> Batch:
    return Batch(
        {role: pa.concat_arrays([part.columns[role] for part in parts]) for role in parts[0].columns},
        np.concatenate([part.lines for part in parts]),
        np.concatenate([part.spans for part in parts]),
        [broken for part in parts for broken in part.broken],
    )


def _layout(head: bytes, needs: Needs) -> Layout:
    layout = find_layout(head, needs.find, edges=needs is column_names.PAIRS_TABLE)
    if layout is not None:
        return layout
    if is_json(head):
        check_json(head)
        raise UnreadableError(
            f"this is JSON, one object a line; a {needs.what} is CSV or Parquet with the columns "
            f"{', '.join(needs.needed)}. Amazon metadata is read with `format: mcauley`"
        )
    if not head.strip():
        raise UnreadableError(f"the file is empty; a {needs.what} needs the columns {', '.join(needs.needed)}")
    if len(head) >= _FEW_BYTES and b"\n" not in head:
        raise UnreadableError(f"its first line is longer than {_FEW_BYTES:,} bytes, so this is not a table")
    raise needs.missing(likely_names(head))


def _open(path: Path, kind: str) -> tuple[Any, list[str]]:
    """The file and the names of its columns."""
    try:
        if kind == PARQUET:
            file = pq.ParquetFile(path)
            return file, file.schema_arrow.names
        file = pa.ipc.open_file(pa.OSFile(str(path)))
        return file, file.schema.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _broken(kind, error) from error


def _broken(kind: str, error: Exception) -> UnreadableError:
    said = " ".join(str(error).split())[:200]
    return UnreadableError(f"broken {kind.title()} file ({said}); export it again")


def _plain(column: pa.Array) -> pa.Array:
    """The column without a dictionary, and text of every type as binary: that it is UTF-8 is only claimed."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.binary()) if any(test(column.type) for test in _TEXT_TYPES) else column


_TEXT_TYPES = (
    pa.types.is_null,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


def is_textual(kind: pa.DataType) -> bool:
    """Whether a column of a batch is text."""
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of a batch is numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def id_text(column: pa.Array, label: str) -> pa.Array:
    """A column of ids as text.

    Raises:
        UnreadableError: it holds neither text nor whole numbers.
    """
    if is_textual(column.type):
        return column
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    raise UnreadableError(
        f"column {label} holds {column.type}; write product ids as text or whole numbers "
        "(pandas turns whole numbers into floats when values are missing)"
    )


def as_utf8(column: pa.Array) -> tuple[pa.Array, BoolArray | None]:
    """Text as strings, and where it is not UTF-8 (bool ``[n]``, None for nowhere); there the text is empty.

    Nulls come out as empty text too.
    """
    invalid = None
    if pa.types.is_binary(column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowInvalid:
            texts = [_decoded(value) for value in column.to_pylist()]
            invalid = np.array([text is None for text in texts])
            column = pa.array([text or "" for text in texts], pa.string())
    return column.fill_null(""), invalid


def _decoded(value: bytes | None) -> str | None:
    try:
        return "" if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def id_faults(texts: pa.Array) -> Iterable[tuple[BoolArray, str]]:
    """Masks (bool ``[n]``) of texts unfit as product ids, with the reasons; the first that applies counts."""
    yield mask_of(pc.equal(texts, "")), "is missing"
    yield mask_of(pc.invert(pc.utf8_is_printable(texts))), "has unprintable characters"
    yield mask_of(pc.greater(pc.binary_length(texts), MAX_ID_BYTES)), f"is longer than {MAX_ID_BYTES:,} bytes"
    lists = pc.or_(pc.starts_with(texts, "["), pc.or_(pc.starts_with(texts, "{'"), pc.starts_with(texts, '{"')))
    yield mask_of(lists), "is a list; write one product a row"


def mask_of(column: pa.Array) -> BoolArray:
    """A boolean column without nulls as an array."""
    mask: BoolArray = column.to_numpy(zero_copy_only=False)
    return mask
