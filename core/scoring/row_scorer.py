"""The part that all scorers share which compute the matrix of scores S row by row."""

import abc

import numpy as np
import scipy.sparse as sp

from core.progress import Progress, silent
from core.scoring.topk import PAIR_BLOCK, SOURCE_BLOCK, blocks, empty_lists, in_threads, left_out


class RowScorer(abc.ABC):
    """Scores whose rows are too expensive to compute twice.

    A list for product i is row i of S. Pairs are grouped by source, so that each row is computed once per block. Blocks
    have a fixed size, so that results do not depend on the number of threads.

    A subclass fills pairs and lists by serial kernels that release the GIL.

    Args:
        seen: bool ``[n_nodes]``.
        threads: CPU threads.
    """

    def __init__(self, seen: np.ndarray, threads: int) -> None:
        self.seen = np.array(seen, dtype=bool)
        self._threads = threads

    @abc.abstractmethod
    def _fill_pairs(self, source: np.ndarray, target: np.ndarray, scores: np.ndarray) -> None:
        """Write S[source, target] into ``scores [m]``; equal sources stand next to each other."""

    @abc.abstractmethod
    def _fill_lists(
        self, sources: np.ndarray, starts: np.ndarray, left_out: np.ndarray, ids: np.ndarray, scores: np.ndarray
    ) -> None:
        """Fill the empty lists ``[s, k]`` of ``sources [s]``.

        The nodes ``left_out[starts[r]:starts[r + 1]]`` must not appear in list r.
        """

    def _scores_by_source(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]``: S[source, target] of pairs in any order."""
        order = np.argsort(source, kind="stable")
        source, target = (np.asarray(nodes, dtype=np.int32)[order] for nodes in (source, target))
        scores = np.empty(len(source), dtype=np.float32)
        in_threads(
            lambda block: self._fill_pairs(source[block], target[block], scores[block]),
            blocks(len(source), PAIR_BLOCK),
            self._threads,
        )
        result = np.empty_like(scores)
        result[order] = scores
        return result

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``core.interfaces.Scorer.top_k``."""
        sources = np.asarray(sources, dtype=np.int32)
        ids, scores = empty_lists(len(sources), k)

        def fill(block: slice) -> None:
            row, node = left_out(sources[block], mask, block)
            starts = np.searchsorted(row, np.arange(block.stop - block.start + 1))
            self._fill_lists(sources[block], starts, node, ids[block], scores[block])

        in_threads(fill, blocks(len(sources), SOURCE_BLOCK), self._threads, progress)
        return ids, scores
