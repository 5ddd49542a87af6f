"""A number per product by which a change of its pairs is noticed."""

import numpy as np

from core.graph import ProductGraph


def pair_fingerprints(keys: np.ndarray, graph: ProductGraph) -> np.ndarray:
    """uint64 ``[n_nodes]``: changes when a product's partners or the weights of its pairs do, but not with numbering.

    Args:
        keys: uint64 ``[n_nodes]``: identifies the product of a node.
        graph: the pairs.
    """
    weight = graph.weights.astype(np.float32).view(np.uint32).astype(np.uint64)
    entries = keys[graph.indices] * np.uint64(0x9E3779B97F4A7C15) ^ weight * np.uint64(0xBF58476D1CE4E5B9)
    entries ^= entries >> np.uint64(29)  # a plain sum would not see two partners that swap their weights
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(entries * np.uint64(0x94D049BB133111EB))])
    fingerprints: np.ndarray = sums[graph.indptr[1:]] - sums[graph.indptr[:-1]]
    return fingerprints
