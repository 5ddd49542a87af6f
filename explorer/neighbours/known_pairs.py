"""What is known about a product: its training pairs, its held-out pairs and whether a model could have seen it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from core.graph import ProductGraph
from core.graph.paths import GraphPaths
from core.pairs.split import PairSplit

TRAIN = "train"
HELD_OUT = "held out"
"""Names of the marks in tables and downloads."""


@dataclass(frozen=True)
class Partners:
    """One product's pairs.

    Attributes:
        train: int nodes it is paired with in the training graph, ascending.
        held_out: int nodes of the pairs that no model was shown: those of validation and those with a cold product
            on either side, ascending.
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


class KnownPairs:
    """All pairs of a category, by product. The arrays are used as they are, memory maps included."""

    def __init__(self, graph: ProductGraph, split: PairSplit) -> None:
        self._graph = graph
        self._split = split

    @property
    def n_nodes(self) -> int:
        return self._graph.n_nodes

    @cached_property
    def paths(self) -> GraphPaths:
        """Paths in the training graph."""
        return GraphPaths(self._graph)

    @property
    def degree(self) -> np.ndarray:
        """int64 ``[n_nodes]``: number of training pairs."""
        return self._graph.degree

    def partners(self, node: int) -> Partners:
        """The pairs of one product. Held-out pairs are found by scanning: 10 million take some milliseconds."""
        s = self._split
        train = np.asarray(self._graph.indices[self._graph.indptr[node] : self._graph.indptr[node + 1]])
        place = int(np.searchsorted(s.cold, node))
        cold = place < len(s.cold) and int(s.cold[place]) == node
        held_out = _partners(s.validation.source, s.validation.target, node)
        return Partners(train, np.union1d(held_out, _partners(s.cold_pairs.source, s.cold_pairs.target, node)), cold)

    def partners_of_any(self, nodes: Sequence[int]) -> Partners:
        """The pairs of several products together; a pair with one of them in training is a training pair."""
        known = [self.partners(node) for node in nodes]
        train = reduce(np.union1d, (k.train for k in known), np.empty(0, np.int64))
        held_out = reduce(np.union1d, (k.held_out for k in known), np.empty(0, np.int64))
        return Partners(train, np.setdiff1d(held_out, train), bool(known) and all(k.cold for k in known))

    def without_pair(self, nodes: np.ndarray) -> np.ndarray:
        """bool: the product has no training pair, so only side information can have placed it; -1 gives False."""
        at = np.maximum(nodes, 0)
        return (self._graph.indptr[at + 1] == self._graph.indptr[at]) & (nodes >= 0)


def _partners(source: np.ndarray, target: np.ndarray, node: int) -> np.ndarray:
    return np.union1d(target[np.flatnonzero(source == node)], source[np.flatnonzero(target == node)])
