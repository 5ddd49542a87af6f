"""The learning-curve probe: one number about half-trained vectors, cheap enough to take between batches.

Belongs here: ROC-AUC of a fixed sample of pairs. Does not belong here: anything that is reported as a result;
that is ``core.evaluation.run``.
"""

import numpy as np

from core.evaluation.link import roc_auc, thresholds
from core.interfaces import Probe
from core.split import PairSplit


def auc_probe(split: PairSplit, seed: int = 42, size: int = 20_000) -> Probe:
    """A probe on at most ``size`` held-out pairs and as many published negatives, both products in train.

    Returns:
        ``probe(center, context)``: ROC-AUC by center_context scoring if there is a context, else by
        center_center; NaN if there are no such pairs or the vectors are not finite.
    """
    in_train = np.zeros(split.n_nodes, dtype=bool)
    in_train[split.train_source] = in_train[split.train_target] = True
    rng = np.random.default_rng(seed)

    def sample(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = np.flatnonzero(in_train[source] & in_train[target])
        if len(known) > size:
            known = np.sort(rng.choice(known, size=size, replace=False))
        return np.array(source[known]), np.array(target[known])

    positive = sample(split.valid_source, split.valid_target)
    negative = sample(split.published_source, split.published_target)

    def probe(center: np.ndarray, context: np.ndarray | None) -> float:
        other = center if context is None else context

        def scores(source: np.ndarray, target: np.ndarray) -> np.ndarray:
            forth = _cosine(center[source], other[target])
            return forth if context is None else forth + _cosine(center[target], other[source])

        a, b = scores(*positive), scores(*negative)
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return float("nan")
        counts = thresholds(a, b)
        return float(roc_auc(counts.true_positives, counts.false_positives))

    return probe


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float32 ``[m]`` cosines of rows; 0 where a row is zero."""
    length = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    return np.einsum("ij,ij->i", a, b) / np.where(length == 0, np.float32(1), length)
