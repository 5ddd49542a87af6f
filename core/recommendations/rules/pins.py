"""Pinned and blocked pairs: a CSV that a merchandiser edits."""

import csv
import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import InputError
from core.recommendations.form import SLOTS
from core.recommendations.rules.tables import ID_NAMES, SmallTable, TableColumns, nodes_of_ids, read_small_table

PIN, BLOCK = "pin", "block"
ACTIONS = (PIN, BLOCK)
ALL = "all"
"""Stands for every slot; an empty slot does too."""
HEADER = ("product_id", "neighbour", "slot", "action", "rank")

COLUMNS = TableColumns.of(
    "pins table",
    {
        "product_id": ID_NAMES,
        "neighbour": ("neighbour", "neighbor", "neighbourid", "neighborid", "recommendation", "related"),
        "slot": ("slot", "list"),
        "action": ("action",),
        "rank": ("rank", "place", "position"),
    },
    required=("product_id", "neighbour", "action"),
)
"""The columns of the file."""
_MAX_RANK = 1_000
_SHOWN = 20


@dataclass(frozen=True)
class Pin:
    """One row of the file.

    Attributes:
        product_id, neighbour: ids as they stand there.
        slot: one of ``SLOTS``, or ``all``.
        action: ``pin`` or ``block``.
        rank: 1-based place of a pinned neighbour in the list, or None for the first free place.
    """

    product_id: str
    neighbour: str
    slot: str = ALL
    action: str = PIN
    rank: int | None = None


@dataclass(frozen=True)
class Pins:
    """The pins of a category by node.

    Attributes:
        pinned: slot → product → its neighbours in the order of their ranks, with these ranks or None.
        blocked: slot → int64 sorted keys ``product * n_nodes + neighbour``.
        info: JSON-able: ``rows``, ``pinned``, ``blocked``, ``unknown_ids``, ``self_pairs``, ``repeated``,
            ``contradictions`` (pinned and blocked; the block counts), ``bad_rows``, and ``remarks``, sentences with
            their lines; empty if there is no such file.
    """

    pinned: Mapping[str, Mapping[int, tuple[tuple[int, int | None], ...]]] = field(default_factory=dict)
    blocked: Mapping[str, np.ndarray] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)


def read_pins(path: Path, name: str = "") -> tuple[list[tuple[int, Pin]], dict[int, str]]:
    """Read the file: each usable row with its line, and line → why a row cannot be used.

    Args:
        path: a CSV, Parquet or Feather file with the columns ``product_id``, ``neighbour`` and ``action``, and
            optionally ``slot`` and ``rank``.
        name: what messages call it; by default the path.

    Raises:
        InputError: the file is missing, or it is not such a table.
    """
    name = name or str(path)
    if not path.is_file():
        raise InputError(
            f"{name} does not exist; create it with the header line `{','.join(HEADER)}`, or remove `pins` from the "
            "category"
        )
    return pins_of_table(read_small_table(path, name, COLUMNS))


def pins_of_table(table: SmallTable) -> tuple[list[tuple[int, Pin]], dict[int, str]]:
    """The same for a table that was read already."""
    columns = {role: column.to_pylist() for role, column in table.columns.items()}
    nothing = [None] * len(table)
    rows, bad = [], dict(table.broken)
    for line, product, neighbour, slot, action, rank in zip(
        table.lines.tolist(), *(columns.get(role, nothing) for role in HEADER), strict=True
    ):
        try:
            rows.append((line, _pin(product, neighbour, slot, action, rank)))
        except ValueError as error:
            bad[line] = str(error)
    return rows, bad


def _pin(product: str | None, neighbour: str | None, slot: str | None, action: str | None, rank: str | None) -> Pin:
    if not product or not neighbour:
        raise ValueError("product_id or neighbour is empty")
    slot, action = (slot or ALL).lower().replace("-", "_").replace(" ", "_"), (action or "").lower()
    if slot not in (ALL, *SLOTS):
        raise ValueError(f"there is no slot {slot[:40]!r}; the slots are {', '.join((ALL, *SLOTS))}")
    if action not in ACTIONS:
        raise ValueError(f"the action {action[:40]!r} is neither pin nor block")
    digits = (rank or "").removesuffix(".0")
    if digits and not (digits.isascii() and digits.isdigit() and 1 <= int(digits[:9]) <= _MAX_RANK):
        raise ValueError(f"the rank {digits[:40]!r} is not a whole number from 1 to {_MAX_RANK:,}")
    return Pin(product, neighbour, slot, action, int(digits) if digits else None)


