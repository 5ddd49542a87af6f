"""Statistics of a history of orders: orders by day, sizes of orders, and how long ago products were bought."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.arrays import distinct
from core.orders.lines import groups_of
from explorer.shared.order_history import counted_lines

_DAY = 86_400_000
_WEEK_FROM = 180
"""Number of days from which orders are counted by week."""
_AGES = 200
"""Maximum number of points of the curve of ages."""


@dataclass(frozen=True)
class OrderStatistics:
    """What a category's orders are like. Purchases count, or all events if there are no purchases.

    Attributes:
        orders: number of orders.
        products: number of different products in them.
        without_time: number of orders without a time.
        days: datetime64[D] ``[d]``: the days with orders, or the Mondays of the weeks if the orders span many days.
        weekly: whether :attr:`days` are weeks.
        known, later: int64 ``[d]``: orders of each day that models may know, and orders that are held out.
        sizes: int64: entry n is the number of orders of n different products.
        ages: int64 ``[a]``, ascending: numbers of days before the last day.
        bought_since: float64 ``[a]``: share of the products that were bought at most that many days before.
    """

    orders: int
    products: int
    without_time: int
    days: np.ndarray
    weekly: bool
    known: np.ndarray
    later: np.ndarray
    sizes: np.ndarray
    ages: np.ndarray
    bought_since: np.ndarray


def order_statistics(path: Path) -> OrderStatistics:
    """Describe a file with schema ``core.orders.history.HISTORY``; only the columns that are needed are read."""
    columns = ["product", "order", "session", "time", "later"]
    table = pq.read_table(
        path, columns=columns, filters=counted_lines(path), memory_map=True, page_checksum_verification=True
    )
    return describe(table.unify_dictionaries().combine_chunks())


def describe(lines: pa.Table) -> OrderStatistics:
    """Describe order lines that all count, with the columns product, order, session, time and later."""
    product, order, session = (_codes(lines[name]) for name in ("product", "order", "session"))
    _, key = np.unique(groups_of(order, session), return_inverse=True)
    n = int(key.max(initial=-1)) + 1
    width = int(product.max(initial=-1)) + 1
    sizes = np.bincount(np.bincount(distinct(key * width + product) // max(width, 1), minlength=n))

    timed = np.asarray(lines["time"].combine_chunks().is_valid())
    day = np.asarray(lines["time"].combine_chunks().cast(pa.int64()).fill_null(0)) // _DAY
    never = np.iinfo(np.int64).max
    first = np.full(n, never)
    np.minimum.at(first, key[timed], day[timed])
    is_later = np.zeros(n, bool)
    is_later[key[np.asarray(lines["later"].combine_chunks())]] = True
    has_time = first < never
    days, known, later, weekly = _by_day(first[has_time], is_later[has_time])

    last = np.full(width, -1)
    np.maximum.at(last, product[timed], day[timed])
    bought = distinct(product)
    age = np.sort(last.max(initial=-1) - last[bought][last[bought] >= 0])
    ages = distinct(age)
    ages = ages[np.unique(np.linspace(0, len(ages) - 1, _AGES).astype(int))] if len(ages) > _AGES else ages
    share = np.searchsorted(age, ages, side="right") / max(len(bought), 1)
    return OrderStatistics(
        n, len(bought), int(np.count_nonzero(~has_time)), days, weekly, known, later, sizes, ages, share
    )


def _by_day(day: np.ndarray, is_later: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Days or weeks, known and later orders of each, and whether they are weeks."""
    weekly = len(day) > 0 and int(day.max() - day.min()) >= _WEEK_FROM
    if weekly:
        day = day - (day + 3) % 7  # 1970-01-01 was a Thursday
    days, position = np.unique(day, return_inverse=True)
    counts = [np.bincount(position[chosen], minlength=len(days)) for chosen in (~is_later, is_later)]
    return days.astype("datetime64[D]"), counts[0], counts[1], weekly


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column.combine_chunks().indices, -1)).astype(np.int64)
