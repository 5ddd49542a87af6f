"""The learning-curve probe: one number for half-trained vectors, cheap enough to compute between batches."""

import numpy as np

from core.evaluation.link import roc_auc, thresholds
from core.pairs.split import PairSplit

_BLOCK = 2_048
"""Number of pairs scored at a time, so that their rows stay in the processor's cache."""


class AucProbe:
    """ROC-AUC on a fixed sample of pairs; see ``core.interfaces.Probe``.

    Pairs are scored by center_context if there is a context, else by center_center; without ``cosine``, by native.

    Args:
        positive: int ``[2, p]``: source and target nodes of related pairs.
        negative: int ``[2, n]``: source and target nodes of unrelated pairs.
    """

    def __init__(self, positive: np.ndarray, negative: np.ndarray) -> None:
        pairs = np.concatenate([positive, negative], axis=1)
        self.nodes, places = np.unique(pairs, return_inverse=True)
        self._source, self._target = places.reshape(pairs.shape)
        self._positives = positive.shape[1]

    def __call__(self, center: np.ndarray, context: np.ndarray | None, cosine: bool = True) -> float:
        """ROC-AUC; NaN if there are no pairs or the vectors are not finite."""
        score = _cosine if cosine else _inner_product
        other = center if context is None else context
        scores = np.empty(len(self._source), np.float32)
        for first in range(0, len(scores), _BLOCK):
            block = slice(first, first + _BLOCK)
            source, target = self._source[block], self._target[block]
            scores[block] = score(center[source], other[target])
            if cosine and context is not None:  # an inner product is the native score, which is symmetric already
                scores[block] += score(center[target], other[source])
        if not np.isfinite(scores).all():
            return float("nan")
        counts = thresholds(scores[: self._positives], scores[self._positives :])
        return float(roc_auc(counts.true_positives, counts.false_positives))


def auc_probe(split: PairSplit, seed: int = 42, size: int = 20_000) -> AucProbe:
    """A probe on at most ``size`` held-out pairs and as many uniform negatives, of products with a training pair."""
    in_train = np.zeros(split.n_nodes, dtype=bool)
    in_train[split.train.source] = in_train[split.train.target] = True
    rng = np.random.default_rng(seed)

    def sample(source: np.ndarray, target: np.ndarray) -> np.ndarray:
        known = np.flatnonzero(in_train[source] & in_train[target])
        if len(known) > size:
            known = np.sort(rng.choice(known, size=size, replace=False))
        return np.stack([source[known], target[known]])

    positive = sample(split.validation.source, split.validation.target)
    return AucProbe(positive, sample(split.uniform_negatives.source, split.uniform_negatives.target))


def _inner_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float32 ``[m]`` inner products of rows."""
    product: np.ndarray = np.einsum("ij,ij->i", a, b)
    return product


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float32 ``[m]`` cosines of rows; 0 where a row is zero."""
    length = np.sqrt(_inner_product(a, a) * _inner_product(b, b))
    cosine: np.ndarray = _inner_product(a, b) / np.where(length == 0, np.float32(1), length)
    return cosine
