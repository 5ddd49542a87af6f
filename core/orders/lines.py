"""Order lines as arrays, and which of them meet: in an order, in a session, in a customer's other orders."""

from dataclasses import dataclass

import numpy as np

from core.typing import Float32Array

PURCHASE, CART, VIEW = 0, 1, 2
"""Codes of events."""
NONE = -1
"""Code of a line that belongs to no order, session or customer."""
MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class OrderLines:
    """Cleaned order lines of one category; all arrays have the same length.

    Attributes:
        product: int32 node ids.
        order, session, customer: int64 codes, :data:`NONE` where there is none.
        time: int64 milliseconds since the epoch (UTC); all zero where the source has no times.
        event: uint8, :data:`PURCHASE`, :data:`CART` or :data:`VIEW`.
    """

    product: np.ndarray
    order: np.ndarray
    session: np.ndarray
    customer: np.ndarray
    time: np.ndarray
    event: np.ndarray

    def __len__(self) -> int:
        return len(self.product)

    @property
    def group(self) -> np.ndarray:
        """int64 ``[m]``: the order of each line, or else its session, or a number of its own if it has neither."""
        return groups_of(self.order, self.session)

    @property
    def counts(self) -> np.ndarray:
        """bool ``[m]``: the purchases, or all lines where there are no purchases."""
        purchases: np.ndarray = self.event == PURCHASE
        return purchases if purchases.any() else np.ones(len(self), bool)

    def take(self, rows: np.ndarray) -> "OrderLines":
        """The lines at these places, in this order."""
        return OrderLines(
            self.product[rows], self.order[rows], self.session[rows], self.customer[rows],
            self.time[rows], self.event[rows],
        )  # fmt: skip


def groups_of(order: np.ndarray, session: np.ndarray) -> np.ndarray:
    """int64 ``[m]``: see :attr:`OrderLines.group`."""
    n_orders, n_sessions = (int(codes.max(initial=NONE)) + 1 for codes in (order, session))
    alone = n_orders + n_sessions + np.arange(len(order))
    within = np.where(session != NONE, n_orders + session, alone)
    groups: np.ndarray = np.where(order != NONE, order, within)
    return groups


@dataclass(frozen=True)
class Meetings:
    """Which lines meet.

    Attributes:
        product: int32 ``[m]``: the product of each line; lines of one group stand side by side.
        low, high: int64 ``[m]``: line i meets the lines ``low[i]`` up to, but not including, ``high[i]``.
        skip_low, skip_high: int64 ``[m]``: except these, a part of the range that holds line i itself. Ranges have to
            be symmetric: if i meets j then j meets i.
        weight: float32 ``[m]``: what a meeting of two lines counts is the weight of the later one.
    """

    product: np.ndarray
    low: np.ndarray
    high: np.ndarray
    skip_low: np.ndarray
    skip_high: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.product)


def age_weight(time: np.ndarray, half_life_days: float) -> np.ndarray:
    """float32 ``[m]``: 0.5 to the power of age over half-life, where the latest line has age 0; 1 for half-life 0."""
    if not half_life_days or not len(time):
        return np.ones(len(time), np.float32)
    age = (time.max() - time) / (half_life_days * MS_PER_DAY)
    weight: Float32Array = np.exp2(-age).astype(np.float32)
    return weight


def within_groups(
    lines: OrderLines, group: np.ndarray, damping: float, cap: int, half_life_days: float
) -> tuple[Meetings, int]:
    """Every two distinct products of a group meet once: products of one order, or viewed in one session.

    Args:
        lines: the lines.
        group: int64 ``[m]``: the group of each line, :data:`NONE` for lines that take no part.
        damping: a meeting in a group of n products counts ``1 / (n - 1) ** damping``.
        cap: most products of a group; of a larger one those are kept whose hash with the group is smallest, a sample
            that does not depend on the order of the lines.
        half_life_days: see :func:`age_weight`.

    Returns:
        The meetings, and the number of lines left out by the cap.
    """
    rows = np.flatnonzero(group != NONE)
    rows = rows[np.lexsort((lines.product[rows], group[rows]))]
    of_group, of_product = group[rows], lines.product[rows]
    first = np.r_[True, (of_group[1:] != of_group[:-1]) | (of_product[1:] != of_product[:-1])][: len(rows)]
    rows = rows[first]
    kept = _capped(group[rows], lines.product[rows], cap)
    left_out = len(rows) - len(kept)
    rows = rows[kept]
    starts, ends = _ranges(group[rows])
    size = ends - starts
    weight = age_weight(lines.time[rows], half_life_days) / np.maximum(size - 1, 1) ** np.float32(damping)
    # The time of a group is that of its latest line: a meeting counts the same from both sides.
    weight = np.maximum.reduceat(weight, np.unique(starts))[_number(starts)] if len(rows) else weight
    at = np.arange(len(rows))
    return Meetings(lines.product[rows], starts, ends, at, at + 1, weight.astype(np.float32)), left_out


