"""The candidates of a product by one scoring of a model."""

from functools import cached_property

import numpy as np

from core.interfaces import Scorer, TrainedModel
from core.models import MODELS
from core.progress import Progress, silent
from core.recommendations.config import RecommendationsConfig


class Search:
    """The candidates of one scoring of a model: exact, or from an index where there are very many vectors.

    Args:
        trained: what the model learned.
        scoring: one of its scorings.
        exact_up_to: number of products up to which vector search is exact.
        k: number of candidates for which an index is made.
        threads, seed, progress: as everywhere.
    """

    def __init__(
        self,
        trained: TrainedModel,
        scoring: str,
        exact_up_to: int,
        k: int,
        threads: int = 2,
        seed: int = 42,
        progress: Progress = silent,
    ) -> None:
        from core.scoring.factory import scorer
        from core.scoring.neighbours import vector_index
        from core.scoring.vectors import VectorScorer

        self.scorer: Scorer = scorer(MODELS[trained.model], trained, scoring, threads)
        self._index = None
        if isinstance(self.scorer, VectorScorer) and self.scorer.seen.sum() > exact_up_to:
            self._index = vector_index(self.scorer, k, threads, seed, progress)

    def top_k(self, sources: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """int32 ids and float32 scores ``[s, k]``, the best first; -1 and NaN where there are no more."""
        seen = self.scorer.seen[sources]
        ids, scores = np.full((len(sources), k), -1, np.int32), np.full((len(sources), k), np.nan, np.float32)
        asked = np.flatnonzero(seen)
        if len(asked):
            ids[asked], scores[asked] = (self._index or self.scorer).top_k(sources[asked], k)
        scores[ids < 0] = np.nan
        return ids, scores


class Candidates:
    """Those that are kept, and the model itself for whoever needs more; it is only set up if somebody does.

    Args:
        trained: what the model learned.
        scoring: one of its scorings.
        config: settings.
        kept: int32 and float32 ``[n, m]``: the best m candidates of every product and their scores; None if none are.
        threads, seed, progress: as everywhere.

    Attributes:
        first: number of candidates that are kept of a product, 0 if none are.
        asked: number of products of which more than that was wanted.
    """

    def __init__(
        self,
        trained: TrainedModel,
        scoring: str,
        config: RecommendationsConfig,
        kept: tuple[np.ndarray, np.ndarray] | None = None,
        threads: int = 2,
        seed: int = 42,
        progress: Progress = silent,
    ) -> None:
        self.first = 0 if kept is None else kept[0].shape[1]
        self.asked = 0
        self._kept, self._trained, self._scoring, self._config = kept, trained, scoring, config
        self._threads, self._seed, self._progress = threads, seed, progress

    @cached_property
    def _search(self) -> Search:
        k = self.first or 3 * self._config.k
        limit = self._config.exact_up_to
        return Search(self._trained, self._scoring, limit, k, self._threads, self._seed, self._progress)

    def top_k(self, sources: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`Search.top_k`."""
        if self._kept is not None and k <= self.first:
            return np.asarray(self._kept[0][sources, :k]), np.asarray(self._kept[1][sources, :k])
        self.asked += len(sources)
        return self._search.top_k(sources, k)
