"""The features of a pair of products for the blend: one row of numbers per pair and direction."""

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.graph import ProductGraph
from core.interfaces import NATIVE, TrainedModel
from core.models import MODELS
from core.models.blend.path_features import path_features, reversed_features
from core.models.content_knn.similarity import features
from core.models.product_fields import brands
from core.scoring.chains import ChainScorer
from core.scoring.factory import scorer

_FLOORS = (1e-8, 1e-8, 1e-8, 1e-3)
"""Added to the path features before the logarithm; smaller than the usual value of a single path."""
_SCORE_FLOOR = 1e-4


def described(products: pa.Table) -> tuple[sp.csr_matrix, dict[str, np.ndarray]]:
    """The part of the products' metadata that is kept for scoring.

    Returns:
        float32 CSR ``[n_nodes, n_features]`` of :func:`core.models.content_knn.similarity.features`; int32 ``brand``
        ``[n_nodes]``, -1 without a brand; float32 ``log_price`` ``[n_nodes]``, NaN without a price.
    """
    _, brand = brands(products)
    codes = brand.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    price = products["price"].combine_chunks().to_numpy(zero_copy_only=False).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_price = np.where(price > 0, np.log(price), np.float32("nan")).astype(np.float32)
    return features(products), {"brand": codes, "log_price": log_price}


class PairFeatures:
    """Features of pairs from a graph and the models that were trained on it.

    Args:
        graph: the graph of the pairs that the models were trained on.
        content: the matrix from :func:`described`.
        facts: the arrays from :func:`described`.
        parts: registry name → what that model learned on ``graph``; all of its scorings become columns.
        threads: CPU threads; they do not change the result.
    """

    def __init__(
        self,
        graph: ProductGraph,
        content: sp.csr_matrix,
        facts: dict[str, np.ndarray],
        parts: dict[str, TrainedModel],
        threads: int = 2,
    ) -> None:
        self._graph, self._facts, self._threads = graph, facts, threads
        self._content = ChainScorer(np.ones(graph.n_nodes, dtype=bool), [content, content.T.tocsr()], True, threads)
        self.models = {
            f"{name} {scoring}": scorer(MODELS[name], part, scoring, threads)
            for name, part in parts.items()
            for scoring in MODELS[name].scorings
        }
        """The scorers whose scores are columns, by column name."""
        weights = graph.adjacency()
        self._strength = np.asarray(weights.sum(axis=1, dtype=np.float64)).ravel()
        degree = np.maximum(graph.degree, 1).astype(np.float64)
        unweighted = sp.csr_matrix((np.ones(len(graph.indices)), graph.indices, graph.indptr), shape=weights.shape)
        self._node_features = np.column_stack(
            [np.log1p(graph.degree), np.log1p(self._strength), (unweighted @ np.log(degree)) / degree]
        ).astype(np.float32)
        """Per node: the logarithms of its degree and strength, and the mean logarithm of its neighbours' degrees."""

    def both_ways(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 ``[m, f]`` twice: the features of the pairs and of the reversed pairs."""
        paths = path_features(self._graph, source, target, self._threads)
        strength, degree = self._strength, self._graph.degree
        back_paths = reversed_features(paths, (strength[source], degree[source]), (strength[target], degree[target]))
        symmetric = self._symmetric(source, target)
        ends = self._node_features[source], self._node_features[target]
        return np.hstack([_logs(paths), *ends, symmetric]), np.hstack([_logs(back_paths), *ends[::-1], symmetric])

    def forth(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m, f]``: the features of the pairs in the given direction."""
        paths = path_features(self._graph, source, target, self._threads)
        ends = self._node_features[source], self._node_features[target]
        return np.hstack([_logs(paths), *ends, self._symmetric(source, target)])

    def _symmetric(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32: the features that are the same in both directions."""
        brand, price = self._facts["brand"], self._facts["log_price"]
        both_branded = (brand[source] >= 0) & (brand[target] >= 0)
        price_gap = np.abs(price[source] - price[target])
        columns = [
            self._content.score_pairs(source, target),
            both_branded,
            both_branded & (brand[source] == brand[target]),
            np.isfinite(price_gap),
            np.nan_to_num(price_gap),
        ]
        for name, model in self.models.items():
            both_seen = model.seen[source] & model.seen[target]
            score = model.score_pairs(source, target)
            # Native scores spread over orders of magnitude, except inner products, which may be negative.
            if name.endswith(NATIVE) and isinstance(model, ChainScorer):
                score = np.log(score + _SCORE_FLOOR)
            columns += [both_seen, np.where(both_seen, score, 0)]
        return np.column_stack(columns).astype(np.float32)


def _logs(paths: np.ndarray) -> np.ndarray:
    logarithms: np.ndarray = np.log(paths + np.array(_FLOORS, dtype=np.float32))
    return logarithms
