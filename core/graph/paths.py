"""Why two products belong together: their shared neighbours and the strongest paths between them."""

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
        nodes: first to last.
        weights: of each step's edge.
        steps: transition probability of each step, w[a, b] / sum_c w[a, c].
    """

    nodes: tuple[int, ...]
    weights: tuple[float, ...]
    steps: tuple[float, ...]

    @property
    def probability(self) -> float:
        """That a random walk from the first node takes exactly this path: the product of its steps."""
        return math.prod(self.steps)


@dataclass(frozen=True)
class SharedNeighbours:
    """Nodes next to both of a pair, the strongest first.

    Attributes:
        nodes: int64 ``[n]``, at most as many as asked for.
        probability: float64 ``[n]``: of the walk source → node → target.
        total: number of all shared neighbours.
    """

    nodes: np.ndarray
    probability: np.ndarray
    total: int


class GraphPaths:
    """Short paths in a weighted graph.

    Making one reads every weight once (13 million: some 30 ms); a question reads only the rows around its nodes.

    Args:
        graph: undirected, without self loops; memory maps are used as they are.
    """

    def __init__(self, graph: ProductGraph) -> None:
        self._graph = graph
        # Sums of empty rows would be what follows them in reduceat, so only rows with edges are summed.
        rows = np.flatnonzero(graph.degree)
        self._strength = np.zeros(graph.n_nodes)
        if len(rows):
            self._strength[rows] = np.add.reduceat(graph.weights, graph.indptr[rows], dtype=np.float64)

    def shared(self, source: int, target: int, limit: int) -> SharedNeighbours:
        """The shared neighbours of two different nodes, ordered by the walk that leads through them."""
        middle, weight_in, weight_out = self._middles(source, target)
        probability = weight_in / self._strength[source] * weight_out / self._strength[middle]
        order = np.argsort(-probability, kind="stable")[:limit]
        return SharedNeighbours(middle[order].astype(np.int64), probability[order], len(middle))

    def strongest(self, source: int, target: int) -> list[GraphPath]:
        """The most probable path of one, of two and of three steps, as far as there are any; most probable first.

        Equally probable paths: the shorter one, then the one over the smaller node ids. Time grows with the number
        of edges at the neighbours of whichever of the two nodes has fewer of them.
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
        """Nodes a, b of the most probable source → a → b → target."""
        a, weight_a = self._row(source, without=target)
        b, weight_b = self._row(target, without=source)
        # Both ends' shares of the product; strength[source] is the same for all paths.
        share_a, share_b = weight_a / self._strength[a], weight_b / self._strength[b]
        degree = self._graph.indptr
        turned = (degree[b + 1] - degree[b]).sum() < (degree[a + 1] - degree[a]).sum()
        near, share_near, far, share_far = (b, share_b, a, share_a) if turned else (a, share_a, b, share_b)
        if not len(near) or not len(far):
            return None
        place, end, weight = self._edges(near)
        at = np.minimum(np.searchsorted(far, end), len(far) - 1)
        hit = np.flatnonzero(far[at] == end)
        if not len(hit):
            return None
        place, at = place[hit], at[hit]
        product = share_near[place] * weight[hit] * share_far[at]
        found = np.flatnonzero(product == product.max())
        ends = zip(near[place[found]].tolist(), far[at[found]].tolist(), strict=True)
        return min((y, x) if turned else (x, y) for x, y in ends)

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
        """All edges of some nodes: place of the node in ``nodes``, other end, weight."""
        starts = self._graph.indptr[nodes]
        lengths = self._graph.indptr[nodes + 1] - starts
        place = np.repeat(np.arange(len(nodes)), lengths)
        edge = np.arange(len(place)) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        return place, self._graph.indices[edge], self._graph.weights[edge]

    def _path(self, *nodes: int) -> GraphPath:
        weights = []
        for a, b in itertools.pairwise(nodes):
            ends, weight = self._row(a)
            weights.append(float(weight[np.searchsorted(ends, b)]))
        steps = [weight / float(self._strength[node]) for weight, node in zip(weights, nodes, strict=False)]
        return GraphPath(nodes, tuple(weights), tuple(steps))
