"""Explanations why two products belong together: shared neighbours and the strongest paths between them."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.graph import ProductGraph


@dataclass(frozen=True)
class GraphPath:
    """A path without repeated nodes.

    Attributes:
        nodes: the nodes from first to last.
        weights: the weight of the edge of each step.
        steps: the transition probability of each step, w[a, b] / sum_c w[a, c].
    """

    nodes: tuple[int, ...]
    weights: tuple[float, ...]
    steps: tuple[float, ...]

    @property
    def probability(self) -> float:
        """Probability that a random walk from the first node takes exactly this path: the product of its steps."""
        return math.prod(self.steps)


@dataclass(frozen=True)
class SharedNeighbours:
    """Neighbours of both nodes of a pair, the strongest first.

    Attributes:
        nodes: int64 ``[n]``, at most as many as requested.
        probability: float64 ``[n]``: probability of the walk source → node → target.
        total: number of all shared neighbours.
    """

    nodes: np.ndarray
    probability: np.ndarray
    total: int


class GraphPaths:
    """Short paths in a weighted graph.

    The constructor reads every weight once (about 30 ms for 13 million); a query reads only the rows around its nodes.

    Args:
        graph: undirected and without self loops; memory maps are not copied.
    """

    def __init__(self, graph: ProductGraph) -> None:
        self._graph = graph
        # Only rows with edges are summed, because reduceat gives an empty row the value that follows it.
        rows = np.flatnonzero(graph.degree)
        self._strength = np.zeros(graph.n_nodes)
        if len(rows):
            self._strength[rows] = np.add.reduceat(graph.weights, graph.indptr[rows], dtype=np.float64)

    def shared(self, source: int, target: int, limit: int) -> SharedNeighbours:
        """The shared neighbours of two different nodes, ordered by the probability of the walk through them."""
        middle, weight_in, weight_out = self._middles(source, target)
        probability = weight_in / self._strength[source] * weight_out / self._strength[middle]
        order = np.argsort(-probability, kind="stable")[:limit]
        return SharedNeighbours(middle[order].astype(np.int64), probability[order], len(middle))

    def strongest(self, source: int, target: int) -> list[GraphPath]:
        """The most probable paths of one, two and three steps, as far as they exist; most probable first.

        Of equally probable paths, the shorter one comes first, then the one with smaller node ids. The time grows with
        the number of edges at the neighbours of the source or of the target, whichever is smaller.
        """
        if source == target:
            raise ValueError("a path needs two different products")
        return sorted(self._one_of_each_length(source, target), key=lambda path: -path.probability)

    def _one_of_each_length(self, source: int, target: int) -> Iterator[GraphPath]:
        first, _ = self._row(source)
        if target in first:
            yield self._path(source, target)
        shared = self.shared(source, target, 1)
        if shared.total:
            yield self._path(source, int(shared.nodes[0]), target)
        middles = self._best_two_middles(source, target)
        if middles is not None:
            yield self._path(source, *middles, target)

    def _best_two_middles(self, source: int, target: int) -> tuple[int, int] | None:
        """The nodes a, b of the most probable path source → a → b → target."""
        a, weight_a = self._row(source, without=target)
        b, weight_b = self._row(target, without=source)
        # The factors that depend on one of the two nodes alone; strength[source] is the same for all paths.
        share_a, share_b = weight_a / self._strength[a], weight_b / self._strength[b]
        indptr = self._graph.indptr
        swapped = (indptr[b + 1] - indptr[b]).sum() < (indptr[a + 1] - indptr[a]).sum()
        near, share_near, far, share_far = (b, share_b, a, share_a) if swapped else (a, share_a, b, share_b)
        if not len(near) or not len(far):
            return None
        near_index, end, weight = self._edges(near)
        far_index = np.minimum(np.searchsorted(far, end), len(far) - 1)
        joined = np.flatnonzero(far[far_index] == end)
        if not len(joined):
            return None
        near_index, far_index = near_index[joined], far_index[joined]
        product = share_near[near_index] * weight[joined] * share_far[far_index]
        best = np.flatnonzero(product == product.max())
        ends = zip(near[near_index[best]].tolist(), far[far_index[best]].tolist(), strict=True)
        return min((y, x) if swapped else (x, y) for x, y in ends)

    def _middles(self, source: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shared neighbours, ascending, with the weights to the source and to the target (float64)."""
        (a, weight_a), (b, weight_b) = self._row(source), self._row(target)
        middle, at_a, at_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
        return middle, weight_a[at_a], weight_b[at_b]

    def _row(self, node: int, without: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours of a node, ascending, with weights (float64)."""
        row = slice(int(self._graph.indptr[node]), int(self._graph.indptr[node + 1]))
        indices = np.asarray(self._graph.indices[row])
        weights = np.asarray(self._graph.weights[row], dtype=np.float64)
        keep = indices != without
        return indices[keep], weights[keep]

    def _edges(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All edges of the nodes: index of the node in ``nodes``, other end, weight."""
        starts = self._graph.indptr[nodes]
        lengths = self._graph.indptr[nodes + 1] - starts
        index = np.repeat(np.arange(len(nodes)), lengths)
        edge = np.arange(len(index)) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        return index, self._graph.indices[edge], self._graph.weights[edge]

    def _path(self, *nodes: int) -> GraphPath:
        weights = []
        for a, b in itertools.pairwise(nodes):
            ends, weight = self._row(a)
            weights.append(float(weight[np.searchsorted(ends, b)]))
        steps = [weight / float(self._strength[node]) for weight, node in zip(weights, nodes, strict=False)]
        return GraphPath(nodes, tuple(weights), tuple(steps))
