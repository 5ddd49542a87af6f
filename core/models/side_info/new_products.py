"""Vectors of products that no walk visits, made so that they point at the partners such a product would have.

A new product whose center is the average of what alike products learned is placed well among them, but its scores
carry what all centers have in common (their mean is more than half as long as they are), which says how much a product
is bought and not with what. The direction of a known product's partners is free of it: it is Fisher's linear
discriminant (Fisher 1936; Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", section 4.3) between
the centers of its partners and those of products drawn by degree. Side values fitted to such directions tell a new
product's. By itself it would score too high against everything, for it lacks what makes the cosine of unrelated
centers and contexts negative, and fill the lists of known and new products alike; so a new product gets a little of the
mean center back, and its context is drawn to the mean context, which puts its scores below those of known products
with like evidence without changing their order.
"""

import numpy as np
import scipy.sparse as sp

from core.graph import ProductGraph
from core.scoring.vectors import normalized

_SHRINKAGE = 10.0
"""The covariance is blended with so many times its mean variance: partners are few and directions many."""
_MEAN_CENTER, _MEAN_CONTEXT = 0.2, 2.0
"""How much of the mean's direction a new product's unit vectors get; chosen on the cold products of Beauty, held up on
Cell Phones and on other splits. Less lists new products to others sooner, and, sooner than that, to each other."""


def partner_directions(center: np.ndarray, graph: ProductGraph) -> np.ndarray:
    """For every product the discriminant between its partners and products drawn in proportion to their degree.

    With u the unit-length centers, m and S their mean and covariance under that draw, v = trace(S) / d:
    ``(S / v + shrinkage I)^-1 (mean of u over the partners - m)``, at the mean length of the centers.

    Args:
        center: float32 ``[n_nodes, d]``.
        graph: of the training pairs; every pair counts the same.

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
    """float32 ``[d]``: mean of the vectors ``[n_nodes, d]``, each weighted by its product's number of pairs."""
    degree = graph.degree
    return (degree / max(degree.sum(), 1)).astype(np.float32) @ vectors


def place_newcomers(
    center: np.ndarray, context: np.ndarray, direction: np.ndarray, new: np.ndarray, graph: ProductGraph
) -> None:
    """Give new products their vectors, in place, at the mean length of the others'.

    Args:
        center, context: float32 ``[n_nodes, d]``: of known products as learned; of new ones the contexts that their
            side values tell.
        direction: float32 ``[n_nodes, d]``: of new products the partners' direction that their side values tell.
        new: bool ``[n_nodes]``.
        graph: of the training pairs.
    """
    known = graph.degree > 0
    for vectors, told, pull in ((center, direction, _MEAN_CENTER), (context, context, _MEAN_CONTEXT)):
        common = normalized(degree_mean(normalized(vectors), graph)[None])
        vectors[new] = normalized(normalized(told[new]) + np.float32(pull) * common) * _mean_length(vectors[known])


def _mean_length(vectors: np.ndarray) -> np.float32:
    return np.float32(np.linalg.norm(vectors, axis=1).mean()) if len(vectors) else np.float32(0)
