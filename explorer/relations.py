"""What is known about a product: its training pairs, its held-out pairs and whether a model could have seen it.

Belongs here: reading one product's pairs out of the graph and the split. Does not belong here: display.
"""

from dataclasses import dataclass

import numpy as np

from core.graph import ProductGraph
from core.split import PairSplit

TRAIN = "train"
HELD_OUT = "held out"
"""Names of the marks in tables and downloads."""


@dataclass(frozen=True)
class Known:
    """One product's pairs.

    Attributes:
        train: int nodes it is paired with in the training graph, ascending.
        held_out: int nodes of its validation pairs, or, if it is a cold product, of its cold pairs, ascending.
        cold: it was held out whole: no model has seen a pair of it.
    """

    train: np.ndarray
    held_out: np.ndarray
    cold: bool

    def marks(self, neighbours: np.ndarray) -> list[str]:
        """:data:`TRAIN`, :data:`HELD_OUT` or "" for each neighbour; -1 (unknown product) gets ""."""
        in_train = np.isin(neighbours, self.train)
        in_held_out = np.isin(neighbours, self.held_out)
        return [TRAIN if a else HELD_OUT if b else "" for a, b in zip(in_train, in_held_out, strict=True)]


class Relations:
    """All pairs of a category, by product. The arrays are used as they are, memory maps included."""

    def __init__(self, graph: ProductGraph, split: PairSplit) -> None:
        self._graph = graph
        self._split = split

    @property
    def n_nodes(self) -> int:
        return self._graph.n_nodes

    @property
    def degree(self) -> np.ndarray:
        """int64 ``[n_nodes]``: number of training pairs."""
        return self._graph.degree

    def of(self, node: int) -> Known:
        """The pairs of one product. Held-out pairs are found by scanning: 10 million take some milliseconds."""
        s = self._split
        train = np.asarray(self._graph.indices[self._graph.indptr[node] : self._graph.indptr[node + 1]])
        place = int(np.searchsorted(s.cold, node))
        cold = place < len(s.cold) and int(s.cold[place]) == node
        held_out = _partners(s.valid_source, s.valid_target, node)
        # A cold pair belongs to the cold product's side only: its partner was not to be found by the split's protocol.
        if cold:
            held_out = np.union1d(held_out, _partners(s.cold_source, s.cold_target, node))
        return Known(train, held_out, cold)


def _partners(source: np.ndarray, target: np.ndarray, node: int) -> np.ndarray:
    return np.union1d(target[np.flatnonzero(source == node)], source[np.flatnonzero(target == node)])
