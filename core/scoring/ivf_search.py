"""Approximate top-k lists by inner products, from an inverted file.

The vectors are divided into the cells of a k-means (an inverted file, Jégou et al. 2011, "Product Quantization for
Nearest Neighbor Search", section IV, without the quantization), and a query is compared with the vectors of a few
cells only. If every product needs a list, many queries probe the same cell. They are gathered, so that each cell takes
one matrix product instead of many passes over its vectors, which is several times as fast as querying an index row by
row.

The best answers to a query need not lie near the query, because complements are scored by other vectors than their own.
Therefore the cells divide the directions from the mean, which is common to all vectors and carries no information. Of
several ways to rank cells, the one is chosen that scores the fewest vectors on a sample whose exact lists are known.
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
"""Queries per block: enough that several hundred of them probe the same cell."""
_WAVE = 8 * _BLOCK
"""Number of queries whose cells are looked up at a time."""
_TILE = 1 << 18
"""Number of scores that a thread computes at a time: 1 MB, which fit into the cache."""
_TRAINED_ON = 64
"""Training vectors of the k-means per cell; the default of FAISS, 256, would take longer than the search."""


@dataclass(frozen=True)
class CellProbe:
    """The rule by which a query probes cells: the ``nprobe`` largest inner products of (query - shift) and centroid.

    Attributes:
        centroids: float32 ``[cells, d]``.
        shift: float32 ``[d]``.
        nprobe: cells per query.
    """

    centroids: np.ndarray
    shift: np.ndarray
    nprobe: int

    def cells(self, queries: np.ndarray) -> np.ndarray:
        """int ``[q, nprobe]``: the probed cells, best first."""
        index = faiss.IndexFlatIP(self.centroids.shape[1])
        index.add(self.centroids)
        _, cells = index.search(np.ascontiguousarray(queries - self.shift), self.nprobe)
        return np.asarray(cells)


@dataclass(frozen=True)
class InvertedFile:
    """Vectors sorted by cell.

    Attributes:
        nodes: int32 ``[n]``, cell by cell, ascending within each.
        vectors: float32 ``[n, d]`` of these nodes.
        starts: int64 ``[cells + 1]`` into both.
        cell_of: int32 ``[max(nodes) + 1]``: the cell of each node, -1 for none.
        mean: float32 ``[d]`` of all vectors.
        directions: float32 ``[cells, d]``, of unit length: the direction of each cell from the mean.
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
        """Choose the rule that finds a share of the exact lists and scores the fewest vectors.

        Args:
            queries: float32 ``[s, d]``, a sample.
            exact: int32 ``[s, k]``: their exact lists; -1 for no entry.
            recall: the share of these entries to be found.

        Returns:
            The rule, the share of the entries that it finds, and the share of all vectors that it scores.
        """
        sizes = np.diff(self.starts)
        sums = np.add.reduceat(self.vectors, np.minimum(self.starts[:-1], len(self.vectors) - 1), axis=0)
        means = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], 0).astype(np.float32)
        no_shift, average = np.zeros_like(self.mean), queries.mean(axis=0)
        options: list[tuple[float, float, CellProbe]] = []
        for probe in (
            CellProbe(self.directions, average, 1),
            CellProbe(self.directions, no_shift, 1),
            CellProbe(means, no_shift, 1),
        ):
            order = replace(probe, nprobe=len(self)).cells(queries)
            rank = np.empty_like(order)
            np.put_along_axis(rank, order, np.arange(len(self))[None, :], axis=1)
            needed = np.take_along_axis(rank, np.where(exact >= 0, self.cell_of[exact], 0), axis=1)[exact >= 0] + 1
            count = int(np.quantile(needed, recall, method="inverted_cdf")) if len(needed) else 1
            share = float(sizes[order[:, :count]].sum() / (len(order) * len(self.nodes)))
            found = float(np.mean(needed <= count)) if len(needed) else 1.0
            options.append((share, found, replace(probe, nprobe=count)))
        share, found, probe = min(options, key=lambda option: option[0])
        return probe, found, share

    def top_k(
        self,
        queries: Callable[[np.ndarray], np.ndarray],
        sources: np.ndarray,
        k: int,
        probe: CellProbe,
        threads: int,
        progress: Progress,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best nodes of the probed cells for each source, without the source itself.

        Args:
            queries: nodes → float32 ``[len(nodes), d]``.
            sources: int32 ``[s]`` nodes, each of which belongs to a cell.
            k: length of the lists.
            probe: the rule by which queries probe cells.
            threads: CPU threads; they do not change the result.
            progress: reports the stage "top-k" in products.

        Returns:
            int32 ids and float32 scores ``[s, k]``, best first and the smaller id first among equal scores; -1 and
            -inf where the cells contain fewer nodes.
        """
        ids, scores = empty_lists(len(sources), k)
        # Sources of the same cell have similar queries, which probe the same cells.
        order = np.argsort(self.cell_of[sources], kind="stable")
        for wave in blocks(len(sources), _WAVE):
            self._search_wave(queries, sources, order[wave], probe, threads, ids, scores)
            progress("top-k", wave.stop, len(sources), "products")
        return ids, scores

    def _search_wave(
        self,
        queries: Callable[[np.ndarray], np.ndarray],
        sources: np.ndarray,
        rows: np.ndarray,
        probe: CellProbe,
        threads: int,
        ids: np.ndarray,
        scores: np.ndarray,
    ) -> None:
        """Fill the lists ``rows`` in threads, one block of queries each."""
        vectors = queries(sources[rows])
        probed = probe.cells(vectors)  # FAISS uses threads of its own here

        def work(block: slice) -> None:
            block_rows = rows[block]
            lists = empty_lists(len(block_rows), ids.shape[1])
            self._search_block(vectors[block], sources[block_rows], probed[block], *lists)
            ids[block_rows], scores[block_rows] = lists

        # The blocks run in parallel; threads of the BLAS would only compete with them.
        with threadpool_limits(limits=1, user_api="blas"):
            in_threads(work, blocks(len(rows), _BLOCK), threads)

    def _search_block(
        self, queries: np.ndarray, own: np.ndarray, probed: np.ndarray, ids: np.ndarray, scores: np.ndarray
    ) -> None:
        """Fill the lists of one block of queries, cell by cell."""
        indptr = np.arange(0, probed.size + 1, probed.shape[1])
        ones = np.ones(probed.size, bool)
        queries_by_cell = sp.csr_matrix((ones, probed.ravel(), indptr), shape=(len(own), len(self))).tocsc()
        none_left_out = np.zeros(len(own) + 1, np.int64), np.empty(0, np.int32)
        for cell in range(len(self)):
            rows = queries_by_cell.indices[queries_by_cell.indptr[cell] : queries_by_cell.indptr[cell + 1]]
            content = slice(self.starts[cell], self.starts[cell + 1])
            nodes, vectors = self.nodes[content], self.vectors[content].T
            for part in blocks(len(rows) if len(nodes) else 0, max(1, _TILE // max(1, len(nodes)))):
                tile = queries[rows[part]] @ vectors
                keep_best_of_rows(tile, rows[part], nodes, own, *none_left_out, ids, scores)


def build_inverted_file(vectors: np.ndarray, nodes: np.ndarray, n_cells: int, seed: int) -> InvertedFile:
    """Divide vectors into cells by k-means.

    Args:
        vectors: float32 ``[n, d]``.
        nodes: int32 ``[n]``, ascending.
        n_cells: number of cells, at most n.
        seed: of the k-means.
    """
    dim, n = vectors.shape[1], len(vectors)
    mean = vectors.mean(axis=0)
    training_rows = np.random.default_rng(seed).choice(n, min(n, _TRAINED_ON * n_cells), replace=False, shuffle=False)
    kmeans = faiss.Kmeans(
        dim, n_cells, niter=10, spherical=True, seed=seed % 2**31, max_points_per_centroid=_TRAINED_ON,
        min_points_per_centroid=1,
    )  # fmt: skip
    kmeans.train(vectors[np.sort(training_rows)] - mean)
    nearest = CellProbe(np.asarray(kmeans.centroids), mean, 1)
    cell = np.concatenate([nearest.cells(vectors[part])[:, 0] for part in blocks(n, _BLOCK)])
    order = np.argsort(cell, kind="stable")
    cell_of = np.full(int(nodes[-1]) + 1, -1, np.int32)
    cell_of[nodes] = cell
    starts = np.searchsorted(cell[order], np.arange(n_cells + 1)).astype(np.int64)
    return InvertedFile(nodes[order], vectors[order], starts, cell_of, mean, nearest.centroids)
