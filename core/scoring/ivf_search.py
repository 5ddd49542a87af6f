"""Approximate top-k lists by inner products: an inverted file whose probed cells are multiplied block by block.

The vectors are divided into the cells of a k-means (an inverted file, Jégou et al. 2011, "Product Quantization for
Nearest Neighbor Search", section IV, without the quantization), and a query is compared with the vectors of a few
cells. Where lists are wanted for everyone, many queries probe the same cell: they are gathered, so that each cell takes
one matrix product instead of many passes over its vectors. That is what makes it several times as fast as asking an
index query by query.

What a query looks for need not lie near the query: complements are scored by other vectors than their own. So the cells
are of directions from the mean, which all vectors share and which tells nothing, and there are several ways to rank
cells; the one is taken that has to look at the fewest vectors on a sample of which the exact lists are known.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import faiss
import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.progress import Progress
from core.scoring.exact_search import keep_best_of_rows
from core.scoring.topk import blocks, empty_lists, in_threads

_BLOCK = 16_384
"""Queries of a block: enough that several hundred of them probe the same cell."""
_WAVE = 8 * _BLOCK
"""Queries whose cells are looked up at a time."""
_TILE = 1 << 18
"""Scores computed at a time by a thread: 1 MB, kept in cache."""
_TRAINED_ON = 64
"""Vectors per cell from which k-means learns; FAISS would take 256, which takes longer than the search."""


@dataclass(frozen=True)
class CellProbe:
    """Which cells a query looks into: the ``nprobe`` first by the inner product of (query - shift) with the centroids.

    Attributes:
        centroids: float32 ``[cells, d]``.
        shift: float32 ``[d]``.
        nprobe: cells per query.
    """

    centroids: np.ndarray
    shift: np.ndarray
    nprobe: int

    def cells(self, queries: np.ndarray) -> np.ndarray:
        """int ``[q, nprobe]``: the best first."""
        index = faiss.IndexFlatIP(self.centroids.shape[1])
        index.add(self.centroids)
        return index.search(np.ascontiguousarray(queries - self.shift), self.nprobe)[1]


@dataclass(frozen=True)
class InvertedFile:
    """Vectors by cell.

    Attributes:
        nodes: int32 ``[n]``, cell by cell, ascending within each.
        vectors: float32 ``[n, d]`` of these nodes.
        starts: int64 ``[cells + 1]`` into both.
        cell_of: int32 ``[max(nodes) + 1]``: the cell of each node, -1 for none.
        mean: float32 ``[d]`` of all vectors.
        directions: float32 ``[cells, d]``, of unit length: where a cell lies, seen from the mean.
    """

    nodes: np.ndarray
    vectors: np.ndarray
    starts: np.ndarray
    cell_of: np.ndarray
    mean: np.ndarray
    directions: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def choose_probe(self, queries: np.ndarray, exact: np.ndarray, recall: float) -> tuple[CellProbe, float, float]:
        """How to find a share of the exact lists by looking at few vectors.

        Args:
            queries: float32 ``[s, d]``, a sample.
            exact: int32 ``[s, k]``: their exact lists; -1 for no entry.
            recall: the share of these entries to find.

        Returns:
            The probe, the share of the entries that it finds, and the share of all vectors that it looks at.
        """
        sizes = np.diff(self.starts)
        sums = np.add.reduceat(self.vectors, np.minimum(self.starts[:-1], len(self.vectors) - 1), axis=0)
        means = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], 0).astype(np.float32)
        nothing, average = np.zeros_like(self.mean), queries.mean(axis=0)
        found: list[tuple[float, float, CellProbe]] = []
        for probe in (
            CellProbe(self.directions, average, 1),
            CellProbe(self.directions, nothing, 1),
            CellProbe(means, nothing, 1),
        ):
            order = replace(probe, nprobe=len(self)).cells(queries)
            place = np.empty_like(order)
            np.put_along_axis(place, order, np.arange(len(self))[None, :], axis=1)
            needed = np.take_along_axis(place, np.where(exact >= 0, self.cell_of[exact], 0), axis=1)[exact >= 0] + 1
            count = int(np.quantile(needed, recall, method="inverted_cdf")) if len(needed) else 1
            share = float(sizes[order[:, :count]].sum() / (len(order) * len(self.nodes)))
            reached = float(np.mean(needed <= count)) if len(needed) else 1.0
            found.append((share, reached, replace(probe, nprobe=count)))
        share, reached, probe = min(found, key=lambda one: one[0])
        return probe, reached, share

    def top_k(
        self,
        queries: Callable[[np.ndarray], np.ndarray],
        sources: np.ndarray,
        k: int,
        probe: CellProbe,
        threads: int,
        progress: Progress,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lists of the best in the probed cells, without the source itself.

        Args:
            queries: nodes → float32 ``[len(nodes), d]``.
            sources: int32 ``[s]`` nodes, each of a cell.
            k: length of the lists.
            probe: which cells.
            threads: CPU threads; they do not change the result.
            progress: told "top-k" in products.

        Returns:
            int32 ids and float32 scores ``[s, k]``, the best first, of equal scores the smaller id; -1 and -inf where
            the cells hold fewer.
        """
        ids, scores = empty_lists(len(sources), k)
        # Sources of one cell have queries alike, which probe the same cells.
        order = np.argsort(self.cell_of[sources], kind="stable")
        for wave in blocks(len(sources), _WAVE):
            places = order[wave]
            asked = queries(sources[places])
            probed = probe.cells(asked)  # shared by FAISS among threads of its own

            def work(part: slice, places=places, asked=asked, probed=probed) -> None:
                at = places[part]
                some = empty_lists(len(at), k)
                self._search(asked[part], sources[at], probed[part], *some)
                ids[at], scores[at] = some

            with threadpool_limits(limits=1, user_api="blas"):  # our threads are the parallelism
                in_threads(work, blocks(len(places), _BLOCK), threads)
            progress("top-k", wave.stop, len(sources), "products")
        return ids, scores

    def _search(
        self, queries: np.ndarray, own: np.ndarray, probed: np.ndarray, ids: np.ndarray, scores: np.ndarray
    ) -> None:
        """Fill the lists of one block of queries, cell by cell."""
        each = np.arange(0, probed.size + 1, probed.shape[1])
        asks = sp.csr_matrix((np.ones(probed.size, bool), probed.ravel(), each), shape=(len(own), len(self))).tocsc()
        nothing = np.zeros(len(own) + 1, np.int64), np.empty(0, np.int32)
        for cell in range(len(self)):
            rows = asks.indices[asks.indptr[cell] : asks.indptr[cell + 1]]
            content = slice(self.starts[cell], self.starts[cell + 1])
            nodes, vectors = self.nodes[content], self.vectors[content].T
            for part in blocks(len(rows) if len(nodes) else 0, max(1, _TILE // max(1, len(nodes)))):
                tile = queries[rows[part]] @ vectors
                keep_best_of_rows(tile, rows[part], nodes, own, *nothing, ids, scores)


def build_inverted_file(vectors: np.ndarray, nodes: np.ndarray, n_cells: int, seed: int) -> InvertedFile:
    """Divide vectors into cells.

    Args:
        vectors: float32 ``[n, d]``.
        nodes: int32 ``[n]``, ascending.
        n_cells: at most n.
        seed: of the k-means.
    """
    dim, n = vectors.shape[1], len(vectors)
    mean = vectors.mean(axis=0)
    learnt_from = np.random.default_rng(seed).choice(n, min(n, _TRAINED_ON * n_cells), replace=False, shuffle=False)
    means = faiss.Kmeans(
        dim, n_cells, niter=10, spherical=True, seed=seed % 2**31, max_points_per_centroid=_TRAINED_ON,
        min_points_per_centroid=1,
    )  # fmt: skip
    means.train(vectors[np.sort(learnt_from)] - mean)
    nearest = CellProbe(np.asarray(means.centroids), mean, 1)
    cell = np.concatenate([nearest.cells(vectors[part])[:, 0] for part in blocks(n, _BLOCK)])
    order = np.argsort(cell, kind="stable")
    cell_of = np.full(int(nodes[-1]) + 1, -1, np.int32)
    cell_of[nodes] = cell
    starts = np.searchsorted(cell[order], np.arange(n_cells + 1)).astype(np.int64)
    return InvertedFile(nodes[order], vectors[order], starts, cell_of, mean, nearest.centroids)
