"""Lines of a delimited text file into records, the same for every table.

The rule of quotes. A cell that begins with ``"`` is quoted: it ends at the next ``"`` that is not doubled, and there
the cell must end too. Any other ``"`` is a character like all others. A record goes on over the end of its line only if

* a quote is open there,
* it closes, where a cell ends, within ``MAX_RECORD_LINES`` lines and ``MAX_RECORD_BYTES`` bytes,
* the record then has as many cells as the header,
* and it is not true that each of three or more lines so joined has that many cells by itself, as then a stray quote (an
  inch mark, say) is far likelier than a text that happens to look like records.

Where one of these fails, the first line alone is bad and reading goes on with the next line: a stray quote costs the
line it stands in. Lines that are empty or hold only blanks are not records.

How it is fast: a block in which no record can span lines, because all its quotes stand where they should, is parsed by
Arrow; all else is taken line by line. Both give the same records, wherever the blocks are cut.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from core.typing import Int64Array

MAX_RECORD_LINES = 500
MAX_RECORD_BYTES = 1 << 20

_DELIMITERS = (b",", b";", b"\t", b"|")
_SEPARATOR_LINE = re.compile(rb'"?sep=([\t !#-/:-@\[-`{-~])"?\r*')
_EDGE = re.compile(rb"\d+[ \t]+\d+[ \t\r]*")
_BLANKS = re.compile(rb"[ \t]+")
_EDGES_LOOKED_AT = 50
_BOM = b"\xef\xbb\xbf"


class Layout(NamedTuple):
    """How a text file is laid out.

    Attributes:
        names: of the columns, as written.
        delimiter: one byte.
        runs: whether any run of blanks and tabs is one delimiter; then ``delimiter`` is a blank.
        skipped: lines before the first record: comments, blank lines, the header.
    """

    names: list[str]
    delimiter: bytes
    runs: bool
    skipped: int


class Broken(NamedTuple):
    """A line that is not a record: its 1-based number, the reason, and its text."""

    line: int
    reason: str
    raw: bytes


@dataclass
class Records:
    """Some records after each other.

    Attributes:
        columns: binary arrays ``[n]`` of the wanted columns.
        lines: int64 ``[n]``, the 1-based line in which each record begins.
        spans: int64 ``[n]``, over how many lines it goes.
        broken: lines among them that are no records.
    """

    columns: dict[str, pa.Array]
    lines: Int64Array
    spans: Int64Array
    broken: list[Broken] = field(default_factory=list)


def find_layout(head: bytes, fits: Callable[[list[str]], object | None], edges: bool) -> Layout | None:
    """The layout of a text that begins with ``head``; None if no line at its start is a header that ``fits``.

    Before the header there may be blank lines, lines that begin with ``#`` and Excel's ``sep=;``. Where the first other
    line is not a header, the last ``#`` line may be it.

    Args:
        head: the beginning of the text.
        fits: returns None for names that are not the right ones.
        edges: whether two columns of whole numbers under ``#`` lines are a table without a header (an edge list, as
            SNAP publishes graphs), whose columns are then called product1 and product2.
    """
    comment, forced, skipped, position = b"", None, 0, 0
    while position < len(head):
        end = head.find(b"\n", position)
        line = head[position : len(head) if end < 0 else end]
        if line.startswith(b"#"):
            comment = line
        elif match := _SEPARATOR_LINE.fullmatch(line):
            forced = match[1]
        elif line.strip():
            break
        if end < 0:
            return None
        skipped += 1
        position = end + 1
    else:
        return None
    if edges and comment and _are_edges(head[position:]):
        return Layout(["product1", "product2"], b" ", True, skipped)
    for text, before in ((line, skipped + 1), (comment.lstrip(b"#"), skipped)):
        for delimiter, runs in [(forced, False)] if forced else [*((d, False) for d in _DELIMITERS), (b" ", True)]:
            names = header_names(text, delimiter, runs)
            if fits(names) is not None:
                return Layout(names, delimiter, runs, before)
    return None


def header_names(line: bytes, delimiter: bytes, runs: bool = False) -> list[str]:
    """The names in a header line."""
    line = line.strip(b"\r\n ")
    if runs:
        line = _single_blanks(line)
    cells = split_cells(line, delimiter)
    if not isinstance(cells, list):
        cells = [cell.strip(b'"') for cell in line.split(delimiter)]
    return [cell.decode("utf-8", "replace").strip() for cell in cells]


def likely_names(head: bytes) -> list[str]:
    """The names in what is probably the header of a table of any kind, for people to read."""
    line = next((line for line in head.split(b"\n") if line.strip() and not line.startswith(b"#")), b"")[:4096]
    return max((header_names(line, delimiter) for delimiter in _DELIMITERS), key=len)


def _are_edges(body: bytes) -> bool:
    lines = body[: _EDGES_LOOKED_AT * 64].split(b"\n")
    whole = lines[:-1] if len(lines) > 1 else lines
    return all(_EDGE.fullmatch(line) for line in whole[:_EDGES_LOOKED_AT] if line.strip())


def read_records(blocks: Iterable[bytes], layout: Layout, wanted: Mapping[str, int]) -> Iterator[Records]:
    """The records of a text.

    Args:
        blocks: the text in pieces of whole lines.
        layout: of the text.
        wanted: position of each column that is wanted.
    """
    skip, number = layout.skipped, 1 + layout.skipped
    held = b""
    for block in blocks:
        while skip and block:
            _, _, block = block.partition(b"\n")
            skip -= 1
        if not block:
            continue
        if layout.runs:
            block = b"\n".join(map(_single_blanks, block.split(b"\n")))
        block, held = held + block, b""
        found = _quickly(block, number, layout, wanted)
        if found is None:
            found, rest = _carefully(block, number, layout, wanted, at_end=False)
            held = rest
            number -= rest.count(b"\n")
        number += block.count(b"\n")
        yield found
    if held:
        yield _carefully(held, number, layout, wanted, at_end=True)[0]


def _blank(layout: Layout) -> bytes:
    """The characters that a blank line may hold."""
    return b" " if layout.delimiter == b"\t" else b" \t"


def _single_blanks(line: bytes) -> bytes:
    return _BLANKS.sub(b" ", line.strip(b" \t\r"))


# One by one


class _Open:
    """A quote is open at the end of the text."""


class _Stray:
    """A quote closes where no cell ends, or there are more cells than there may be."""


OPEN, STRAY = _Open(), _Stray()


def split_cells(text: bytes, delimiter: bytes, most: int | None = None) -> list[bytes] | _Open | _Stray:
    """The cells of a record.

    Args:
        text: one record, or the beginning of one.
        delimiter: one byte.
        most: with more cells than that, a text that has an open quote is STRAY.

    >>> split_cells(b'a,"b ""c"", d",5" long', b",")
    [b'a', b'b "c", d', b'5" long']
    """
    cells: list[bytes] = []
    position = 0
    while True:
        if text[position : position + 1] == b'"':
            end = text.find(b'"', position + 1)
            while end >= 0 and text[end + 1 : end + 2] == b'"':
                end = text.find(b'"', end + 2)
            if end < 0:
                return OPEN if most is None or len(cells) < most else STRAY
            cells.append(text[position + 1 : end].replace(b'""', b'"'))
            after = text[end + 1 : end + 2]
            if not after:
                return cells
            if after != delimiter:
                return STRAY
            position = end + 2
        else:
            end = text.find(delimiter, position)
            if end < 0:
                cells.append(text[position:])
                return cells
            cells.append(text[position:end])
            position = end + 1


def _carefully(
    block: bytes, number: int, layout: Layout, wanted: Mapping[str, int], at_end: bool
) -> tuple[Records, bytes]:
    """The records of a block, and its end that may be the beginning of a record which goes on in the next block."""
    delimiter, count = layout.delimiter, len(layout.names)
    positions = list(wanted.values())
    rows: list[list[bytes]] = []
    starts: list[int] = []
    spans: list[int] = []
    broken: list[Broken] = []
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    blank = _blank(layout)
    rest = b""
    i = 0
    while i < len(lines):
        line, span = lines[i].rstrip(b"\r"), 1
        if not line.strip(blank):
            i += 1
            continue
        cells: list[bytes] | _Open | _Stray | None
        cells = split_cells(line, delimiter, count) if b'"' in line else line.split(delimiter)
        if cells is OPEN:
            cells, span = _joined(lines, i, layout, at_end)
            if cells is None:
                rest = b"\n".join(lines[i:]) + (b"\n" if block.endswith(b"\n") else b"")
                break
        if not isinstance(cells, list):
            broken.append(Broken(number + i, "a quote stands where none should, or is never closed", line))
            span = 1
        elif len(cells) != count:
            broken.append(Broken(number + i, f"{len(cells)} columns where {count} are expected", line))
        else:
            rows.append([cells[position] for position in positions])
            starts.append(number + i)
            spans.append(span)
        i += span
    columns: Sequence[Sequence[bytes]] = list(zip(*rows, strict=True)) or [()] * len(positions)
    arrays = {name: pa.array(column, pa.binary()) for name, column in zip(wanted, columns, strict=True)}
    return Records(arrays, np.array(starts, np.int64), np.array(spans, np.int64), broken), rest


def _joined(lines: list[bytes], first: int, layout: Layout, at_end: bool) -> tuple[list[bytes] | _Stray | None, int]:
    """The cells of a record that begins in line ``first`` with a quote open at its end, and how many lines it takes.

    None in place of the cells if the lines do not tell yet.
    """
    count = len(layout.names)
    text = lines[first]
    for last in range(first + 1, min(len(lines), first + MAX_RECORD_LINES)):
        text += b"\n" + lines[last]
        if len(text) > MAX_RECORD_BYTES:
            return STRAY, 1
        if b'"' not in lines[last]:
            continue
        cells = split_cells(text.rstrip(b"\r"), layout.delimiter, count)
        if cells is OPEN:
            continue
        if isinstance(cells, _Stray) or not isinstance(cells, list) or len(cells) != count:
            return STRAY, 1
        span = last - first + 1
        alone = all(line.count(layout.delimiter) + 1 == count for line in lines[first : last + 1])
        return (STRAY, 1) if span > 2 and alone else (cells, span)
    if at_end or len(lines) - first >= MAX_RECORD_LINES:
        return STRAY, 1
    return None, 1


# A block at a time

_BLANK_STARTS = (b"\n", b"\r\n", _BOM)
_BLANK_LINES = (b"\n\n", b"\n\r\n")


def _quickly(block: bytes, number: int, layout: Layout, wanted: Mapping[str, int]) -> Records | None:
    """The records of a block, None if it must be read with care."""
    names = [str(i) for i in range(len(layout.names))]
    if (
        len(names) < 2  # Arrow takes a line of blanks for a record then
        or block.startswith(_BLANK_STARTS)  # and drops a byte order mark, and takes an empty line for empty cells
        or any(blank in block for blank in _BLANK_LINES)
        or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n"))
        or not _is_utf8(block)  # which the rows that are no records must be
        or not _quotes_are_clean(block, layout.delimiter)
    ):
        return None
    odd: list[pa.csv.InvalidRow] = []

    def note(row: pa.csv.InvalidRow) -> str:
        odd.append(row)
        return "skip"

    columns = {name: names[position] for name, position in wanted.items()}
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            pa.csv.ParseOptions(
                delimiter=layout.delimiter.decode("latin-1"), ignore_empty_lines=False, invalid_row_handler=note
            ),
            pa.csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(columns.values(), pa.binary()),
                include_columns=list(columns.values()),
            ),
        )
    except pa.ArrowException:
        return None
    count = block.count(b"\n") + (not block.endswith(b"\n"))
    if table.num_rows + len(odd) != count or any(row.number is None for row in odd):
        return None
    skipped = np.array([row.number - 1 for row in odd], np.int64)
    broken = []
    if odd:
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
        bounds = np.r_[-1, ends, len(block)]
        for at, row in zip(skipped.tolist(), odd, strict=True):
            raw = block[bounds[at] + 1 : bounds[at + 1]].rstrip(b"\r")
            if raw.strip(_blank(layout)):
                reason = f"{row.actual_columns} columns where {row.expected_columns} are expected"
                broken.append(Broken(number + at, reason, raw))
    lines = np.setdiff1d(np.arange(count), skipped, assume_unique=True) if odd else np.arange(count)
    arrays = {name: table[column].combine_chunks() for name, column in columns.items()}
    return Records(arrays, lines + number, np.ones(len(lines), np.int64), broken)


def _is_utf8(block: bytes) -> bool:
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


def _quotes_are_clean(block: bytes, delimiter: bytes) -> bool:
    """Whether every quote of the block opens or closes a cell, or is doubled within one, and no line leaves one open.

    Counted within its line, the first, third, ... quote opens a cell: a delimiter or a line's start stands before it;
    the second, fourth, ... closes it: a delimiter or a line's end follows. The two of a doubled quote close and open.
    """
    if b'"' not in block:
        return True
    data = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    marks = np.flatnonzero((data == ord('"')) | (data == ord("\n")))
    is_quote = data[marks] == ord('"')
    quotes = np.flatnonzero(is_quote)
    if len(quotes) % 2 or not is_quote[quotes[0::2] + 1].all():  # a line ends before the quote closes
        return False
    opening, closing = marks[quotes[0::2]], marks[quotes[1::2]]
    before, after = data[opening - 1], data[closing + 1]
    mark = delimiter[0]
    return bool(
        np.all((before == mark) | (before == ord("\n")) | (before == ord('"')))
        and np.all((after == mark) | (after == ord("\n")) | (after == ord("\r")) | (after == ord('"')))
    )
