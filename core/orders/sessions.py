"""From a history of orders to rows of products in time: sequences that models can learn from instead of walks."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from core.arrays import run_starts
from core.orders.config import ALL_EVENTS, AUTO, CUSTOMER, ORDER, SESSION, VIEWS, SessionsConfig
from core.orders.history import lines_of, nodes_of
from core.orders.lines import MS_PER_DAY, NONE, PURCHASE, VIEW, OrderLines
from core.orders.rows import padded, row_lengths
from core.pairs.split import PairSplit
from core.typing import BoolArray, Int64Array

VERSION = "1"
"""Raised whenever the same history, numbering, split and settings give other rows."""


@dataclass(frozen=True)
class Sessions:
    """Rows of products.

    Attributes:
        rows: int32 ``[rows, length]`` node ids in time, padded with -1 like walks; ``[0, 2]`` if there are none.
        info: JSON-able: ``rows``, ``by`` (row's kind → number of lines), ``lines`` of the history, ``lines_used``,
            ``left_out`` (reason → number of lines; with ``lines_used`` they add up to ``lines``), and how often rows
            were cut: ``cut_at_gaps``, ``cut_at_held_out_pairs`` and ``cut_because_of_length``. Empty without orders.
    """

    rows: np.ndarray
    info: dict[str, Any] = field(default_factory=dict)


def sessions(
    history: pa.Table, product_ids: pa.Array, split: PairSplit, config: SessionsConfig | None = None
) -> Sessions:
    """Put the products of each order, session or customer into rows, in time.

    Lines of the same moment keep the order of the source, with the lines of an order together. A product that directly
    follows itself counts once. Rows stand in the order of their first moments.

    No row knows what is held out. If the history is split in time, later lines are left out, and nothing in the result
    depends on them but the numbering of the products. Otherwise pairs are held out at random: cold products are left
    out, and a row is cut where two of its products are a held-out pair.

    Args:
        history: table of schema ``core.orders.history.HISTORY``; may be empty.
        product_ids: the category's product ids in node order; lines of other products are left out.
        split: the split of the category's pairs.
        config: settings.
    """
    from core.orders.row_cuts import cut_at_held_out  # Numba comes with it

    config = config or SessionsConfig()
    if not history.num_rows:
        return Sessions(np.empty((0, 2), np.int32))
    later = np.asarray(history["later"].combine_chunks())
    lines, node = lines_of(history), nodes_of(history, product_ids)
    left_out: dict[str, int] = {}

    def leave_out(rows: Int64Array, kept: BoolArray, reason: str) -> Int64Array:
        left_out[reason] = len(rows) - int(np.count_nonzero(kept))
        return rows[kept]

    rows = leave_out(np.arange(len(lines)), ~later, "later")
    rows = leave_out(rows, _wanted_events(lines.take(rows), config.events), "other_events")
    rows = leave_out(rows, node[rows] != NONE, "unknown_products")
    if not later.any():
        rows = leave_out(rows, ~np.isin(node[rows], split.cold), "cold_products")
    timed = np.asarray(history["time"].combine_chunks().is_valid())
    group, kinds = _groups(lines, timed, rows, config.by)
    in_a_row = group != NONE
    group = group[in_a_row]
    rows = leave_out(rows, in_a_row, "no_row")
    in_time = np.lexsort((lines.order[rows], lines.time[rows], group))
    rows, group = rows[in_time], group[in_time]

    starts = run_starts(group)
    gaps = _gaps(lines.time[rows], starts, config.gap_days) & kinds.of_customers(group)
    starts |= gaps
    nodes = node[rows]
    again = ~starts & (nodes == np.concatenate([nodes[:1], nodes[:-1]]))
    rows = leave_out(rows, ~again, "repeats")
    nodes, starts = nodes[~again], starts[~again]
    n_rows = int(np.count_nonzero(starts))
    if not later.any():
        starts = cut_at_held_out(nodes, starts, split)
    n_cut = int(np.count_nonzero(starts))
    starts = _pieces(starts, config.longest)
    n_pieces = int(np.count_nonzero(starts))
    lengths = row_lengths(starts)
    chosen = np.flatnonzero(lengths >= config.shortest)
    left_out["short_rows"] = int(lengths.sum() - lengths[chosen].sum())
    first = lines.time[rows[starts]]
    chosen = chosen[np.lexsort((_hashes(nodes, starts)[chosen], first[chosen]))]
    info = {
        "rows": len(chosen),
        "by": kinds.lines(group),
        "lines": len(lines),
        "lines_used": int(lengths[chosen].sum()),
        "left_out": left_out,
        "cut_at_gaps": int(np.count_nonzero(gaps)),
        "cut_at_held_out_pairs": n_cut - n_rows,
        "cut_because_of_length": n_pieces - n_cut,
    }
    return Sessions(padded(nodes, starts, chosen), info)


def _wanted_events(lines: OrderLines, events: str) -> BoolArray:
    if events == ALL_EVENTS:
        return np.ones(len(lines), bool)
    if events == AUTO:
        return lines.counts
    wanted: BoolArray = lines.event == (VIEW if events == VIEWS else PURCHASE)
    return wanted


@dataclass(frozen=True)
class _Kinds:
    """The ranges of the numbers of groups: those of customers, of sessions, of orders."""

    ends: dict[str, int]

    def of_customers(self, group: Int64Array) -> BoolArray:
        customers: BoolArray = group < self.ends[CUSTOMER]
        return customers

    def lines(self, group: Int64Array) -> dict[str, int]:
        """Kind of row → number of lines."""
        bounds = [0, *self.ends.values()]
        counts = np.diff(np.searchsorted(group, bounds))
        return {kind: int(count) for kind, count in zip(self.ends, counts, strict=True) if count}


def _groups(lines: OrderLines, timed: BoolArray, rows: Int64Array, by: str) -> tuple[Int64Array, _Kinds]:
    """int64: the number of each line's row, :data:`NONE` for a line without one."""
    codes = {CUSTOMER: lines.customer[rows], SESSION: lines.session[rows], ORDER: lines.order[rows]}
    ends = dict(zip(codes, np.cumsum([int(of.max(initial=NONE)) + 1 for of in codes.values()]).tolist(), strict=True))
    numbers = {}
    for kind, of in codes.items():
        before = ends[kind] - (int(of.max(initial=NONE)) + 1)
        numbers[kind] = np.where(of == NONE, NONE, of + before)
    histories = (codes[CUSTOMER] != NONE) & timed[rows]
    wanted: tuple[str, ...] = (by,)
    if by == AUTO:
        if 2 * np.count_nonzero(histories) >= len(rows):
            numbers[CUSTOMER] = np.where(histories, numbers[CUSTOMER], NONE)
            wanted = (CUSTOMER, SESSION, ORDER)
        else:
            wanted = (SESSION, ORDER, CUSTOMER)
    elif by == CUSTOMER and histories.any():
        numbers[CUSTOMER] = np.where(histories, numbers[CUSTOMER], NONE)  # a line without a time has no place in them
    group = np.full(len(rows), NONE, np.int64)
    for kind in wanted:
        group = np.where(group == NONE, numbers[kind], group)
    return group, _Kinds(ends)


def _gaps(time: Int64Array, starts: BoolArray, gap_days: float) -> BoolArray:
    """Which lines follow the line before them in the same group after more than the gap."""
    gaps = np.zeros(len(time), bool)
    if gap_days:
        gaps[1:] = (np.diff(time) > gap_days * MS_PER_DAY) & ~starts[1:]
    return gaps


def _pieces(starts: BoolArray, longest: int) -> BoolArray:
    """Where rows start if those longer than ``longest`` are cut into the fewest pieces, of about equal length."""
    lengths = row_lengths(starts)
    if not len(lengths) or lengths.max() <= longest:
        return starts
    long = np.flatnonzero(lengths > longest)
    first, length = np.flatnonzero(starts)[long], lengths[long]
    pieces = -(-length // longest)
    row = np.repeat(np.arange(len(long)), pieces - 1)
    piece = np.arange(len(row)) - np.repeat(np.cumsum(pieces - 1) - (pieces - 1), pieces - 1) + 1
    cut = starts.copy()
    cut[first[row] + piece * length[row] // pieces[row]] = True
    return cut


def _hashes(node: np.ndarray, starts: BoolArray) -> np.ndarray:
    """uint64, one a row: its products and their places, so that rows of one moment have an order of their own."""
    if not len(node):
        return np.empty(0, np.uint64)
    first = np.flatnonzero(starts)
    place = np.arange(len(node)) - np.repeat(first, row_lengths(starts))
    mixed = (node.astype(np.uint64) << np.uint64(20)) ^ place.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashes: np.ndarray = np.add.reduceat(mixed ^ (mixed >> np.uint64(31)), first)
    return hashes