def across_orders(lines: OrderLines, damping: float, cap: int, window_days: float, half_life_days: float) -> Meetings:
    """Products that one customer bought in different orders meet, if not too far apart.

    Args:
        lines: the lines; those without a customer take no part. Lines without an order are an order each.
        damping: a line that meets n others counts ``1 / n ** damping`` each.
        cap: most lines of the customer, before and after it in time, that a line meets.
        window_days: longest time between two orders that meet; 0 stands for any.
        half_life_days: see :func:`age_weight`.
    """
    rows = np.flatnonzero(lines.customer != NONE)
    order = np.where(lines.order[rows] == NONE, -2 - rows, lines.order[rows])
    rows = rows[np.lexsort((lines.product[rows], order, lines.time[rows], lines.customer[rows]))]
    customer, time, product = lines.customer[rows], lines.time[rows], lines.product[rows]
    order = np.where(lines.order[rows] == NONE, -2 - rows, lines.order[rows])
    again = np.r_[False, (customer[1:] == customer[:-1]) & (order[1:] == order[:-1]) & (product[1:] == product[:-1])]
    fresh = ~again[: len(rows)]
    rows, customer, time, product, order = (x[fresh] for x in (rows, customer, time, product, order))
    starts, ends = _ranges(customer)
    at = np.arange(len(rows))
    low, high = np.maximum(starts, at - cap), np.minimum(ends, at + cap + 1)
    if window_days:
        span = int(window_days * MS_PER_DAY)
        number = _number(starts)
        # One search over all customers: their times are laid end to end with a gap that no window crosses.
        shifted = time - time.min() + number * (int(time.max() - time.min()) + span + 1) if len(time) else time
        low = np.maximum(low, np.searchsorted(shifted, shifted - span, side="left"))
        high = np.minimum(high, np.searchsorted(shifted, shifted + span, side="right"))
    own_starts, own_ends = _ranges_of(customer, order)
    weight = age_weight(time, half_life_days)
    if damping:
        meets = (high - low) - (np.minimum(high, own_ends) - np.maximum(low, own_starts))
        weight = weight / np.maximum(meets, 1) ** np.float32(damping)
    return Meetings(product, low, high, own_starts, own_ends, weight.astype(np.float32))


def _ranges(group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 ``[m]`` each: where the group of a line starts and ends; lines of a group stand side by side."""
    return _ranges_of(group)


def _ranges_of(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = len(keys[0])
    changed = np.zeros(max(n - 1, 0), bool)
    for key in keys:
        changed |= key[1:] != key[:-1]
    starts = np.flatnonzero(np.r_[True, changed][:n])
    number = np.cumsum(np.r_[0, changed][:n])
    return starts[number], np.r_[starts[1:], n][number] if n else starts


def _number(starts: np.ndarray) -> np.ndarray:
    """int64 ``[m]``: the groups numbered from 0, from where each line's group starts."""
    return np.cumsum(np.r_[False, starts[1:] != starts[:-1]][: len(starts)])


def _capped(group: np.ndarray, product: np.ndarray, cap: int) -> np.ndarray:
    """Places of the lines that stay, ascending."""
    starts, ends = _ranges(group)
    large = np.flatnonzero(ends - starts > cap)
    if not len(large):
        return np.arange(len(group))
    mixed = (group[large].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ product[large].astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(29)
    by_hash = large[np.lexsort((mixed, group[large]))]
    first, _ = _ranges(group[by_hash])
    keep = np.ones(len(group), bool)
    keep[by_hash[np.arange(len(by_hash)) - first >= cap]] = False
    return np.flatnonzero(keep)
