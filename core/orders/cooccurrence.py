"""How often two products meet: in one order, in one session, or in different orders of one customer.

All three are one count. The lines lie in groups (an order, a session, a customer), and each line meets a range of the
lines of its group, less a range that it must not meet (a customer's own order). Rows of the result are computed one by
one with a dense accumulator (Gustavson, "Two Fast Algorithms for Sparse Matrices", ACM TOMS 4(3), 1978), so memory
grows with the pairs that are found and not with the meetings, of which there are many more.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from core.orders.lines import Meetings
from core.progress import Progress, silent
from core.typing import Float32Array, Float64Array, Int32Array, Int64Array

_BUFFER = 1 << 22
"""Pairs that a thread finds before it hands them over (48 MB)."""
_PARTS = 64
"""Ranges of products that threads take turns with, each of about as many meetings."""


@dataclass(frozen=True)
class Cooccurrences:
    """Pairs of products that met.

    Attributes:
        source, target: int32 ``[p]``, source < target, sorted by (source, target), unique.
        weight: float32 ``[p]``: the sum of the meetings' weights.
        count: int32 ``[p]``: number of meetings.
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    count: np.ndarray

    def __len__(self) -> int:
        return len(self.source)


def count_cooccurrences(
    meetings: Meetings, n_products: int, min_count: int = 1, threads: int = 2, progress: Progress = silent
) -> Cooccurrences:
    """Add up the meetings of every pair of products; the result does not depend on the number of threads.

    Args:
        meetings: which lines meet.
        n_products: products are numbered 0 .. n_products - 1.
        min_count: pairs that met less often are left out.
        threads: CPU threads.
        progress: told "count pairs" in products.
    """
    by_product = np.argsort(meetings.product, kind="stable")
    starts = np.searchsorted(meetings.product[by_product], np.arange(n_products + 1)).astype(np.int64)
    work = np.r_[0, np.cumsum((meetings.high - meetings.low)[by_product])][starts]
    edges = np.unique(np.searchsorted(work, np.linspace(0, work[-1], _PARTS + 1)))
    edges[0], edges[-1] = 0, n_products
    lines = _Lines(
        meetings.product, meetings.low, meetings.high, meetings.skip_low, meetings.skip_high, meetings.weight,
        by_product, starts,
    )  # fmt: skip

    def part(first: int, last: int) -> list[_Pairs]:
        return list(_pairs_of_rows(first, last, n_products, lines, min_count))

    found: list[_Pairs] = []
    with ThreadPoolExecutor(threads) as pool:
        for last, blocks in zip(edges[1:], pool.map(part, edges[:-1], edges[1:]), strict=True):
            found += blocks
            progress("count pairs", int(last), n_products, "products")
    if not found:
        return Cooccurrences(*(np.empty(0, kind) for kind in (np.int32, np.int32, np.float32, np.int32)))
    return Cooccurrences(*(np.concatenate(column) for column in zip(*found, strict=True)))


class _Lines(NamedTuple):
    """:class:`Meetings`, the lines of each product, and where they start: one argument for the compiled code."""

    product: Int32Array
    low: Int64Array
    high: Int64Array
    skip_low: Int64Array
    skip_high: Int64Array
    weight: Float32Array
    by_product: Int64Array
    starts: Int64Array


class _Row(NamedTuple):
    """The row under way: sums and counts by partner, and the partners that have any."""

    sums: Float64Array
    counts: Int32Array
    touched: Int32Array


class _Pairs(NamedTuple):
    """Columns of :class:`Cooccurrences`."""

    source: Int32Array
    target: Int32Array
    weight: Float32Array
    meetings: Int32Array


def _pairs_of_rows(first: int, last: int, n_products: int, lines: _Lines, min_count: int) -> Iterator[_Pairs]:
    partners = _Row(np.zeros(n_products, np.float64), np.zeros(n_products, np.int32), np.empty(n_products, np.int32))
    size = max(_BUFFER, n_products)  # any one row fits
    out = _Pairs(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.int32)
    )
    row = int(first)
    while row < last:
        row, used = _count_rows(row, last, lines, min_count, partners, out)
        if used:
            yield _Pairs(
                out.source[:used].copy(), out.target[:used].copy(), out.weight[:used].copy(), out.meetings[:used].copy()
            )


@njit(nogil=True, cache=True)
def _count_rows(row: int, last: int, lines: _Lines, min_count: int, partners: _Row, out: _Pairs) -> tuple[int, int]:
    """Fill the buffers with the pairs of rows from ``row`` on until ``last``, or until the next row does not fit.

    Returns:
        The row to go on with, and how many pairs stand in the buffers.
    """
    sums, counts, touched = partners.sums, partners.counts, partners.touched
    used = 0
    while row < last:
        n_touched = 0
        for e in range(lines.starts[row], lines.starts[row + 1]):
            line = lines.by_product[e]
            for other in range(lines.low[line], lines.high[line]):
                if lines.skip_low[line] <= other < lines.skip_high[line]:
                    continue
                partner = lines.product[other]
                if partner > row:  # each pair is counted at the smaller of its products
                    if counts[partner] == 0:
                        touched[n_touched] = partner
                        n_touched += 1
                    counts[partner] += 1
                    sums[partner] += lines.weight[max(line, other)]
        if used + n_touched > len(out.source):
            for t in range(n_touched):
                counts[touched[t]] = 0
                sums[touched[t]] = 0.0
            return row, used
        # The partners are wanted in order. Sorting takes n log n, looking at every product that comes after this one
        # takes a small constant each.
        dense = 16 * n_touched > len(counts) - row
        ordered = np.arange(row + 1, len(counts)).astype(np.int32) if dense else np.sort(touched[:n_touched])
        for partner in ordered:
            if counts[partner] == 0:
                continue
            if counts[partner] >= min_count:
                out.source[used] = row
                out.target[used] = partner
                out.weight[used] = sums[partner]
                out.meetings[used] = counts[partner]
                used += 1
            counts[partner] = 0
            sums[partner] = 0.0
        row += 1
    return row, used
