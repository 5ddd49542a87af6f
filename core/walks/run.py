"""Runs the walk kernels over a range of nodes: checks, threads, progress.

Every walk has its own stream of random numbers, addressed by (seed, start node, number of the walk at this node). The
same seed therefore gives the same walks with any number of threads, and a range of nodes gives exactly the rows that a
full run has for these nodes. Several machines can share the work, and their parts can be concatenated.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial, reduce
from itertools import pairwise
from operator import or_
from typing import Any

import numpy as np
import scipy.sparse as sp

from core import settings
from core.graph import ProductGraph
from core.progress import Progress, silent
from core.walks.config import Node2VecConfig, WalksConfig

_STEPS_PER_CHUNK = 250_000  # a few milliseconds, so that small graphs keep all threads busy too
_EDGES_PER_CHUNK = 200_000


def walk_starts(graph: ProductGraph | sp.csr_matrix, start: int = 0, stop: int | None = None) -> np.ndarray:
    """int32, ascending: the nodes among start..stop-1 that have a neighbour, at which walks start.

    Raises:
        IndexError: the range does not lie within the nodes.
    """
    n_nodes = len(graph.indptr) - 1
    stop = n_nodes if stop is None else stop
    if not 0 <= start <= stop <= n_nodes:
        raise IndexError(f"nodes {start}..{stop} do not lie within 0..{n_nodes}")
    return (np.flatnonzero(np.diff(graph.indptr[start : stop + 1])) + start).astype(np.int32)


def random_walks(
    transition: sp.csr_matrix,
    config: WalksConfig | None = None,
    seed: int = 42,
    threads: int = 2,
    start: int = 0,
    stop: int | None = None,
    progress: Progress = silent,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """First-order random walks: the next node is drawn from the current node's row of the transition matrix.

    Args:
        transition: CSR ``[n_nodes, n_nodes]``, non-negative; rows need not sum to one, because only proportions count.
        config: settings; None means the defaults.
        seed: any integer; only its lowest 64 bits count.
        threads: CPU threads; they do not change the result.
        start, stop: walks start at the nodes start..stop-1; a ``stop`` of None means the last node.
        progress: called as ("walks", done, total, "steps") from the calling thread.
        out: int32 array or memmap of the result's shape to write into, C-contiguous.

    Returns:
        int32 ``[walks_per_node * s, walk_length]`` for the s nodes of :func:`walk_starts`, node by node: row
        ``i * walks_per_node + k`` is walk k from the i-th of them. A walk that reaches a node without neighbours
        ends there and is padded with -1. This is ``out`` if it was given.

    Raises:
        InputError: a setting is out of its bounds.
        ValueError: the matrix is not square, or has negative or non-finite entries or column numbers out of range; or
            ``out`` is unsuitable.
        IndexError: the range of nodes does not lie within the graph.
    """
    from core.walks import alias, first_order

    config = config or WalksConfig()
    settings.build(WalksConfig, asdict(config), "walks")
    if transition.shape[0] != transition.shape[1]:
        raise ValueError(f"a transition matrix is square, not {transition.shape}")
    dtype = np.float32 if transition.dtype == np.float32 else np.float64
    weights = np.ascontiguousarray(transition.data, dtype)
    indptr, indices = _checked(transition.indptr, transition.indices, weights)

    rows = alias.empty_table(len(indptr), alias.ROW)
    records = alias.empty_table(len(indices) + 1, alias.RECORD)
    alias.add_the_end(rows, records)
    defects = _over_rows(
        indptr, threads, lambda a, b: alias.fill_records(indptr, indices, weights, a, b, rows, records)
    )
    _refuse(defects, len(indptr) - 1)
    if defects & alias.ZERO_WEIGHTS:  # an edge of probability 0 is not an edge
        transition = transition.copy()
        transition.eliminate_zeros()
        return random_walks(transition, config, seed, threads, start, stop, progress, out)
    starts = walk_starts(transition, start, stop)
    result = _prepared(out, len(starts) * config.walks_per_node, config.walk_length)
    seed_key = _seed_key(seed)

    def walk(chunk: np.ndarray, part: np.ndarray) -> None:
        first_order.walk_first_order(rows, records, chunk, config.walks_per_node, seed_key, part)

    _over_starts(starts, config, threads, walk, result, progress)
    return result if out is None else out


def node2vec_walks(
    graph: ProductGraph,
    config: Node2VecConfig | None = None,
    seed: int = 42,
    threads: int = 2,
    start: int = 0,
    stop: int | None = None,
    progress: Progress = silent,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Second-order random walks of node2vec (Grover and Leskovec, KDD 2016, section 3.2), exactly distributed.

    After a step from t to v, the next node x is drawn with probability proportional to alpha(t, x) * w(v, x): alpha is
    1/p for x = t, 1 if x is a neighbour of t, and 1/q otherwise. The first step follows the weights.

    Arguments and result are those of :func:`random_walks`, apart from the graph. With p = q = 1 the walks are those of
    ``random_walks(transition_matrix(graph))``.

    Raises:
        InputError: a setting is out of its bounds.
        ValueError: edges of the graph are not stored in both directions, or weights are not positive and finite; or
            ``out`` is unsuitable.
        IndexError: the range of nodes does not lie within the graph.
    """
    from core.walks import alias, neighbour_sets, second_order

    config = config or Node2VecConfig()
    settings.build(Node2VecConfig, asdict(config), "node2vec_walks")
    if config.p == config.q == 1.0:
        first_order = WalksConfig(config.walks_per_node, config.walk_length)
        return random_walks(graph.adjacency(), first_order, seed, threads, start, stop, progress, out)
    weights = np.ascontiguousarray(graph.weights, np.float32)
    indptr, indices = _checked(graph.indptr, graph.indices, weights)
    starts = walk_starts(graph, start, stop)
    result = _prepared(out, len(starts) * config.walks_per_node, config.walk_length)

    rows = alias.empty_table(graph.n_nodes, alias.WEIGHTED_ROW)
    records = alias.empty_table(len(indices), alias.WEIGHTED_RECORD)
    sets = alias.empty_table(2 * len(indices), np.dtype(np.int32))
    checksums: list[int] = []

    def fill(a: int, b: int) -> int:
        checksums.append(int(neighbour_sets.asymmetry(indptr, indices, weights, a, b)))
        neighbour_sets.fill_sets(indptr, indices, a, b, sets)
        return alias.fill_weighted_records(indptr, indices, weights, a, b, rows, records)

    defects = _over_rows(indptr, threads, fill)
    _refuse(defects, graph.n_nodes)
    if defects & alias.ZERO_WEIGHTS:
        raise ValueError("the edges of a product graph have positive weights")
    if sum(checksums) % 2**64:
        raise ValueError("a product graph has every edge in both directions, no self loops, and sorted rows")
    if config.walk_length == 1:
        result[:, 0] = np.repeat(starts, config.walks_per_node)
        return result if out is None else out
    seed_key = _seed_key(seed)

    def walk(chunk: np.ndarray, part: np.ndarray) -> None:
        second_order.walk_second_order(
            rows, records, sets, chunk, config.walks_per_node, seed_key, config.p, config.q, part
        )

    _over_starts(starts, config, threads, walk, result, progress)
    return result if out is None else out


