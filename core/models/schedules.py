"""How learning rates fall over a training.

Belongs here: formulas that several models' settings share. Does not belong here: the settings themselves.
"""

import math


def restarting_cosine(high: float, low: float, part: float) -> float:
    """The rate after ``part`` (0..1) of a cycle: Loshchilov and Hutter 2017 (SGDR), equation 5; a cycle is an epoch."""
    return low + (high - low) * (1 + math.cos(math.pi * part)) / 2
