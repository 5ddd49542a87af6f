"""Random numbers of the compiled training steps, from the streams of ``core.kernels.intrinsics``."""

import numpy as np
from numba import int64, uint64

from core.kernels.intrinsics import Int, draw, unit
from core.training.kernels.rows import compiled


@compiled
def below(bits: np.uint64, n: Int) -> Int:
    """An integer in 0..n-1 from the upper 32 bits (n < 2**31)."""
    return int64(((bits >> uint64(32)) * uint64(n)) >> uint64(32))


@compiled
def draw_noise(stream: np.uint64, drawn: Int, accept: np.ndarray, alias: np.ndarray, noise: np.ndarray) -> None:
    """Fill ``noise`` from a noise table with the numbers of ``stream`` that follow number ``drawn``."""
    for k in range(len(noise)):
        bits = draw(stream, drawn + k + 1)
        slot = below(bits, len(accept))  # from the upper half of the bits; the coin below uses the lower half
        noise[k] = slot if unit(bits << uint64(32)) < accept[slot] else alias[slot]