def _checked(indptr: np.ndarray, indices: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The index arrays in the kernels' types, after a check that filling tables does not read out of bounds."""
    from core.walks import alias

    n_nodes = len(indptr) - 1
    if len(indices) >= alias.MAX_EDGES:
        raise ValueError(f"more than {alias.MAX_EDGES} directed edges")
    indptr = np.ascontiguousarray(indptr, np.int64)
    if indptr[0] != 0 or indptr[-1] != len(indices) or np.any(np.diff(indptr) < 0) or len(indices) != len(weights):
        raise ValueError("indptr, indices and weights do not make up a CSR matrix")
    if indices.dtype != np.int32 and len(indices) and (indices.min() < 0 or indices.max() >= n_nodes):
        _refuse(alias.BAD_NODES, n_nodes)  # before they are truncated to 32 bits
    return indptr, np.ascontiguousarray(indices, np.int32)


def _refuse(defects: int, n_nodes: int) -> None:
    """Raise ValueError for the defects that filling the tables reported."""
    from core.walks import alias

    if defects & alias.BAD_NODES:
        raise ValueError(f"neighbours must lie in 0..{n_nodes - 1}")
    if defects & alias.BAD_WEIGHTS:
        raise ValueError("weights must be finite and not negative, and so must the sum of a row")


def _prepared(out: np.ndarray | None, n_walks: int, walk_length: int) -> np.ndarray:
    shape = (n_walks, walk_length)
    if out is None:
        return np.empty(shape, np.int32)
    if out.shape != shape or out.dtype != np.int32 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be a writable C-contiguous int32 array of shape {shape}")
    return np.asarray(out)


def _seed_key(seed: int) -> Any:
    from core.kernels.intrinsics import mix

    return mix(np.uint64(seed & 0xFFFFFFFFFFFFFFFF))


def _over_rows(indptr: np.ndarray, threads: int, fill: Callable[[int, int], int]) -> int:
    """Call ``fill(first, last)`` for ranges of rows with about equally many edges; returns the results, or-ed."""
    cuts = np.searchsorted(indptr, np.arange(0, indptr[-1], _EDGES_PER_CHUNK), "left")
    cuts = np.unique(np.append(cuts, [0, len(indptr) - 1]))
    results: list[int] = []
    _in_threads([partial(lambda a, b: results.append(fill(a, b)), a, b) for a, b in pairwise(cuts)], threads)
    return reduce(or_, results, 0)


def _over_starts(
    starts: np.ndarray,
    config: WalksConfig | Node2VecConfig,
    threads: int,
    walk: Callable[[np.ndarray, np.ndarray], None],
    out: np.ndarray,
    progress: Progress,
) -> None:
    """Call ``walk(starts, rows of out)`` for each chunk of the starts."""
    steps_per_start = config.walks_per_node * max(config.walk_length - 1, 1)
    size = max(_STEPS_PER_CHUNK // steps_per_start, 1)
    chunks = [slice(a, min(a + size, len(starts))) for a in range(0, len(starts), size)]
    k = config.walks_per_node
    tasks = [partial(walk, starts[c], out[c.start * k : c.stop * k]) for c in chunks]
    total = len(out) * (config.walk_length - 1)
    done = 0
    progress("walks", done, total, "steps")

    def report(chunk: int) -> None:
        nonlocal done
        done += (chunks[chunk].stop - chunks[chunk].start) * k * (config.walk_length - 1)
        progress("walks", done, total, "steps")

    _in_threads(tasks, threads, report)


def _in_threads(
    tasks: Sequence[Callable[[], None]], threads: int, finished: Callable[[int], None] = lambda task: None
) -> None:
    """Run the tasks and call ``finished(number)`` from this thread; the first error cancels tasks that wait."""
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        numbers = {pool.submit(task): number for number, task in enumerate(tasks)}
        try:
            for future in as_completed(numbers):
                future.result()
                finished(numbers[future])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
