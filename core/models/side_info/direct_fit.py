"""Vectors of side values, fitted to the vectors that products learned from walks, and the average of both.

Product i occurs ``n_i`` times in the walks and learned ``y_i``. It becomes the weighted average of a vector of its own
and one vector for each field it has: ``h_i = a_i0 p_i + sum_k a_ik f_ik``, where ``f_ik`` averages the vectors ``s_v``
of its values v in field k. The weights are a softmax over the fields that the product has, ``a_i = softmax(t_i)`` with
``t_ik = g_k + d_ik``: EGES (Wang et al., "Billion-scale Commodity Embedding for E-commerce Recommendation in Alibaba",
KDD 2018, on GES with weights), plus a part g that all products share. The fit minimizes

    sum_i [ n_i |y_i - h_i|^2 + own |p_i|^2 ] + side sum_v |s_v|^2 + penalty (sum_ik d_ik^2 + sum_k g_k^2)

over p, s and, unless the weights stay equal, t. Unlike in the paper, the vectors are fitted after the walks and not
together with them. For given weights p has a closed form, and s is the solution of a weighted ridge regression: so no
frequent value takes thousands of gradient steps at once, which makes large stochastic steps diverge. The share of
``n_i a_i0^2 / (n_i a_i0^2 + own)`` of a product's deviation from its side values then comes from what it learned
itself: little if it occurred once, nearly everything if it occurred often. The logits start at zero and take
Gauss-Newton steps. A row of y holds the center and the context vector, so that a value has one of each and a product
has one set of weights.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from core.progress import Progress, silent

_CHUNK = 1 << 15
"""Number of products that are averaged at a time; bounds the memory."""
_CG_STEPS = 60
_CG_TOLERANCE = 1e-5


@dataclass(frozen=True)
class SideFit:
    """The fit of ``n`` products with ``K`` fields and vectors of length ``d``.

    Attributes:
        vectors: float32 ``[n, d]``: h, the averages; zero for products with neither walks nor a fitted value.
        weights: float32 ``[n, 1 + K]``: a, with the weight of the product's own vector first; rows sum to 1, or to 0
            for products without walks and values.
        shared: float64 ``[1 + K]``: g, the logits that all products share.
    """

    vectors: np.ndarray
    weights: np.ndarray
    shared: np.ndarray


def fit_side_vectors(
    learned: np.ndarray,
    occurrences: np.ndarray,
    fields: list[sp.csr_matrix],
    own: float,
    side: float,
    penalty: float | None = None,
    rounds: int = 1,
    progress: Progress = silent,
) -> SideFit:
    """Minimize the objective in the header of this module.

    Args:
        learned: float32 ``[n, d]``: y.
        occurrences: int ``[n]``: n_i; 0 for products that are described by their side values alone.
        fields: per field a CSR ``[n, values]`` of shares; an empty row is a missing field.
        own, side, penalty: strengths in the objective, positive; ``penalty`` None keeps the weights equal.
        rounds: alternations between vectors and weights; one is enough for equal weights.
        progress: progress callback, called with the number of rounds.
    """
    count = occurrences.astype(np.float32)
    has = np.column_stack([occurrences > 0, *(np.diff(field.indptr) > 0 for field in fields)])
    described = has[:, 1:].any(axis=1)
    deviation = np.zeros(has.shape, np.float32)
    shared = np.zeros(has.shape[1])
    sides = [np.zeros((field.shape[1], learned.shape[1]), np.float32) for field in fields]
    train = np.flatnonzero(has[:, 0] & described)
    for finished in range(rounds):
        weights = softmax(shared + deviation, has)
        _fit_sides(learned[train], count[train], weights[train], [f[train] for f in fields], own, side, sides)
        if penalty is not None:
            _step(learned, count, has, train, fields, sides, own, penalty, shared, deviation)
        progress("side information", finished + 1, rounds, "rounds")

    weights = softmax(shared + deviation, has)
    vectors = learned.copy()  # a product without side values is its own vector
    nodes = np.flatnonzero(described)
    for rows in _chunks(nodes):
        vectors[rows] = _average(learned[rows], count[rows], weights[rows], [f[rows] for f in fields], sides, own)[0]
    return SideFit(vectors, weights, shared)


def softmax(logits: np.ndarray, has: np.ndarray) -> np.ndarray:
    """float32 softmax of each row over the entries where ``has`` is true; all other entries are 0."""
    exponents = np.where(has, np.exp(logits - logits.max(axis=1, keepdims=True)), 0)
    shares: np.ndarray = exponents / np.maximum(exponents.sum(axis=1, keepdims=True), 1e-30)
    return shares.astype(np.float32)


def _fit_sides(
    learned: np.ndarray,
    count: np.ndarray,
    weights: np.ndarray,
    fields: list[sp.csr_matrix],
    own: float,
    side: float,
    sides: list[np.ndarray],
) -> None:
    """Set ``sides`` to the optimum for given weights: ridge regression by conjugate gradients from the current values.

    With p_i at its optimum, a product's part of the objective is m_i |y_i - sum_k a_ik f_ik|^2 with
    m_i = n_i own / (n_i a_i0^2 + own): n_i when it is rare, at most own / a_i0^2 when it is frequent.
    """
    design = sp.hstack([sp.diags(weights[:, 1 + k]) @ field for k, field in enumerate(fields)]).tocsr()
    strength = count * own / (count * weights[:, 0] ** 2 + own)
    transposed = (sp.diags(strength) @ design).T.tocsr()
    inverse = 1 / (np.asarray(transposed.multiply(design.T).sum(axis=1)) + side).astype(np.float32)

    solution = np.concatenate(sides)
    residual = transposed @ (learned - design @ solution) - np.float32(side) * solution
    tolerance = np.float32(_CG_TOLERANCE**2) * (residual * inverse * residual).sum(axis=0)
    direction = inverse * residual
    size = (residual * direction).sum(axis=0)
    for _ in range(_CG_STEPS):
        if (size <= tolerance).all():
            break
        image = transposed @ (design @ direction) + np.float32(side) * direction
        length = size / np.maximum((direction * image).sum(axis=0), 1e-30)
        solution += length * direction
        residual -= length * image
        scaled = inverse * residual
        size, last_size = (residual * scaled).sum(axis=0), size
        direction = scaled + size / np.maximum(last_size, 1e-30) * direction
    first = 0
    for vectors in sides:
        vectors[:] = solution[first : first + len(vectors)]
        first += len(vectors)


def _average(
    learned: np.ndarray,
    count: np.ndarray,
    weights: np.ndarray,
    fields: list[sp.csr_matrix],
    sides: list[np.ndarray],
    own: float,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """h ``[m, d]`` and its parts p, f_1, f_2, …, with the optimal p for given weights."""
    parts = [field @ vectors for field, vectors in zip(fields, sides, strict=True)]
    from_sides = sum(weights[:, [1 + k]] * part for k, part in enumerate(parts))
    own_weight = weights[:, 0]
    own_vectors = (count * own_weight / (count * own_weight**2 + np.float32(own)))[:, None] * (learned - from_sides)
    return own_weight[:, None] * own_vectors + from_sides, [own_vectors, *parts]


def _step(
    learned: np.ndarray,
    count: np.ndarray,
    has: np.ndarray,
    train: np.ndarray,
    fields: list[sp.csr_matrix],
    sides: list[np.ndarray],
    own: float,
    penalty: float,
    shared: np.ndarray,
    deviation: np.ndarray,
) -> None:
    """One Gauss-Newton step on the logits, in place; it descends, because the trace bounds the curvature.

    dh_i / dt_ik = a_ik (part_ik - h_i), the derivative of a softmax average.
    """
    slope, curvature = np.zeros_like(shared), 0.0
    for rows in _chunks(train):
        weights = softmax(shared + deviation[rows], has[rows])
        h, parts = _average(learned[rows], count[rows], weights, [f[rows] for f in fields], sides, own)
        change = [weights[:, [k]] * (part - h) for k, part in enumerate(parts)]
        gap = learned[rows] - h
        gradient = -count[rows, None] * np.column_stack([(gap * column).sum(axis=1) for column in change])
        bound = count[rows] * sum((column * column).sum(axis=1) for column in change)
        slope += gradient.sum(axis=0)
        curvature += float(bound.sum())
        deviation[rows] -= (gradient + penalty * deviation[rows]) / (bound + penalty)[:, None]
    shared -= (slope + penalty * shared) / (curvature + penalty)


def _chunks(nodes: np.ndarray) -> list[np.ndarray]:
    return [nodes[first : first + _CHUNK] for first in range(0, len(nodes), _CHUNK)]
