"""The weighted product graph and its row-stochastic transition matrix."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

VERSION = "1"
"""Raised whenever the same pairs give a different graph or transition matrix."""


@dataclass(frozen=True)
class ProductGraph:
    """An undirected weighted graph in CSR form; every edge is stored in both directions.

    Attributes:
        indptr: int64 ``[n_nodes + 1]``.
        indices: int32 ``[2 * n_edges]``, sorted within a row.
        weights: float32 ``[2 * n_edges]``, positive.
    """

    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray

    @property
    def n_nodes(self) -> int:
        """Number of nodes, including isolated ones."""
        return len(self.indptr) - 1

    @property
    def n_edges(self) -> int:
        """Number of undirected edges."""
        return len(self.indices) // 2

    @property
    def degree(self) -> np.ndarray:
        """int64 ``[n_nodes]``: number of neighbours of each node."""
        return np.diff(self.indptr)

    @property
    def strength(self) -> np.ndarray:
        """float64 ``[n_nodes]``: sum of the weights of the edges of each node."""
        rows = np.repeat(np.arange(self.n_nodes), self.degree)
        return np.bincount(rows, self.weights, minlength=self.n_nodes)

    def edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every edge once, ``[n_edges]``: int32 source and target, source < target, sorted by both; float32 weight."""
        source = np.repeat(np.arange(self.n_nodes, dtype=np.int32), self.degree)
        once = source < self.indices
        return source[once], self.indices[once], self.weights[once]

    def adjacency(self) -> sp.csr_matrix:
        """The float32 adjacency matrix ``[n_nodes, n_nodes]`` over the same memory."""
        n = self.n_nodes
        return sp.csr_matrix((self.weights, self.indices, self.indptr), shape=(n, n), copy=False)


def build_graph(n_nodes: int, source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> ProductGraph:
    """Build the symmetric graph of undirected pairs; the weights of repeated pairs are added up.

    Args:
        n_nodes: number of nodes, including isolated ones.
        source, target: int32 ``[m]`` node ids; self pairs are not allowed.
        weight: float32 ``[m]``, positive and finite.

    Raises:
        ValueError: ids out of range, self pairs, or weights that are not positive and finite.
    """
    if len(source) and (min(source.min(), target.min()) < 0 or max(source.max(), target.max()) >= n_nodes):
        raise ValueError(f"node ids must lie in 0..{n_nodes - 1}")
    if np.any(source == target):
        raise ValueError("a product cannot be paired with itself")
    if not np.all((weight > 0) & np.isfinite(weight)):
        raise ValueError("weights must be positive and finite")
    upper = sp.coo_matrix((weight.astype(np.float32), (source, target)), shape=(n_nodes, n_nodes)).tocsr()
    full = (upper + upper.T).tocsr()
    full.sort_indices()
    return ProductGraph(
        full.indptr.astype(np.int64), full.indices.astype(np.int32), full.data.astype(np.float32, copy=False)
    )


def transition_matrix(graph: ProductGraph) -> sp.csr_matrix:
    """Row-stochastic matrix P with P[i, j] = w[i, j] / sum_j w[i, j].

    The row of a product without neighbours stays empty instead of getting a self loop. No walk can start there, and a
    loop would only teach a model that the product goes with itself.

    Returns:
        float64 CSR ``[n_nodes, n_nodes]``: rows sum to 1 within 1e-12 (0 for isolated nodes). It is float64 because
        rounding 1e5 float32 probabilities of a hub shifts the row by more than a chi-square test tolerates.
    """
    weights = graph.weights.astype(np.float64)
    data = weights / np.repeat(graph.strength, graph.degree)
    n = graph.n_nodes
    return sp.csr_matrix((data, graph.indices, graph.indptr), shape=(n, n))
