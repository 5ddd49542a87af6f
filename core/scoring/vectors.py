"""Scores of vectors: cosines, inner products, and the product of two numbers."""

import numpy as np
import scipy.sparse as sp

from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, NATIVE, TrainedModel
from core.progress import Progress, silent
from core.scoring.exact_search import Search
from core.scoring.topk import PAIR_BLOCK, SOURCE_BLOCK, blocks, empty_lists, in_threads, left_out


def scorer(trained: TrainedModel, scoring: str, threads: int) -> "VectorScorer":
    """Scores of a model's center and context vectors.

    The native score is the inner product center[i] · context[j] (center[j] if there is no context); the model must
    make sure that it is symmetric.

    Raises:
        ValueError: the model lacks the vectors that the scoring needs.
    """
    seen, center, context = trained.seen, trained.center, trained.context
    if scoring == CENTER_CENTER and center is not None:
        return VectorScorer(seen, center, None, threads)
    if scoring == CENTER_CONTEXT and center is not None and context is not None:
        return VectorScorer(seen, center, context, threads)
    if scoring == NATIVE and center is not None:
        return DotScorer(seen, center, context, threads)
    raise ValueError(f"{trained.model} has no vectors that {scoring} could be computed from")


def rank_one(trained: TrainedModel, scoring: str, threads: int) -> "RankOneScorer":
    """Scores of the matrix ``gram`` ``[n_nodes, 1]``: the product of two numbers."""
    return RankOneScorer(trained.seen, trained.matrices["gram"].toarray()[:, 0])


def normalized(vectors: np.ndarray) -> np.ndarray:
    """The rows scaled to unit length, float32; zero rows stay zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.where(length == 0, np.float32(1), length)
    return unit


class VectorScorer:
    """Cosine scores of center vectors, or of center with context vectors in both directions.

    With unit-length halves, cos(c_i, x_j) + cos(c_j, x_i) is the inner product of [c_i; x_i] with [x_j; c_j]:
    both scorings search for the largest inner products of a query with the rows of one matrix.
    """

    def __init__(self, seen: np.ndarray, center: np.ndarray, context: np.ndarray | None, threads: int = 2) -> None:
        self.seen = np.array(seen, dtype=bool)
        halves = [normalized(center)] if context is None else [normalized(center), normalized(context)]
        self._dim = halves[0].shape[1]
        self._crossed = context is not None
        self._symmetric = True
        self._threads = threads
        self.vectors = np.hstack(halves) if self._crossed else halves[0]
        """float32 ``[n_nodes, d]``: score(i, j) = queries([i]) · vectors[j]."""

    def queries(self, nodes: np.ndarray) -> np.ndarray:
        """float32 ``[len(nodes), d]``: the vectors whose inner product with :attr:`vectors` is the score."""
        rows: np.ndarray = self.vectors[nodes]
        return np.roll(rows, self._dim, axis=1) if self._crossed else rows

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]`` scores of pairs of nodes."""
        scores = np.empty(len(source), dtype=np.float32)

        def work(block: slice) -> None:
            np.einsum("ij,ij->i", self.queries(source[block]), self.vectors[target[block]], out=scores[block])

        in_threads(work, blocks(len(source), PAIR_BLOCK), self._threads)
        return scores

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact lists; see ``core.interfaces.Scorer.top_k``."""
        search = Search(self.queries, self.vectors, self.seen, self._symmetric, self._threads)
        return search.top_k(np.asarray(sources, dtype=np.int32), k, progress, mask)


class DotScorer(VectorScorer):
    """Plain inner products: score(i, j) = center[i] · context[j], or center[i] · center[j] without a context.

    Unlike a cosine, an inner product grows with the length of a vector, so the model can represent popularity.
    """

    def __init__(self, seen: np.ndarray, center: np.ndarray, context: np.ndarray | None, threads: int = 2) -> None:
        self.seen = np.array(seen, dtype=bool)
        self._center = np.asarray(center, dtype=np.float32)
        self._symmetric = context is None  # with a context it depends on the model
        self._threads = threads
        self.vectors = self._center if context is None else np.asarray(context, dtype=np.float32)

    def queries(self, nodes: np.ndarray) -> np.ndarray:
        """float32 ``[len(nodes), d]``: the vectors whose inner product with :attr:`vectors` is the score."""
        rows: np.ndarray = self._center[nodes]
        return rows


class RankOneScorer:
    """score(i, j) = value[i] * value[j], values ≥ 0: every product has the same list, apart from the nodes left out."""

    def __init__(self, seen: np.ndarray, value: np.ndarray) -> None:
        self.seen = np.array(seen, dtype=bool)
        self._value = value.astype(np.float32)

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]`` scores of pairs of nodes."""
        scores: np.ndarray = self._value[source] * self._value[target]
        return scores

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact lists; see ``core.interfaces.Scorer.top_k``."""
        sources = np.asarray(sources, dtype=np.int32)
        ids, scores = empty_lists(len(sources), k)
        candidates = np.flatnonzero(self.seen & (self._value > 0)).astype(np.int32)
        order = candidates[np.argsort(-self._value[candidates], kind="stable")]
        rank = np.full(len(self.seen), len(order))
        rank[order] = np.arange(len(order))
        for block in blocks(len(sources), SOURCE_BLOCK):
            rows = sources[block]
            out_row, out_node = left_out(rows, mask, block)
            # The first k plus as many candidates as are left out of a list are enough to fill it.
            width = min(len(order), k + int(np.bincount(out_row, minlength=1).max()))
            keep = np.ones((len(rows), width), dtype=bool)
            in_reach = rank[out_node] < width
            keep[out_row[in_reach], rank[out_node[in_reach]]] = False
            keep &= (self.seen[rows] & (self._value[rows] > 0))[:, None]
            position = np.cumsum(keep, axis=1) - 1
            keep &= position < k
            row, column = np.nonzero(keep)
            ids[block][row, position[row, column]] = order[column]
            scores[block][row, position[row, column]] = self._value[rows[row]] * self._value[order[column]]
            progress("top-k", block.stop, len(sources), "products")
        return ids, scores
