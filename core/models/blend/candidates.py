"""The products that the blend ranks for a source."""

import numpy as np
import scipy.sparse as sp

from core.graph import ProductGraph
from core.interfaces import Inputs, Scorer, TrainContext
from core.models import MODELS
from core.models.blend.features import PairFeatures
from core.models.rp3beta import RP3BetaConfig
from core.models.rp3beta import train as rp3beta
from core.scoring.factory import scorer


class Candidates:
    """The candidates of a source: the products that walks of three steps reach with the best scores.

    If such walks reach too few products, above all from a product without training pairs, the best products of every
    model of the blend are added.

    Args:
        graph: the graph of the training pairs.
        features: holds the models that add candidates.
        count: candidates per source and model.
        threads: CPU threads; they do not change the result.
    """

    def __init__(self, graph: ProductGraph, features: PairFeatures, count: int, threads: int = 2) -> None:
        walks = rp3beta(Inputs(graph.n_nodes, graph=graph), RP3BetaConfig(), TrainContext())
        self._walks: Scorer = scorer(MODELS["rp3beta"], walks, MODELS["rp3beta"].scorings[0], threads)
        self._other_models = features.models.values()
        self._count = count

    def __call__(self, sources: np.ndarray, mask: sp.csr_matrix | None, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Source row and node id of every candidate, both ascending; at least k per source if there are that many."""
        count = max(self._count, k)
        n_nodes = np.int64(len(self._walks.seen))
        ids, _ = self._walks.top_k(sources, count, mask=mask)
        row, rank = np.nonzero(ids >= 0)
        keys = [row * n_nodes + ids[row, rank]]
        short_lists = np.flatnonzero(ids[:, -1] < 0)
        if len(short_lists):
            for model in self._other_models:
                ids, _ = model.top_k(sources[short_lists], count, mask=None if mask is None else mask[short_lists])
                row, rank = np.nonzero(ids >= 0)
                keys.append(short_lists[row] * n_nodes + ids[row, rank])
        key = np.sort(np.concatenate(keys))  # np.unique hashes large arrays, which takes several times as long
        key = key[np.diff(key, prepend=-1) > 0]
        return key // n_nodes, (key % n_nodes).astype(np.int32)
