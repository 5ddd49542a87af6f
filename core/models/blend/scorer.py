"""The scorer of the blend: the ranker orders candidates from several models."""

import numpy as np
import scipy.sparse as sp

from core.graph import ProductGraph
from core.interfaces import TrainedModel
from core.models.blend.candidates import Candidates
from core.models.blend.features import PairFeatures
from core.models.blend.ranker import predict
from core.progress import Progress, silent

_PAIR_BLOCK = 1 << 18
_SOURCE_BLOCK = 4_096


def scorer(trained: TrainedModel, scoring: str, threads: int) -> "BlendScorer":
    """The scorer of the blend, which has only one scoring."""
    return BlendScorer(trained, threads)


class BlendScorer:
    """See ``core.interfaces.Scorer``.

    A list orders the candidates of :class:`Candidates` by the ranker's output for the pair from the source to the
    candidate; the score of a pair is the mean of both directions.

    Args:
        trained: what the model ``blend`` learned.
        threads: CPU threads; they do not change the result.
    """

    def __init__(self, trained: TrainedModel, threads: int = 2) -> None:
        matrices, arrays = trained.matrices, trained.arrays
        graph = ProductGraph(
            matrices["pairs"].indptr.astype(np.int64), matrices["pairs"].indices, matrices["pairs"].data
        )
        self.seen = np.array(trained.seen, dtype=bool)
        self._features = PairFeatures(graph, matrices["content"], arrays, trained.parts, threads)
        self._candidates = Candidates(graph, self._features, trained.info["config"]["candidates"], threads)
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
        """See ``Scorer.top_k``; the lists hold the best candidates."""
        sources = np.asarray(sources, dtype=np.int32)
        ids = np.full((len(sources), k), -1, dtype=np.int32)
        scores = np.full((len(sources), k), -np.inf, dtype=np.float32)
        for first in range(0, len(sources), _SOURCE_BLOCK):
            block = slice(first, min(first + _SOURCE_BLOCK, len(sources)))
            row, node = self._candidates(sources[block], None if mask is None else mask[block], k)
            score = self._predict(self._features.forth(sources[block][row], node))
            order = np.lexsort((node, -score, row))
            row, node, score = row[order], node[order], score[order]
            rank = np.arange(len(row)) - np.searchsorted(row, np.arange(block.stop - block.start))[row]
            kept = rank < k
            ids[block][row[kept], rank[kept]] = node[kept]
            scores[block][row[kept], rank[kept]] = score[kept]
            progress("top-k", block.stop, len(sources), "products")
        return ids, scores

    def _predict(self, features: np.ndarray) -> np.ndarray:
        return predict(self._ranker, features, self._threads)
