"""How often two products meet: in one order, in one session, or in different orders of one customer.

All three are one count. The lines lie in groups (an order, a session, a customer), and each line meets a range of the
lines of its group, less a range that it must not meet (a customer's own order). Rows of the result are computed one by
one with a dense accumulator (Gustavson, "Two Fast Algorithms for Sparse Matrices", ACM TOMS 4(3), 1978), so memory
grows with the pairs that are found and not with the meetings, of which there are many more.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from core.orders.lines import Meetings
from core.progress import Progress, silent

_compiled: Any = njit(nogil=True, cache=True)
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
    arrays = (meetings.product, meetings.low, meetings.high, meetings.skip_low, meetings.skip_high, meetings.weight)

    def part(first: int, last: int) -> list[tuple[np.ndarray, ...]]:
        return list(_pairs_of_rows(first, last, n_products, by_product, starts, arrays, min_count))

    found: list[tuple[np.ndarray, ...]] = []
    with ThreadPoolExecutor(threads) as pool:
        for last, blocks in zip(edges[1:], pool.map(part, edges[:-1], edges[1:]), strict=True):
            found += blocks
            progress("count pairs", int(last), n_products, "products")
    if not found:
        return Cooccurrences(*(np.empty(0, kind) for kind in (np.int32, np.int32, np.float32, np.int32)))
    return Cooccurrences(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _pairs_of_rows(
    first: int,
    last: int,
    n_products: int,
    by_product: np.ndarray,
    starts: np.ndarray,
    arrays: tuple[np.ndarray, ...],
    min_count: int,
) -> Iterator[tuple[np.ndarray, ...]]:
    sums, counts = np.zeros(n_products, np.float64), np.zeros(n_products, np.int32)
    touched = np.empty(n_products, np.int32)
    row = int(first)
    size = max(_BUFFER, n_products)  # any one row fits
    source, target = np.empty(size, np.int32), np.empty(size, np.int32)
    weight, count = np.empty(size, np.float32), np.empty(size, np.int32)
    while row < last:
        row, used = _count_rows(
            row, last, by_product, starts, *arrays, min_count, sums, counts, touched, source, target, weight, count
        )
        if used:
            yield source[:used].copy(), target[:used].copy(), weight[:used].copy(), count[:used].copy()


@_compiled
def _count_rows(
    row, last, by_product, starts, product, low, high, skip_low, skip_high, line_weight, min_count,
    sums, counts, touched, source, target, weight, count,
):  # fmt: skip
    """Fill the buffers with the pairs of rows from ``row`` on until ``last``, or until the next row does not fit."""
    used = 0
    while row < last:
        n_touched = 0
        for e in range(starts[row], starts[row + 1]):
            line = by_product[e]
            for other in range(low[line], high[line]):
                if skip_low[line] <= other < skip_high[line]:
                    continue
                partner = product[other]
                if partner > row:  # each pair is counted at the smaller of its products
                    if counts[partner] == 0:
                        touched[n_touched] = partner
                        n_touched += 1
                    counts[partner] += 1
                    sums[partner] += line_weight[max(line, other)]
        if used + n_touched > len(source):
            for t in range(n_touched):
                counts[touched[t]] = 0
                sums[touched[t]] = 0.0
            return row, used
        # The partners are wanted in order. Sorting takes n log n, looking at every product that comes after this one
        # takes a small constant each.
        dense = 16 * n_touched > len(counts) - row
        partners = np.arange(row + 1, len(counts)).astype(np.int32) if dense else np.sort(touched[:n_touched])
        for partner in partners:
            if counts[partner] == 0:
                continue
            if counts[partner] >= min_count:
                source[used] = row
                target[used] = partner
                weight[used] = sums[partner]
                count[used] = counts[partner]
                used += 1
            counts[partner] = 0
            sums[partner] = 0.0
        row += 1
    return row, used
