"""Changing one pair in the file of pins, so that every other line stays byte for byte as it is."""

import contextlib
import csv
import fcntl
import hashlib
import io
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from core.catalog.file_kind import TEXT, look_at
from core.catalog.lines import LineBlocks
from core.catalog.records import Layout, find_layout
from core.errors import InputError
from core.recommendations.form import SLOTS
from core.recommendations.rules.pins import ALL, COLUMNS, Pin, pins_of_table, replace_file, write_pins
from core.recommendations.rules.tables import nodes_of_ids, read_small_table

_BOM = b"\xef\xbb\xbf"
_BY_HAND = "edit it by hand, or save it as a CSV file (UTF-8, not packed) with commas"
_THREADS = threading.Lock()


@dataclass(frozen=True)
class Edit:
    """What is wanted of one pair in one slot.

    Attributes:
        product_id, neighbour: the pair.
        slot: one of ``SLOTS``.
        action: ``pin`` or ``block``, or None if the pair is to be neither.
        rank: 1-based place of a pinned neighbour, or None for the first free place.
    """

    product_id: str
    neighbour: str
    slot: str
    action: str | None
    rank: int | None = None


def file_digest(path: Path) -> str:
    """SHA-256 of the file's bytes; empty if there is no such file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def edit_pins(path: Path, edit: Edit, seen: str, product_ids: pa.Array, name: str = "") -> None:
    """Pin, block or release a pair.

    The rows of the pair that hold in the slot are removed. Where such a row holds in all slots, rows for the other
    slots take its place. A new row is appended. All other lines, comments among them, stay as they are. The file is
    replaced atomically, and only if its digest is still the one that the editor saw.

    Args:
        path: a CSV file; it is created if it is missing.
        edit: the change.
        seen: its :func:`file_digest` when the editor looked at it.
        product_ids: string ``[n]``: the ids of the category's products.
        name: what messages call the file; by default its path.

    Raises:
        InputError: somebody else changed the file since, or it cannot be edited; it is unchanged.
    """
    name, path = name or str(path), path.resolve()
    with _one_at_a_time(path.parent):
        if file_digest(path) != seen:
            raise InputError(
                f"{name} was changed by somebody else in the meantime; look at it again and repeat the edit"
            )
        row = [Pin(edit.product_id, edit.neighbour, edit.slot, edit.action, edit.rank)] if edit.action else []
        if not seen:
            write_pins(path, row)
            return
        raw = path.read_bytes()
        edited = _edited(path, raw, edit, row, product_ids, name)
        if edited != raw:
            replace_file(path, edited)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """No other editor of this or another process compares and replaces meanwhile, where the file system has locks."""
    folder.mkdir(parents=True, exist_ok=True)
    with _THREADS:
        handle = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _edited(path: Path, raw: bytes, edit: Edit, new: list[Pin], product_ids: pa.Array, name: str) -> bytes:
    """The bytes of the file after the edit."""
    table = read_small_table(path, name, COLUMNS)
    layout = _layout(path, raw, name)
    before, _ = pins_of_table(table)
    *whole, rest = raw.split(b"\n")
    lines = [line + b"\n" for line in whole] + ([rest] if rest else [])
    ending = b"\r\n" if lines[0].endswith(b"\r\n") else b"\n"
    spans = dict(zip(table.lines.tolist(), table.spans.tolist(), strict=True))
    meant = _rows_meant([pin for _, pin in before], edit, product_ids)
    if [pin for (_, pin), chosen in zip(before, meant, strict=True) if chosen] == new:
        return raw
    kept: list[Pin] = []
    for (line, pin), chosen in zip(before, meant, strict=True):
        if not chosen:
            kept.append(pin)
            continue
        others = [replace(pin, slot=slot) for slot in SLOTS if slot != edit.slot] if pin.slot == ALL else []
        kept += others
        rows = b"".join(_row(other, layout, name) + ending for other in others)
        lines[line - 1 : line - 1 + spans[line]] = [rows, *[b""] * (spans[line] - 1)]
    if lines and new:
        last = max(number for number, text in enumerate(lines) if text)
        lines[last] = lines[last] if lines[last].endswith(b"\n") else lines[last] + ending
    edited = b"".join([*lines, *(_row(pin, layout, name) + ending for pin in new)])
    _check(edited, [*kept, *new], path, name)
    return edited


def _layout(path: Path, raw: bytes, name: str) -> Layout:
    """The layout of the file. Raises InputError if it is not text whose lines can be edited."""
    file = look_at(path)
    layout = find_layout(file.head, COLUMNS.find, edges=False) if file.kind == TEXT else None
    if layout is None or layout.runs or b"".join(LineBlocks(path).blocks()) != raw.removeprefix(_BOM):
        raise InputError(f"{name} is not a plain CSV file; {_BY_HAND}")
    return layout


def _rows_meant(pins: list[Pin], edit: Edit, product_ids: pa.Array) -> list[bool]:
    """Whether each row is one of the pair that holds in the slot."""
    nodes = []
    for side in ("product_id", "neighbour"):
        ids = pa.array([getattr(edit, side), *(getattr(pin, side) for pin in pins)], pa.string())
        nodes.append(nodes_of_ids(ids, product_ids))
    if min(nodes[0][0], nodes[1][0]) < 0:
        raise InputError("a pair of products that this category does not have cannot be edited")
    same = (nodes[0][1:] == nodes[0][0]) & (nodes[1][1:] == nodes[1][0])
    return [equal and pin.slot in (ALL, edit.slot) for equal, pin in zip(same.tolist(), pins, strict=True)]


def _row(pin: Pin, layout: Layout, name: str) -> bytes:
    positions = COLUMNS.columns(layout.names)
    if pin.slot != ALL and "slot" not in positions:
        raise InputError(f"{name} has no column `slot`, so that a pair of one slot cannot be written; add the column")
    cells = [""] * len(layout.names)
    values = {"product_id": pin.product_id, "neighbour": pin.neighbour, "slot": pin.slot, "action": pin.action}
    for role, value in (values | {"rank": "" if pin.rank is None else str(pin.rank)}).items():
        if role in positions:
            cells[positions[role]] = value
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=layout.delimiter.decode(), lineterminator="").writerow(cells)
    return text.getvalue().encode()


def _check(edited: bytes, expected: list[Pin], path: Path, name: str) -> None:
    """Read what is about to be written, before it is."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp") as file:
        file.write(edited)
        file.flush()
        rows, _ = pins_of_table(read_small_table(Path(file.name), name, COLUMNS))
    if sorted(map(repr, (pin for _, pin in rows))) != sorted(map(repr, expected)):
        raise InputError(f"{name} cannot be edited here without changing other rows; {_BY_HAND}")
