"""What the training graph looks like as a whole: degrees, weights, connected components."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from core.graph import ProductGraph


@dataclass(frozen=True)
class GraphStatistics:
    """A graph described.

    Attributes:
        degree: int64 ``[n_nodes]``.
        weight_edges: float64 ``[b + 1]``: powers of two around all weights; empty without edges.
        weight_counts: int64 ``[b]``: edges with a weight of at least the left and less than the right edge.
        component_sizes: int64, descending: nodes of every connected component of two nodes or more.
    """

    degree: np.ndarray
    weight_edges: np.ndarray
    weight_counts: np.ndarray
    component_sizes: np.ndarray


def graph_statistics(graph: ProductGraph) -> GraphStatistics:
    """Describe a graph; a second for 10 million edges."""
    n = graph.n_nodes
    pattern = sp.csr_matrix((np.ones(len(graph.indices), np.int8), graph.indices, graph.indptr), shape=(n, n))
    _, label = connected_components(pattern, directed=False)
    sizes = np.bincount(label, minlength=0)
    # frexp: weight = fraction * 2**exponent with 0.5 <= fraction < 1, so the exponent is the bin.
    exponent = np.frexp(np.asarray(graph.weights))[1]
    low, high = (int(exponent.min()), int(exponent.max())) if len(exponent) else (0, -1)
    # Every edge stands in both directions.
    counts = np.bincount(exponent - low, minlength=high - low + 1) // 2 if len(exponent) else np.empty(0, np.int64)
    edges = 2.0 ** np.arange(low - 1, high + 1) if len(exponent) else np.empty(0)
    return GraphStatistics(np.asarray(graph.degree), edges, counts.astype(np.int64), np.sort(sizes[sizes > 1])[::-1])
