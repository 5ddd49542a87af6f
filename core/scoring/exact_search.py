"""Exact top-k lists by inner products.

The matrix products take most of the time, so a block of symmetric scores is computed once and read twice: its rows are
candidates for the lists of its row products, its columns for those of its column products. The lists of a block of
products are written by one thread at a time, without locks: tasks are grouped into rounds, and in a round every block
belongs to one task only. A list holds the first k of a total order (score, then id), so results depend neither on the
order in which scores are computed nor on the number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba as nb
import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.kernels.intrinsics import Int
from core.progress import Progress
from core.scoring.topk import blocks, empty_lists, insert

_TILE = 1 << 20
"""Number of scores that a thread computes at a time: 4 MB, which fit into the cache."""
_LARGE, _SMALL = 1024, 256
"""Sources per block: large blocks are faster, small ones keep all threads busy when there are few sources."""
_LARGE_FROM = 16 * _LARGE
"""Number of sources from which large blocks are used."""
_CHUNK = 64
"""Number of scores compared at once with the last score of a list; larger and smaller chunks are slower."""

Task = tuple[slice, list[slice], bool]
"""Rows, the column blocks they are scored against, and whether the scores also go into the lists of the columns."""


@dataclass(frozen=True)
class Search:
    """Vectors to search, and the nodes that may appear in lists.

    Attributes:
        queries: nodes → float32 ``[len(nodes), d]``; score(i, j) = queries([i]) · vectors[j].
        vectors: float32 ``[n_nodes, d]``.
        seen: bool ``[n_nodes]``: the nodes that get a list and may appear in lists.
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
        answered = np.flatnonzero(self.seen[sources])
        rows = np.asarray(sources[answered], dtype=np.int32)
        is_row = np.zeros(len(self.seen), dtype=bool)
        is_row[rows] = True
        # Scores are read twice unless a product has several lists, which two threads might write at once.
        twice = self.symmetric and np.count_nonzero(is_row) == len(rows)
        # The columns then begin with the rows, in the same order, so that both share their blocks.
        others = np.flatnonzero(self.seen & ~is_row if twice else self.seen).astype(np.int32)
        columns = np.concatenate([rows, others]) if twice else others
        lists = _Lists(self, rows, columns, *_left_out(answered, mask), *empty_lists(len(rows), k))
        size = _LARGE if len(rows) >= _LARGE_FROM else _SMALL
        rounds = _rounds(len(rows), len(rows) if twice else 0, len(columns), size)
        total = max(1, sum(_cost(task) for tasks in rounds for task in tasks))
        done = 0
        # The tasks run in parallel; threads of the BLAS would only compete with them.
        with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(self.threads) as pool:
            for tasks in rounds:
                for task, _ in zip(tasks, pool.map(lists.run, tasks), strict=True):
                    done += _cost(task)
                    progress("top-k", len(sources) * done // total, len(sources), "products")
        ids[answered], scores[answered] = lists.ids, lists.scores
        return ids, scores


@dataclass(frozen=True)
class _Lists:
    """Lists that are being filled: ``ids`` and ``scores [r, k]`` of ``rows``, with candidates from ``columns``.

    The nodes ``left_out[starts[r]:starts[r + 1]]`` must not appear in list r.
    """

    search: Search
    rows: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    left_out: np.ndarray
    ids: np.ndarray
    scores: np.ndarray

    def run(self, task: Task) -> None:
        """Compute the scores of a task and put them into the lists."""
        rows, column_blocks, both = task
        queries = self.search.queries(self.rows[rows])
        for columns in column_blocks:
            tile = queries @ self.search.vectors[self.columns[columns]].T
            positions = np.arange(rows.stop - rows.start, dtype=np.int32)
            keep_best_of_rows(tile, positions, self.columns[columns], *self._lists_of(rows))
            if both:
                _keep_best_of_columns(tile, self.rows[rows], *self._lists_of(columns))

    def _lists_of(self, block: slice) -> tuple[np.ndarray, ...]:
        """The kernels' arguments ``own``, ``starts``, ``left_out``, ``ids`` and ``scores`` for a block of rows."""
        starts = self.starts[block.start : block.stop + 1]
        return self.rows[block], starts, self.left_out, self.ids[block], self.scores[block]


def _left_out(rows: np.ndarray, mask: sp.csr_matrix | None) -> tuple[np.ndarray, np.ndarray]:
    """The nodes that lists must not contain besides their own: int64 ``[r + 1]`` starts, int32 ascending node ids."""
    if mask is None:
        return np.zeros(len(rows) + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    kept = sp.csr_matrix(mask)[rows].sorted_indices()
    return kept.indptr.astype(np.int64), kept.indices.astype(np.int32)


def _rounds(n_rows: int, n_shared: int, n_columns: int, size: int) -> list[list[Task]]:
    """All tasks, in rounds in which no list belongs to two tasks.

    The first ``n_shared`` columns are the rows themselves (all or none). Their blocks are paired as in a round-robin
    tournament: in round t, blocks i and j are paired if i + j = t (mod number of blocks), so each has one partner.
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
    """Number of scores that a task computes."""
    rows, column_blocks, _ = task
    width: int = sum(columns.stop - columns.start for columns in column_blocks)
    return int(rows.stop - rows.start) * width


@nb.njit(nogil=True, cache=True)
def keep_best_of_rows(
    tile: np.ndarray,
    positions: np.ndarray,
    nodes: np.ndarray,
    own: np.ndarray,
    starts: np.ndarray,
    left_out: np.ndarray,
    ids: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Merge a tile of scores into lists.

    Args:
        tile: float32 ``[s, t]``.
        positions: int ``[s]``: the list to which each row of the tile belongs.
        nodes: int32 ``[t]``: the node to which each column belongs.
        own: int32 ``[l]``: the product of each list, which must not appear in it.
        starts, left_out: ``left_out[starts[i]:starts[i + 1]]``, ascending, must not appear in list i either.
        ids, scores: the lists ``[l, k]``.
    """
    width, last = tile.shape[1], ids.shape[1] - 1
    for row in range(tile.shape[0]):
        i = positions[row]
        first = _next_chunk(tile, row, scores[i, last], 0)
        while first < width:
            for c in range(first, min(first + _CHUNK, width)):
                if tile[row, c] >= scores[i, last] and _allowed(nodes[c], own, starts, left_out, i):
                    insert(ids, scores, i, nodes[c], tile[row, c])
            first = _next_chunk(tile, row, scores[i, last], first + _CHUNK)


@nb.njit(nogil=True, cache=True)
def _keep_best_of_columns(
    tile: np.ndarray,
    nodes: np.ndarray,
    own: np.ndarray,
    starts: np.ndarray,
    left_out: np.ndarray,
    ids: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Merge a tile ``[s, t]`` by its columns: scores of the ``nodes [s]`` for the lists of the products ``own [t]``."""
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
def _next_chunk(tile: np.ndarray, row: Int, bound: np.float32, first: Int) -> Int:
    """The start of the first chunk from column ``first`` on in which a score reaches the bound.

    Nearly all chunks have no such score. The loop over a chunk has no branches, so that it is vectorized. The last,
    shorter chunk is always returned.
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
def _next_chunk_of_columns(tile: np.ndarray, row: Int, bounds: np.ndarray, first: Int) -> Int:
    """Like :func:`_next_chunk`, with a bound for each column."""
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
def _allowed(node: Int, own: np.ndarray, starts: np.ndarray, left_out: np.ndarray, row: Int) -> bool:
    """Whether a node may appear in list ``row``."""
    low, high = starts[row], starts[row + 1]
    while low < high:
        middle = (low + high) // 2
        if left_out[middle] < node:
            low = middle + 1
        else:
            high = middle
    allowed: bool = node != own[row] and (low == starts[row + 1] or left_out[low] != node)
    return allowed
