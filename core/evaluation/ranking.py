"""Ranking: what a list of recommendations is worth to the one who sees it."""

import numpy as np


def recall(hits: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: targets among the first k places over min(k, number of targets)."""
    return hits[:, :k].sum(axis=1) / np.minimum(k, n_targets)


def ndcg(hits: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: normalized discounted cumulative gain of binary relevance (Järvelin and Kekäläinen,
    2002).

    A target at rank r gains 1 / log2(r + 1); the ideal list has targets in all of its first min(k, targets)
    places.
    """
    gain = 1 / np.log2(np.arange(2, k + 2))
    width = min(k, hits.shape[1])
    return hits[:, :width] @ gain[:width] / np.cumsum(gain)[np.minimum(k, n_targets) - 1]


def reciprocal_rank(hits: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: 1 / rank of the first target, 0 if it is not among the first k places."""
    first = np.argmax(hits[:, :k], axis=1)
    return np.where(hits[:, :k].any(axis=1), 1 / (first + 1), 0.0)


def coverage(lists: np.ndarray, n_candidates: int) -> float:
    """Distinct products in the lists over the most there could be: min(places, products the model could
    list).
    """
    possible = min(lists.size, n_candidates)
    return len(np.unique(lists[lists >= 0])) / possible if possible else float("nan")


def popularity_bias(lists: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """float64 ``[s]``: mean degree percentile of the listed products; NaN for an empty list.

    The percentile of a product is the share of products with a training pair that have a smaller degree, plus
    half
    the share with the same: 0.5 is what lists drawn uniformly from these products would have on average.
    """
    present = np.sort(degree[degree > 0])
    below, upto = (np.searchsorted(present, degree, side=side) for side in ("left", "right"))
    percentile = (below + upto) / 2 / max(len(present), 1)
    listed = lists >= 0
    total = np.where(listed, percentile[lists], 0.0).sum(axis=1)
    count = listed.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
