"""Random numbers of the compiled training steps, by the streams of ``core.kernels.intrinsics``."""

from numba import int64, uint64

from core.kernels.intrinsics import draw, unit
from core.training.kernels.rows import compiled


@compiled
def below(bits, n):
    """An integer in 0..n-1 from the upper 32 bits (n < 2**31)."""
    return int64(((bits >> uint64(32)) * uint64(n)) >> uint64(32))


@compiled
def draw_noise(stream, drawn, accept, alias, noise):
    """Fill ``noise`` from a noise table with the numbers of ``stream`` that follow number ``drawn``."""
    for k in range(len(noise)):
        bits = draw(stream, drawn + k + 1)
        slot = below(bits, len(accept))  # from the upper half; the coin below from the lower half
        noise[k] = slot if unit(bits << uint64(32)) < accept[slot] else alias[slot]
