"""Small operations on arrays that several parts of core need."""

import numpy as np


def run_starts(ordered: np.ndarray) -> np.ndarray:
    """bool ``[m]``: which values of a sorted array differ from the value before them; the first one does."""
    starts = np.ones(len(ordered), dtype=bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    return starts


def distinct(values: np.ndarray) -> np.ndarray:
    """Sorted distinct values ``[m]``.

    The result is that of ``np.unique``, which hashes integers before it sorts them since NumPy 2.3 and is ten times
    slower on long arrays.
    """
    ordered = np.sort(values)
    unique: np.ndarray = ordered[run_starts(ordered)]
    return unique
