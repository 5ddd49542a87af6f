"""Vectors of products that no walk visits. They point at the partners that such a product would have.

A new product whose center is the average of what similar products learned has a good position among them, but its
scores contain what all centers have in common (their mean is more than half as long as they are), which says how much a
product is bought and not with what. The direction of a known product's partners does not contain it: it is Fisher's
linear discriminant (Fisher 1936; Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", section 4.3)
between the centers of its partners and those of products drawn by degree. Side values that are fitted to such
directions give the direction of a new product. This direction alone would score too high against everything, because it
lacks what makes the cosine of unrelated centers and contexts negative, and new products would fill the lists of known
and new products. So a new product gets a small part of the mean center back, and its context is pulled to the mean
context. This puts its scores below those of known products with similar evidence without changing their order.
"""

import numpy as np
import scipy.sparse as sp

from core.graph import ProductGraph
from core.scoring.vectors import normalized

_SHRINKAGE = 10.0
"""This many times its mean variance is added to the covariance, because partners are few and directions many."""
_MEAN_CENTER, _MEAN_CONTEXT = 0.2, 2.0
"""The share of the mean's direction that is added to the unit vectors of a new product. It was chosen on the cold
products of Beauty and confirmed on Cell Phones and on other splits. With less of it new products appear more in the
lists of others, and even more in the lists of each other."""


def partner_directions(center: np.ndarray, graph: ProductGraph) -> np.ndarray:
    """For every product the discriminant between its partners and products drawn in proportion to their degree.

    With u the centers at unit length, m and S their mean and covariance under that draw, and v = trace(S) / d, it is
    ``(S / v + shrinkage I)^-1 (mean of u over the partners - m)``, scaled to the mean length of the centers.

    Args:
        center: float32 ``[n_nodes, d]``.
        graph: the graph of the training pairs; every pair counts the same.

    Returns:
        float32 ``[n_nodes, d]``; zero for products without a pair.
    """
    unit = normalized(center)
    degree = graph.degree
    mean = degree_mean(unit, graph)
    paired = degree > 0
    unit[paired] -= mean
    covariance = (unit * degree[:, None].astype(np.float32)).T @ unit
    covariance *= center.shape[1] / max(np.trace(covariance), 1e-30)
    share = np.repeat(1 / np.maximum(degree, 1), degree).astype(np.float32)
    partners = sp.csr_matrix((share, graph.indices, graph.indptr), shape=(graph.n_nodes, graph.n_nodes)) @ unit
    discriminant = np.linalg.inv(covariance + _SHRINKAGE * np.eye(center.shape[1]))
    directions = normalized(partners @ discriminant.astype(np.float32))
    directions *= _mean_length(center[paired])
    return directions


def degree_mean(vectors: np.ndarray, graph: ProductGraph) -> np.ndarray:
    """float32 ``[d]``: the mean of the vectors ``[n_nodes, d]``, weighted by the products' numbers of pairs."""
    degree = graph.degree
    mean: np.ndarray = (degree / max(degree.sum(), 1)).astype(np.float32) @ vectors
    return mean


def place_newcomers(
    center: np.ndarray, context: np.ndarray, direction: np.ndarray, new: np.ndarray, graph: ProductGraph
) -> None:
    """Set the vectors of new products, in place, with the mean length of the others.

    Args:
        center, context: float32 ``[n_nodes, d]``: the learned vectors of known products; the contexts of new products
            as their side values give them.
        direction: float32 ``[n_nodes, d]``: the direction of the partners of new products, from their side values.
        new: bool ``[n_nodes]``.
        graph: the graph of the training pairs.
    """
    known = graph.degree > 0
    for vectors, fitted, share in ((center, direction, _MEAN_CENTER), (context, context, _MEAN_CONTEXT)):
        common = normalized(degree_mean(normalized(vectors), graph)[None])
        vectors[new] = normalized(normalized(fitted[new]) + np.float32(share) * common) * _mean_length(vectors[known])


def _mean_length(vectors: np.ndarray) -> np.float32:
    return np.float32(np.linalg.norm(vectors, axis=1).mean()) if len(vectors) else np.float32(0)
