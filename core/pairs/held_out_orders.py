"""Orders that are held out in time, and what the customers who placed them bought before."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class ProductSets:
    """Sets of products, one after the other.

    Attributes:
        starts: int64 ``[s + 1]``: set i is ``nodes[starts[i]:starts[i + 1]]``.
        nodes: int32: the node ids of all sets; within a set each at most once.
    """

    starts: np.ndarray
    nodes: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> np.ndarray:
        """int64 ``[s]``: number of products of each set."""
        sizes: np.ndarray = np.diff(self.starts)
        return sizes

    @property
    def rows(self) -> np.ndarray:
        """int64: the number of the set that each entry of :attr:`nodes` belongs to."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @property
    def places(self) -> np.ndarray:
        """int64: the place of each entry of :attr:`nodes` within its set, from 0."""
        places: np.ndarray = np.arange(len(self.nodes)) - np.repeat(self.starts[:-1], self.sizes)
        return places

    def matrix(self, n_nodes: int, recency: float = 1.0) -> sp.csr_matrix:
        """float64 CSR ``[s, n_nodes]``: ``recency ** p`` for the product at place p of a set."""
        return sp.csr_matrix((recency**self.places, self.nodes, self.starts), shape=(len(self), n_nodes))

    def take(self, chosen: np.ndarray) -> "ProductSets":
        """The sets of these numbers, in this order."""
        sizes = self.sizes[chosen]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        at = np.arange(starts[-1]) - np.repeat(starts[:-1] - self.starts[:-1][chosen], sizes)
        return ProductSets(starts, self.nodes[at])

    def first(self, n: int) -> "ProductSets":
        """The sets of at most the first n products of each."""
        starts = np.concatenate([[0], np.cumsum(np.minimum(self.sizes, n))])
        return ProductSets(starts, self.nodes[self.places < n])


@dataclass(frozen=True)
class HeldOutOrders:
    """What the test in time asks about; no model learns from it.

    Attributes:
        orders: the held-out orders of at least two products.
        history: of each customer with a held-out order and something bought before: what it was, the latest product
            first.
        next_orders: of the same customers, in the same order: the products of the first held-out order that the
            history does not contain; at least one.
    """

    orders: ProductSets
    history: ProductSets
    next_orders: ProductSets
