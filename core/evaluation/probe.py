"""The learning-curve probe: one number about half-trained vectors, cheap enough to take between batches."""

import numpy as np

from core.evaluation.link import roc_auc, thresholds
from core.pairs.split import PairSplit

_BLOCK = 2_048
"""Pairs scored at a time: their rows stay in the processor's cache."""


class AucProbe:
    """A fixed sample of pairs; see ``core.interfaces.Probe``.

    Scores are center_context ones if there is a context, else center_center ones; of inner products the native ones.

    Args:
        positive: int ``[2, p]``: source and target nodes of related pairs.
        negative: int ``[2, n]``: of unrelated ones.
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
            if cosine and context is not None:  # inner products are the model's own score, which is symmetric
                scores[block] += score(center[target], other[source])
        if not np.isfinite(scores).all():
            return float("nan")
        counts = thresholds(scores[: self._positives], scores[self._positives :])
        return float(roc_auc(counts.true_positives, counts.false_positives))


def auc_probe(split: PairSplit, seed: int = 42, size: int = 20_000) -> AucProbe:
    """A probe on at most ``size`` held-out pairs and as many published negatives, both products in train."""
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
    """float32 ``[m]``."""
    product: np.ndarray = np.einsum("ij,ij->i", a, b)
    return product


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float32 ``[m]`` cosines of rows; 0 where a row is zero."""
    length = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    return np.einsum("ij,ij->i", a, b) / np.where(length == 0, np.float32(1), length)
