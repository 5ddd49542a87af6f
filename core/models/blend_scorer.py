"""The blend as a scorer: candidates from several models, ordered by the ranker.

Belongs here: scoring given pairs and making lists with what training left in ``Embeddings``. Does not belong here:
features (``core.models.blend_features``), the ranker (``core.models.blend_ranker``) and its training.
"""

import numpy as np
import scipy.sparse as sp

from core.graph import ProductGraph
from core.models import MODELS
from core.models.base import Embeddings, Inputs, Scorer, TrainContext
from core.models.blend_features import PairFeatures
from core.models.blend_ranker import predict
from core.models.rp3beta import RP3BetaConfig
from core.models.rp3beta import train as rp3beta
from core.models.scorers import scorer
from core.progress import Progress, silent

_PAIR_BLOCK = 1 << 18
_SOURCE_BLOCK = 4_096


class BlendScorer:
    """See ``core.models.base.Scorer``.

    A list orders the candidates of :class:`Candidates` by the ranker's output for the pair from the source to the
    candidate; a pair scores the mean of both directions.

    Args:
        embeddings: of the model ``blend``.
        threads: CPU threads; they do not change the result.
    """

    def __init__(self, embeddings: Embeddings, threads: int = 2) -> None:
        matrices, arrays = embeddings.matrices, embeddings.arrays
        graph = ProductGraph(
            matrices["pairs"].indptr.astype(np.int64), matrices["pairs"].indices, matrices["pairs"].data
        )
        self.seen = np.array(embeddings.seen, dtype=bool)
        self._features = PairFeatures(graph, matrices["content"], arrays, embeddings.parts, threads)
        self._candidates = Candidates(graph, self._features, embeddings.info["config"]["candidates"], threads)
        self._threads = threads
        self._ranker = {
            name.removeprefix("ranker."): value for name, value in arrays.items() if name.startswith("ranker.")
        }

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        scores = np.empty(len(source), dtype=np.float32)
        for first in range(0, len(source), _PAIR_BLOCK):
            block = slice(first, first + _PAIR_BLOCK)
            forth, back = self._features.both_ways(source[block], target[block])
            scores[block] = (self._predict(forth) + self._predict(back)) / 2
        return scores

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Scorer.top_k``; the best among the candidates."""
        sources = np.asarray(sources, dtype=np.int32)
        ids = np.full((len(sources), k), -1, dtype=np.int32)
        scores = np.full((len(sources), k), -np.inf, dtype=np.float32)
        for first in range(0, len(sources), _SOURCE_BLOCK):
            block = slice(first, min(first + _SOURCE_BLOCK, len(sources)))
            row, node = self._candidates(sources[block], None if mask is None else mask[block], k)
            score = self._predict(self._features.forth(sources[block][row], node))
            order = np.lexsort((node, -score, row))
            row, node, score = row[order], node[order], score[order]
            place = np.arange(len(row)) - np.searchsorted(row, np.arange(block.stop - block.start))[row]
            kept = place < k
            ids[block][row[kept], place[kept]] = node[kept]
            scores[block][row[kept], place[kept]] = score[kept]
            progress("top-k", block.stop, len(sources), "products")
        return ids, scores

    def _predict(self, features: np.ndarray) -> np.ndarray:
        return predict(self._ranker, features, self._threads)


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
