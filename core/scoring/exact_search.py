"""Exact top-k lists by inner products: which blocks of scores to compute, and who keeps what of them.

Most of the time goes into the matrix products, so a block of symmetric scores is computed once and read twice: its
rows are candidates for the lists of its row products, its columns for those of its column products. The lists of a
block of products are written by one thread at a time, without locks: tasks come in rounds, and in a round every block
stands in one task only. A list is the k first of a total order (score, then id), so that it does not matter in which
order the scores come, and results do not depend on the number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba as nb
import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.progress import Progress
from core.scoring.topk import blocks, empty_lists, insert

_TILE = 1 << 20
"""Scores computed at a time by a thread: 4 MB, kept in cache."""
_LARGE, _SMALL = 1024, 256
"""Sources of a block: the larger is quicker, the smaller leaves work for all threads when there are few sources."""
_MANY = 16 * _LARGE
_CHUNK = 64
"""Scores that are compared with the last of a list before any is looked at by itself; fewer or more are slower."""

Task = tuple[slice, list[slice], bool]
"""Rows, the column blocks they meet, and whether the columns' lists take their share as well."""


@dataclass(frozen=True)
class Search:
    """Vectors and who may be found.

    Attributes:
        queries: nodes → float32 ``[len(nodes), d]``; score(i, j) = queries([i]) · vectors[j].
        vectors: float32 ``[n_nodes, d]``.
        seen: bool ``[n_nodes]``: who gets a list and who may stand in one.
        symmetric: whether score(i, j) = score(j, i).
        threads: CPU threads; they do not change the result.
    """

    queries: Callable[[np.ndarray], np.ndarray]
    vectors: np.ndarray
    seen: np.ndarray
    symmetric: bool
    threads: int

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``core.interfaces.Scorer.top_k``."""
        ids, scores = empty_lists(len(sources), k)
        place = np.flatnonzero(self.seen[sources])
        rows = np.asarray(sources[place], dtype=np.int32)
        wanted = np.zeros(len(self.seen), dtype=bool)
        wanted[rows] = True
        twice = self.symmetric and np.count_nonzero(wanted) == len(rows)  # else a product has several lists
        # The products of the rows come first and in their order where they share blocks with them.
        others = np.flatnonzero(self.seen & ~wanted if twice else self.seen).astype(np.int32)
        columns = np.concatenate([rows, others]) if twice else others
        lists = _Lists(self, rows, columns, *_left_out(place, mask), *empty_lists(len(rows), k))
        size = _LARGE if len(rows) >= _MANY else _SMALL
        rounds = _rounds(len(rows), len(rows) if twice else 0, len(columns), size)
        total = max(1, sum(_cost(task) for tasks in rounds for task in tasks))
        done = 0
        # Our threads are the parallelism, not those of the BLAS.
        with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(self.threads) as pool:
            for tasks in rounds:
                for task, _ in zip(tasks, pool.map(lists.take, tasks), strict=True):
                    done += _cost(task)
                    progress("top-k", len(sources) * done // total, len(sources), "products")
        ids[place], scores[place] = lists.ids, lists.scores
        return ids, scores


@dataclass(frozen=True)
class _Lists:
    """Lists in the making: ``ids`` and ``scores [r, k]`` of ``rows``, from ``columns`` but for what is left out."""

    search: Search
    rows: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    left_out: np.ndarray
    ids: np.ndarray
    scores: np.ndarray

    def take(self, task: Task) -> None:
        rows, several, both = task
        queries = self.search.queries(self.rows[rows])
        for columns in several:
            tile = queries @ self.search.vectors[self.columns[columns]].T
            each = np.arange(rows.stop - rows.start, dtype=np.int32)
            keep_best_of_rows(tile, each, self.columns[columns], *self._of(rows))
            if both:
                _keep_best_of_columns(tile, self.rows[rows], *self._of(columns))

    def _of(self, block: slice) -> tuple[np.ndarray, ...]:
        """What the kernels need of the lists of a block of rows."""
        starts = self.starts[block.start : block.stop + 1]
        return self.rows[block], starts, self.left_out, self.ids[block], self.scores[block]


def _left_out(place: np.ndarray, mask: sp.csr_matrix | None) -> tuple[np.ndarray, np.ndarray]:
    """What lists must not hold besides their own product: int64 ``[r + 1]`` starts in int32 ascending node ids."""
    if mask is None:
        return np.zeros(len(place) + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    kept = sp.csr_matrix(mask)[place].sorted_indices()
    return kept.indptr.astype(np.int64), kept.indices.astype(np.int32)


def _rounds(n_rows: int, n_shared: int, n_columns: int, size: int) -> list[list[Task]]:
    """All tasks, in rounds in which no list stands in two tasks.

    The first ``n_shared`` columns are the rows themselves (all or none). Their blocks meet as in a round-robin
    tournament: in round t, i and j meet where i + j = t (mod number of blocks), so that each has one partner.
    """
    rows = list(blocks(n_rows, size))
    rounds: list[list[Task]] = []
    for t in range(len(rows) if n_shared else 0):
        partners = [(i, (t - i) % len(rows)) for i in range(len(rows))]
        rounds.append([(rows[i], [rows[j]], i != j) for i, j in partners if i <= j])
    rest = [slice(part.start + n_shared, part.stop + n_shared) for part in blocks(n_columns - n_shared, _TILE // size)]
    if rest:
        rounds.append([(part, rest, False) for part in rows])
    return rounds


def _cost(task: Task) -> int:
    """Scores that a task computes."""
    rows, several, _ = task
    return (rows.stop - rows.start) * sum(columns.stop - columns.start for columns in several)


@nb.njit(nogil=True, cache=True)
def keep_best_of_rows(tile, at, nodes, own, starts, left_out, ids, scores):
    """Merge scores ``[s, t]`` of ``nodes [t]`` into the lists ``at [s]`` of ``[l, k]``, of the products ``own [l]``.

    ``left_out[starts[i]:starts[i + 1]]``, ascending, stays out of list i, and so does own[i].
    """
    width, last = tile.shape[1], ids.shape[1] - 1
    for row in range(tile.shape[0]):
        i = at[row]
        first = _next_chunk(tile, row, scores[i, last], 0)
        while first < width:
            for c in range(first, min(first + _CHUNK, width)):
                if tile[row, c] >= scores[i, last] and _allowed(nodes[c], own, starts, left_out, i):
                    insert(ids, scores, i, nodes[c], tile[row, c])
            first = _next_chunk(tile, row, scores[i, last], first + _CHUNK)


@nb.njit(nogil=True, cache=True)
def _keep_best_of_columns(tile, nodes, own, starts, left_out, ids, scores):
    """The same for the transposed tile: scores ``[s, t]`` of ``nodes [s]`` for the lists ``[t, k]`` of ``own [t]``."""
    width, last = tile.shape[1], ids.shape[1] - 1
    worst = scores[:, last].copy()
    for row in range(tile.shape[0]):
        first = _next_chunk_of_columns(tile, row, worst, 0)
        while first < width:
            for c in range(first, min(first + _CHUNK, width)):
                if tile[row, c] >= worst[c] and _allowed(nodes[row], own, starts, left_out, c):
                    insert(ids, scores, c, nodes[row], tile[row, c])
                    worst[c] = scores[c, last]
            first = _next_chunk_of_columns(tile, row, worst, first + _CHUNK)


@nb.njit(nogil=True, cache=True)
def _next_chunk(tile, row, bound, first):
    """Where the next chunk from column ``first`` on starts in which a score reaches the bound.

    Nearly all chunks hold none. The loop over one has no branches, so that it is vectorized; a last, shorter chunk is
    always named.
    """
    while first + _CHUNK <= tile.shape[1]:
        line = tile[row, first : first + _CHUNK]
        reached = np.int32(0)
        for c in range(len(line)):
            reached += np.int32(line[c] >= bound)
        if reached > 0:
            break
        first += _CHUNK
    return first


@nb.njit(nogil=True, cache=True)
def _next_chunk_of_columns(tile, row, bounds, first):
    """The same with a bound for each column."""
    while first + _CHUNK <= tile.shape[1]:
        line, bound = tile[row, first : first + _CHUNK], bounds[first : first + _CHUNK]
        reached = np.int32(0)
        for c in range(len(line)):
            reached += np.int32(line[c] >= bound[c])
        if reached > 0:
            break
        first += _CHUNK
    return first


@nb.njit(nogil=True, cache=True)
def _allowed(node, own, starts, left_out, row):
    """Whether a node may stand in list ``row``."""
    low, high = starts[row], starts[row + 1]
    while low < high:
        middle = (low + high) // 2
        if left_out[middle] < node:
            low = middle + 1
        else:
            high = middle
    return node != own[row] and (low == starts[row + 1] or left_out[low] != node)