def resolve_pins(rows: Iterable[tuple[int, Pin]], bad: Mapping[int, str], product_ids: pa.Array) -> Pins:
    """The pins by node; what cannot be used is counted, and named with its line.

    Of rows that repeat a pair in a slot, the last one counts. A pair that is both pinned and blocked is blocked.

    Args:
        rows, bad: from :func:`read_pins`.
        product_ids: string ``[n]``: the ids in the order of the nodes.
    """
    rows = list(rows)
    count: Counter[str] = Counter(bad_rows=len(bad))
    remarks = [(line, reason) for line, reason in bad.items()]
    sides = [
        nodes_of_ids(pa.array([getattr(pin, side) for _, pin in rows], pa.string()), product_ids).tolist()
        for side in ("product_id", "neighbour")
    ]
    pins: dict[str, dict[tuple[int, int], int | None]] = {slot: {} for slot in SLOTS}
    blocks: dict[str, set[tuple[int, int]]] = {slot: set() for slot in SLOTS}
    for (line, pin), product, neighbour in zip(rows, *sides, strict=True):
        if product < 0 or neighbour < 0:
            count["unknown_ids"] += 1
            unknown = pin.product_id if product < 0 else pin.neighbour
            remarks.append((line, f"there is no product {unknown[:60]!r} in this category"))
        elif product == neighbour:
            count["self_pairs"] += 1
            remarks.append((line, f"{pin.product_id[:60]!r} is paired with itself"))
        else:
            for slot in SLOTS if pin.slot == ALL else (pin.slot,):
                key = (product, neighbour)
                count["repeated"] += key in pins[slot] if pin.action == PIN else key in blocks[slot]
                if pin.action == PIN:
                    pins[slot].pop(key, None)
                    pins[slot][key] = pin.rank
                else:
                    blocks[slot].add(key)
    pinned: dict[str, dict[int, tuple[tuple[int, int | None], ...]]] = {}
    for slot, pairs in pins.items():
        by_product: dict[int, list[tuple[int, int | None]]] = {}
        for (product, neighbour), rank in pairs.items():
            if (product, neighbour) in blocks[slot]:
                count["contradictions"] += 1
                continue
            by_product.setdefault(product, []).append((neighbour, rank))
        # Sorting is stable: pins without a rank, and those of one rank, keep the order of the file.
        pinned[slot] = {
            product: tuple(sorted(items, key=lambda item: item[1] or _MAX_RANK + 1))
            for product, items in by_product.items()
        }
    n_nodes = len(product_ids)
    keys = {slot: np.array(sorted(p * n_nodes + n for p, n in pairs), np.int64) for slot, pairs in blocks.items()}
    names = ("unknown_ids", "self_pairs", "repeated", "contradictions", "bad_rows")
    info = {
        "rows": len(rows) + len(bad),
        "pinned": sum(len(items) for by_product in pinned.values() for items in by_product.values()),
        "blocked": sum(len(of_slot) for of_slot in keys.values()),
        **{name: count[name] for name in names},
        "remarks": [f"line {line:,}: {reason}" for line, reason in sorted(remarks)[:_SHOWN]],
    }
    return Pins(pinned, keys, info)


def write_pins(path: Path, pins: Iterable[Pin]) -> None:
    """Write the file atomically: a reader sees the old one or the new one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for pin in pins:
        writer.writerow([pin.product_id, pin.neighbour, pin.slot, pin.action, "" if pin.rank is None else pin.rank])
    replace_file(path, text.getvalue().encode())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically; it keeps its permissions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(unfinished).replace(path)
    finally:
        Path(unfinished).unlink(missing_ok=True)
