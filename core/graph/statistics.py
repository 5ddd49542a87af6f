"""Statistics of the training graph: degrees, weights and connected components."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from core.graph import ProductGraph


@dataclass(frozen=True)
class GraphStatistics:
    """Statistics of a graph.

    Attributes:
        degree: int64 ``[n_nodes]``.
        weight_edges: float64 ``[b + 1]``: bin edges, powers of two that enclose all weights; empty if the graph has no
            edges.
        weight_counts: int64 ``[b]``: number of edges of the graph whose weight lies in each bin, the left bin edge
            included.
        component_sizes: int64, descending: number of nodes of every connected component of two nodes or more.
    """

    degree: np.ndarray
    weight_edges: np.ndarray
    weight_counts: np.ndarray
    component_sizes: np.ndarray


def graph_statistics(graph: ProductGraph) -> GraphStatistics:
    """Compute the statistics of a graph; takes a second for 10 million edges."""
    n = graph.n_nodes
    pattern = sp.csr_matrix((np.ones(len(graph.indices), np.int8), graph.indices, graph.indptr), shape=(n, n))
    _, label = connected_components(pattern, directed=False)
    sizes = np.bincount(label, minlength=0)
    # frexp gives weight = fraction * 2**exponent with 0.5 <= fraction < 1, so the exponent is the bin.
    exponent = np.frexp(np.asarray(graph.weights))[1]
    low, high = (int(exponent.min()), int(exponent.max())) if len(exponent) else (0, -1)
    # Every edge is stored in both directions.
    counts = np.bincount(exponent - low, minlength=high - low + 1) // 2 if len(exponent) else np.empty(0, np.int64)
    edges = 2.0 ** np.arange(low - 1, high + 1) if len(exponent) else np.empty(0)
    return GraphStatistics(np.asarray(graph.degree), edges, counts.astype(np.int64), np.sort(sizes[sizes > 1])[::-1])
