"""The noise distribution from which negatives are drawn."""

from dataclasses import dataclass

import numpy as np
from numba import njit


@dataclass(frozen=True)
class NoiseTable:
    """A discrete distribution from which a draw costs one look-up (Walker's alias method, as built by Vose 1991).

    To draw, choose a slot uniformly; with probability ``accept[slot]`` the result is the slot, else ``alias[slot]``.

    Attributes:
        accept: float32 ``[n_nodes]``.
        alias: int32 ``[n_nodes]``.
    """

    accept: np.ndarray
    alias: np.ndarray


def noise_table(counts: np.ndarray, power: float) -> NoiseTable:
    """The distribution in proportion to ``counts ** power`` (0.75 in Mikolov et al. 2013, section 2.2).

    Nodes with count 0 are never drawn, whatever the power is.
    """
    weight = np.where(counts > 0, np.power(np.maximum(counts, 1).astype(np.float64), power), 0.0)
    accept, alias = _vose(weight / weight.sum() * len(counts))
    return NoiseTable(accept, alias)


@njit(cache=True, nogil=True)
def _vose(mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``mass`` float64 ``[n]`` with mean 1 → accept, alias. Slots that rounding leaves over accept themselves."""
    n = len(mass)
    accept = np.ones(n, np.float32)
    alias = np.arange(n).astype(np.int32)
    stack = np.empty(n, np.int64)  # slots below the mean from the left end, the others from the right end
    small, large = 0, n
    for i in range(n):
        if mass[i] < 1.0:
            stack[small] = i
            small += 1
        else:
            large -= 1
            stack[large] = i
    while small > 0 and large < n:
        low, high = stack[small - 1], stack[large]
        accept[low] = mass[low]
        alias[low] = high
        mass[high] -= 1.0 - mass[low]
        small -= 1
        if mass[high] < 1.0:
            large += 1
            stack[small] = high
            small += 1
    return accept, alias
