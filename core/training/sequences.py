"""The sequences of products that a model learns from: walks, sessions, or both."""

import numpy as np

from core.interfaces import BOTH, SESSIONS, Inputs


def sequences(inputs: Inputs, learns_from: str) -> np.ndarray | None:
    """int32 ``[rows, length]``, padded with -1; None if the inputs have none.

    Walks and sessions alone are passed on as they are, memory-mapped where they are. For both, one new array is filled,
    the walks first, as wide as the wider of the two: its size is all the memory that this takes.

    Args:
        inputs: inputs with the sequences that are asked for.
        learns_from: one of ``core.interfaces.WALKS``, ``SESSIONS`` and ``BOTH``.
    """
    walks, sessions = inputs.walks, inputs.sessions
    if learns_from == SESSIONS:
        return sessions
    if learns_from != BOTH or sessions is None or not len(sessions):
        return walks
    if walks is None or not len(walks):
        return sessions
    together = np.full((len(walks) + len(sessions), max(walks.shape[1], sessions.shape[1])), -1, np.int32)
    together[: len(walks), : walks.shape[1]] = walks
    together[len(walks) :, : sessions.shape[1]] = sessions
    return together
