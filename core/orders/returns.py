"""Returns and cancelled orders: each takes back what was bought before it."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from core.typing import Float64Array, Int64Array


@dataclass(frozen=True)
class Returned:
    """What became of lines with returns.

    Attributes:
        kept: bool ``[m]``: lines that still stand for something bought.
        returns: number of lines that are returns.
        cancelled: number of purchases that returns took back whole.
        unmatched: number of returns that found nothing to take back.
    """

    kept: np.ndarray
    returns: int
    cancelled: int
    unmatched: int


def cancel_returns(buyer: np.ndarray, product: np.ndarray, time: np.ndarray, quantity: np.ndarray) -> Returned:
    """Take back the latest purchases of the same product by the same buyer, as many pieces as were returned.

    Args:
        buyer: int64 ``[m]``: customer, or order where there is no customer.
        product: int32 ``[m]``.
        time: int64 ``[m]``: a return takes back what was bought before it or at the same time.
        quantity: float64 ``[m]``: pieces, negative for a return.

    Returns:
        Which lines stay. A line of quantity 0 says nothing and does not stay.
    """
    kept = quantity > 0
    is_return = quantity < 0
    if not is_return.any():
        return Returned(kept, 0, 0, 0)
    # Only those who returned a product are looked at, with all that they bought of it.
    key_of = _pair_codes(buyer, product)
    concerned = np.isin(key_of, key_of[is_return]) & (kept | is_return)
    rows = np.flatnonzero(concerned)
    rows = rows[np.lexsort((quantity[rows] < 0, time[rows], key_of[rows]))]
    left, unmatched = _take_back(key_of[rows], quantity[rows].astype(np.float64))
    bought = quantity[rows] > 0
    gone = rows[bought & (left <= 0)]
    kept = kept.copy()
    kept[gone] = False
    return Returned(kept, int(is_return.sum()), len(gone), int(unmatched))


def _pair_codes(buyer: np.ndarray, product: np.ndarray) -> np.ndarray:
    """int64 ``[m]``: one code for each distinct (buyer, product)."""
    order = np.lexsort((product, buyer))
    changed = np.r_[False, (buyer[order][1:] != buyer[order][:-1]) | (product[order][1:] != product[order][:-1])]
    codes = np.empty(len(buyer), np.int64)
    codes[order] = np.cumsum(changed)
    return codes


@njit(nogil=True, cache=True)
def _take_back(key: Int64Array, quantity: Float64Array) -> tuple[Float64Array, int]:
    """Pieces that are left of every purchase; lines are sorted by key and time, returns after purchases."""
    left = np.maximum(quantity, 0.0)
    unmatched = 0
    for i in range(len(key)):
        if quantity[i] >= 0:
            continue
        pieces, j = -quantity[i], i - 1
        found = False
        while pieces > 0 and j >= 0 and key[j] == key[i]:
            if left[j] > 0:
                taken = min(left[j], pieces)
                left[j] -= taken
                pieces -= taken
                found = True
            j -= 1
        if not found:
            unmatched += 1
    return left, unmatched
