"""Which products the blend ranks for a source."""

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
    """Products worth ranking for a source: those that walks of three steps reach best.

    A source from which such walks reach too few, a product without training pairs above all, gets the best of every
    model of the blend in addition.

    Args:
        graph: of the training pairs.
        features: whose models give candidates.
        count: candidates per source and model.
        threads: CPU threads; they do not change the result.
    """

    def __init__(self, graph: ProductGraph, features: PairFeatures, count: int, threads: int = 2) -> None:
        walks = rp3beta(Inputs(graph.n_nodes, graph=graph), RP3BetaConfig(), TrainContext())
        self._walks: Scorer = scorer(MODELS["rp3beta"], walks, MODELS["rp3beta"].scorings[0], threads)
        self._others = features.models.values()
        self._count = count

    def __call__(self, sources: np.ndarray, mask: sp.csr_matrix | None, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Row of the source and node id of every candidate, both ascending; at least k per source if there are."""
        count = max(self._count, k)
        ids, _ = self._walks.top_k(sources, count, mask=mask)
        row, place = np.nonzero(ids >= 0)
        keys = [row * np.int64(len(self._walks.seen)) + ids[row, place]]
        short = np.flatnonzero(ids[:, -1] < 0)
        if len(short):
            for one in self._others:
                more, _ = one.top_k(sources[short], count, mask=None if mask is None else mask[short])
                row, place = np.nonzero(more >= 0)
                keys.append(short[row] * np.int64(len(self._walks.seen)) + more[row, place])
        found = np.sort(np.concatenate(keys))  # np.unique hashes large arrays, which takes several times as long
        found = found[np.diff(found, prepend=-1) > 0]
        return found // len(self._walks.seen), (found % len(self._walks.seen)).astype(np.int32)
