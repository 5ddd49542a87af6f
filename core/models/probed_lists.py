"""Approximate top-k lists by inner products: an inverted file whose probed cells are multiplied block by block.

Belongs here: the cells and the search in some of them. Does not belong here: exact search
(``core.models.vector_lists``) and how many cells are enough (``core.neighbours``).

The vectors are divided into the cells of a spherical k-means (an inverted file, Jégou et al. 2011, "Product
Quantization for Nearest Neighbor Search", section IV, without the quantization), and a query is compared with the
vectors of the cells whose centroids have the largest inner product with it. Where lists are wanted for everyone, many
queries probe the same cell: they are gathered, so that each cell takes one matrix product instead of many passes over
its vectors. That is what makes it several times as fast as asking an index query by query.
"""

from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.models.lists import blocks, empty_lists, in_threads
from core.models.vector_lists import keep_best_of_rows
from core.progress import Progress

_BLOCK = 16_384
"""Queries of a block: enough that several hundred of them probe the same cell."""
_TRAINED_ON = 64
"""Vectors per cell from which k-means learns; FAISS would take 256, which takes longer than the search."""


@dataclass(frozen=True)
class Cells:
    """Vectors by cell.

    Attributes:
        nodes: int32 ``[n]``, cell by cell, ascending within each.
        vectors: float32 ``[n, d]`` of these nodes.
        starts: int64 ``[cells + 1]`` into both.
        centroids: FAISS index of the cells' centroids.
    """

    nodes: np.ndarray
    vectors: np.ndarray
    starts: np.ndarray
    centroids: faiss.IndexFlatIP

    def __len__(self) -> int:
        return len(self.starts) - 1

    def top_k(
        self,
        queries: Callable[[np.ndarray], np.ndarray],
        sources: np.ndarray,
        k: int,
        probes: int,
        threads: int,
        progress: Progress,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lists of the best in the ``probes`` nearest cells, without the source itself.

        Args:
            queries: nodes → float32 ``[len(nodes), d]``.
            sources: int32 ``[s]`` nodes.
            k: length of the lists.
            probes: cells per query.
            threads: CPU threads; they do not change the result.
            progress: told "top-k" in products.

        Returns:
            int32 ids and float32 scores ``[s, k]``, the best first, of equal scores the smaller id; -1 and -inf where
            the cells hold fewer.
        """
        ids, scores = empty_lists(len(sources), k)
        probed = np.empty((len(sources), probes), np.int32)
        for part in blocks(len(sources), _BLOCK):  # FAISS shares this among its own threads
            probed[part] = self.centroids.search(queries(sources[part]), probes)[1]

        def work(part: slice) -> None:
            self._take(queries(sources[part]), sources[part], probed[part], ids[part], scores[part])

        with threadpool_limits(limits=1, user_api="blas"):  # our threads are the parallelism
            in_threads(work, blocks(len(sources), _BLOCK), threads, progress)
        return ids, scores

    def _take(
        self, queries: np.ndarray, own: np.ndarray, probed: np.ndarray, ids: np.ndarray, scores: np.ndarray
    ) -> None:
        """Fill the lists of one block of queries, cell by cell."""
        order = np.argsort(probed, axis=None, kind="stable")
        asked = np.searchsorted(probed.ravel()[order], np.arange(len(self) + 1))
        row = order // probed.shape[1]
        nothing = np.zeros(len(own) + 1, np.int64), np.empty(0, np.int32)
        for cell in range(len(self)):
            rows = row[asked[cell] : asked[cell + 1]]
            content = slice(self.starts[cell], self.starts[cell + 1])
            if len(rows) and content.start < content.stop:
                tile = queries[rows] @ self.vectors[content].T
                some_ids, some_scores = ids[rows], scores[rows]
                keep_best_of_rows(tile, self.nodes[content], own[rows], *nothing, some_ids, some_scores)
                ids[rows], scores[rows] = some_ids, some_scores


def build_cells(vectors: np.ndarray, nodes: np.ndarray, n_cells: int, seed: int) -> Cells:
    """Divide vectors into cells.

    Args:
        vectors: float32 ``[n, d]``.
        nodes: int32 ``[n]``, ascending.
        n_cells: at most n.
        seed: of the k-means.
    """
    dim = vectors.shape[1]
    means = faiss.Kmeans(
        dim, n_cells, niter=10, spherical=True, seed=seed % 2**31, max_points_per_centroid=_TRAINED_ON,
        min_points_per_centroid=1,
    )  # fmt: skip
    means.train(vectors)
    centroids = faiss.IndexFlatIP(dim)
    centroids.add(np.asarray(means.centroids))
    home = np.concatenate([centroids.search(vectors[part], 1)[1][:, 0] for part in blocks(len(vectors), _BLOCK)])
    order = np.argsort(home, kind="stable")
    starts = np.searchsorted(home[order], np.arange(n_cells + 1)).astype(np.int64)
    return Cells(nodes[order], vectors[order], starts, centroids)
