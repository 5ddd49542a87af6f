"""How often customers bought one product some steps after another."""

import numpy as np
import scipy.sparse as sp


def transitions(
    customer: np.ndarray, node: np.ndarray, n_nodes: int, window: int, decay: float, backward: float
) -> sp.csr_matrix:
    """Weighted counts of the steps from product to product.

    Args:
        customer: int ``[m]``: the customer of each event; the events of a customer stand together, the earliest first.
        node: int ``[m]``: the product of each event.
        n_nodes: number of products.
        window: maximum number of steps between the products of a pair.
        decay: a pair that is s steps apart counts ``decay ** (s - 1)``.
        backward: the pair (later, earlier) counts this share of it.

    Returns:
        float64 CSR ``[n_nodes, n_nodes]``: entry (i, j) says how often j followed i. A product does not follow itself.
    """
    shape = (n_nodes, n_nodes)
    counts = sp.csr_matrix(shape)
    for step in range(1, min(window, len(node) - 1) + 1):
        pair = np.flatnonzero((customer[:-step] == customer[step:]) & (node[:-step] != node[step:]))
        counts = counts + sp.csr_matrix(
            (np.full(len(pair), decay ** (step - 1)), (node[pair], node[pair + step])), shape
        )
    counts = (counts + backward * counts.T).tocsr()
    counts.eliminate_zeros()
    return counts


def damped(counts: sp.csr_matrix, popularity: np.ndarray, source_power: float, target_power: float) -> sp.csr_matrix:
    """``counts[i, j] / (popularity[i] ** source_power * popularity[j] ** target_power)`` as float32 CSR.

    Args:
        counts: CSR ``[n, n]``.
        popularity: ``[n]``; values below 1 count as 1.
        source_power, target_power: powers; 0 does not damp.
    """
    base = np.maximum(popularity, 1.0)
    return (sp.diags(base**-source_power) @ counts @ sp.diags(base**-target_power)).tocsr().astype(np.float32)
