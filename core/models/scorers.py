"""How the models score: one small class per form of score behind the face ``core.models.base.Scorer``.

Belongs here: scores of given pairs and exact top-k lists, from vectors or from sparse matrices. Does not
belong here: how vectors and matrices come about, what a metric makes of the scores (``core.evaluation``) and
approximate search (``core.neighbours``).

What a model without vectors leaves in ``Embeddings.matrices``, and the score it stands for:

``gram``
    one matrix B ``[n_nodes, r]``; S = B Bᵀ. One column (popularity) makes the score a product of two numbers.
``chain_0``, ``chain_1``, …
    square matrices; S = chain_0 · chain_1 · …. S need not be symmetric: a list for product i is row i of S,
    while a pair scores (S[i, j] + S[j, i]) / 2.
``pagerank``
    the weighted adjacency ``[n_nodes, n_nodes]`` of an undirected graph; S[i, j] is the personalized PageRank of j
    with restarts at i, approximated to ``damping`` and ``tolerance`` of ``info["config"]``. Lists and pairs as of a
    chain.

No entry may be negative: an entry of S is 0 if and only if no path of nonzero entries leads from i to j.

A model with vectors and no matrices scores natively by their inner product, center[i] · context[j] (center[j] if there
is no context). It sees to it that this is symmetric.

A source that the model has not seen gets an empty list.

S is never built: it has up to n_nodes² entries. A row is computed when it is asked for, in a dense
accumulator. The Numba kernels are serial and release the GIL; threads take blocks of fixed size, so that
results do not depend on the number of threads.
"""

import numba as nb
import numpy as np
import scipy.sparse as sp

from core.models.base import CENTER_CENTER, CENTER_CONTEXT, NATIVE, Embeddings, Model, Scorer
from core.models.lists import blocks, empty_lists, in_threads, insert
from core.models.vector_lists import Search
from core.progress import Progress, silent

_PAIR_BLOCK = 16_384
_SOURCE_BLOCK = 256


def scorer(model: Model, embeddings: Embeddings, scoring: str, threads: int = 2) -> Scorer:
    """The scorer for one of the model's scorings.

    Raises:
        ValueError: the model does not score that way or its embeddings lack what the scoring needs.
    """
    if scoring not in model.scorings:
        raise ValueError(f"{model.name} scores by {', '.join(model.scorings)}, not by {scoring}")
    center, context, matrices = embeddings.center, embeddings.context, embeddings.matrices
    if embeddings.parts:
        from core.models.blend_scorer import BlendScorer  # built of the scorers of this module

        return BlendScorer(embeddings, threads)
    if scoring == CENTER_CENTER and center is not None:
        return VectorScorer(embeddings.seen, center, None, threads)
    if scoring == CENTER_CONTEXT and center is not None and context is not None:
        return VectorScorer(embeddings.seen, center, context, threads)
    if scoring == NATIVE and center is not None and not matrices:
        return DotScorer(embeddings.seen, center, context, threads)
    if scoring == NATIVE and "gram" in matrices:
        if matrices["gram"].shape[1] == 1:
            return RankOneScorer(embeddings.seen, matrices["gram"].toarray()[:, 0])
        gram = matrices["gram"]
        return ChainScorer(embeddings.seen, [gram, gram.T.tocsr()], True, threads)
    if scoring == NATIVE and "chain_0" in matrices:
        chain = [matrices[f"chain_{i}"] for i in range(sum(name.startswith("chain_") for name in matrices))]
        return ChainScorer(embeddings.seen, chain, False, threads)
    if scoring == NATIVE and "pagerank" in matrices:
        config = embeddings.info["config"]
        return PageRankScorer(embeddings.seen, matrices["pagerank"], config["damping"], config["tolerance"], threads)
    raise ValueError(f"the embeddings of {model.name} hold nothing that {scoring} could score by")


def normalized(vectors: np.ndarray) -> np.ndarray:
    """float32 rows of unit length; zero rows stay zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length == 0, np.float32(1), length)


class VectorScorer:
    """Cosine scores of center vectors, or of center with context vectors in both directions.

    With unit-length halves, cos(c_i, x_j) + cos(c_j, x_i) is the inner product of [c_i; x_i] with [x_j; c_j]:
    both scorings are a search for the largest inner product of a query with a row of one matrix.
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
        rows = self.vectors[nodes]
        return np.roll(rows, self._dim, axis=1) if self._crossed else rows

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        scores = np.empty(len(source), dtype=np.float32)

        def work(block: slice) -> None:
            np.einsum("ij,ij->i", self.queries(source[block]), self.vectors[target[block]], out=scores[block])

        in_threads(work, blocks(len(source), _PAIR_BLOCK), self._threads)
        return scores

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Scorer.top_k``; exact."""
        search = Search(self.queries, self.vectors, self.seen, self._symmetric, self._threads)
        return search.top_k(np.asarray(sources, dtype=np.int32), k, progress, mask)


class DotScorer(VectorScorer):
    """Plain inner products: score(i, j) = center[i] · context[j], or center[i] · center[j] without a context.

    Unlike a cosine these grow with a vector's length, so that a product can be popular.
    """

    def __init__(self, seen: np.ndarray, center: np.ndarray, context: np.ndarray | None, threads: int = 2) -> None:
        self.seen = np.array(seen, dtype=bool)
        self._center = np.asarray(center, dtype=np.float32)
        self._symmetric = context is None  # with one it is up to the model
        self._threads = threads
        self.vectors = self._center if context is None else np.asarray(context, dtype=np.float32)

    def queries(self, nodes: np.ndarray) -> np.ndarray:
        """float32 ``[len(nodes), d]``: the vectors whose inner product with :attr:`vectors` is the score."""
        return self._center[nodes]


class RankOneScorer:
    """score(i, j) = value[i] * value[j], values ≥ 0: the same list for everyone, but for what is left out."""

    def __init__(self, seen: np.ndarray, value: np.ndarray) -> None:
        self.seen = np.array(seen, dtype=bool)
        self._value = value.astype(np.float32)

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        return self._value[source] * self._value[target]

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Scorer.top_k``; exact."""
        sources = np.asarray(sources, dtype=np.int32)
        ids, scores = empty_lists(len(sources), k)
        candidates = np.flatnonzero(self.seen & (self._value > 0)).astype(np.int32)
        order = candidates[np.argsort(-self._value[candidates], kind="stable")]
        rank = np.full(len(self.seen), len(order))
        rank[order] = np.arange(len(order))
        for block in blocks(len(sources), _SOURCE_BLOCK):
            rows = sources[block]
            out_row, out_node = _left_out(rows, mask, block)
            # A list of k is complete after k places plus those left out before them.
            width = min(len(order), k + int(np.bincount(out_row, minlength=1).max()))
            keep = np.ones((len(rows), width), dtype=bool)
            early = rank[out_node] < width
            keep[out_row[early], rank[out_node[early]]] = False
            keep &= (self.seen[rows] & (self._value[rows] > 0))[:, None]
            place = np.cumsum(keep, axis=1) - 1
            keep &= place < k
            row, column = np.nonzero(keep)
            ids[block][row, place[row, column]] = order[column]
            scores[block][row, place[row, column]] = self._value[rows[row]] * self._value[order[column]]
            progress("top-k", block.stop, len(sources), "products")
        return ids, scores


class ChainScorer:
    """Scores that are entries of a product of sparse matrices; see this module's header."""

    def __init__(self, seen: np.ndarray, chain: list[sp.csr_matrix], symmetric: bool, threads: int = 2) -> None:
        if any(matrix.nnz and matrix.data.min() < 0 for matrix in chain):
            raise ValueError("the matrices of a sparse model must not have negative entries")
        self.seen = np.array(seen, dtype=bool)
        self._chain = tuple(_csr_arrays(matrix) for matrix in chain)
        # A pair's score is (row of all factors but the last) · (column of the last).
        front = chain[:-1] or [sp.identity(len(self.seen), dtype=np.float32, format="csr")]
        self._front = tuple(_csr_arrays(matrix) for matrix in front)
        self._last_transposed = _csr_arrays(chain[-1].T.tocsr())
        self._symmetric = symmetric
        self._width = max(max(matrix.shape) for matrix in chain)
        self._threads = threads

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        forth = self._directed(source, target)
        if self._symmetric:
            return forth
        return (forth + self._directed(target, source)) / 2

    def _directed(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """float32 ``[m]``: S[source, target]; pairs are grouped by source, whose row is computed once."""
        order = np.argsort(source, kind="stable")
        source, target = (np.asarray(nodes, dtype=np.int32)[order] for nodes in (source, target))
        scores = np.empty(len(source), dtype=np.float32)
        result = np.empty_like(scores)

        def work(block: slice) -> None:
            _chain_pairs(
                self._front,
                self._last_transposed,
                self._width,
                source[block],
                target[block],
                scores[block],
            )

        in_threads(work, blocks(len(source), _PAIR_BLOCK), self._threads)
        result[order] = scores
        return result

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Scorer.top_k``; exact, by the rows of S."""
        sources = np.asarray(sources, dtype=np.int32)
        ids, scores = empty_lists(len(sources), k)

        def work(block: slice) -> None:
            out_row, out_node = _left_out(sources[block], mask, block)
            starts = np.searchsorted(out_row, np.arange(block.stop - block.start + 1))
            _chain_top(
                self._chain,
                self._width,
                self.seen,
                sources[block],
                starts,
                out_node,
                ids[block],
                scores[block],
            )

        in_threads(work, blocks(len(sources), _SOURCE_BLOCK), self._threads, progress)
        return ids, scores


class PageRankScorer:
    """Personalized PageRank by forward push, one source at a time.

    S[i, j] = sum over t of (1 - damping) damping**t (P**t)[i, j], the chance that a walk from i, stopped after every
    step with probability 1 - damping, stops at j. Forward push (Andersen, Chung and Lang, "Local graph partitioning
    using PageRank vectors", FOCS 2006, section 3) finds values that are too small by at most tolerance * strength(j),
    with work that depends on the tolerance and not on the size of the graph.

    On an undirected graph strength(i) S[i, j] = strength(j) S[j, i], so that one direction of a pair gives both.

    Args:
        seen: bool ``[n_nodes]``.
        adjacency: symmetric CSR with positive weights; the strength of a node is the sum of its row.
        damping: chance to walk on, 0 <= damping < 1.
        tolerance: positive.
        threads: CPU threads; they do not change the result.
    """

    def __init__(
        self, seen: np.ndarray, adjacency: sp.csr_matrix, damping: float, tolerance: float, threads: int = 2
    ) -> None:
        self.seen = np.array(seen, dtype=bool)
        self._graph = _csr_arrays(adjacency)
        self._strength = np.asarray(adjacency.sum(axis=1, dtype=np.float64)).ravel()
        self._damping, self._tolerance = float(damping), float(tolerance)
        self._threads = threads

    def score_pairs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        source, target = np.asarray(source, dtype=np.int32), np.asarray(target, dtype=np.int32)
        # Push from the stronger end: hubs stand in many pairs, so that there are fewer sources.
        swap = self._strength[source] < self._strength[target]
        source, target = np.where(swap, target, source), np.where(swap, source, target)
        order = np.argsort(source, kind="stable")
        source, target = source[order], target[order]
        scores = np.empty(len(source), dtype=np.float32)

        def work(block: slice) -> None:
            _push_pairs(
                self._graph,
                self._strength,
                self._damping,
                self._tolerance,
                source[block],
                target[block],
                scores[block],
            )

        in_threads(work, blocks(len(source), _PAIR_BLOCK), self._threads)
        result = np.empty_like(scores)
        result[order] = scores
        return result

    def top_k(
        self, sources: np.ndarray, k: int, progress: Progress = silent, mask: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Scorer.top_k``; exact but for the tolerance."""
        sources = np.asarray(sources, dtype=np.int32)
        ids, scores = empty_lists(len(sources), k)

        def work(block: slice) -> None:
            out_row, out_node = _left_out(sources[block], mask, block)
            starts = np.searchsorted(out_row, np.arange(block.stop - block.start + 1))
            _push_top(
                self._graph,
                self._strength,
                self._damping,
                self._tolerance,
                self.seen,
                sources[block],
                starts,
                out_node,
                ids[block],
                scores[block],
            )

        in_threads(work, blocks(len(sources), _SOURCE_BLOCK), self._threads, progress)
        return ids, scores


def _left_out(sources: np.ndarray, mask: sp.csr_matrix | None, block: slice) -> tuple[np.ndarray, np.ndarray]:
    """What the lists of a block must not hold: row numbers in the block (ascending) and node ids, int64."""
    row, node = np.arange(len(sources)), sources.astype(np.int64)
    if mask is None:
        return row, node
    part = mask[block]
    row = np.concatenate([row, np.repeat(row, np.diff(part.indptr))])
    node = np.concatenate([node, part.indices])
    order = np.argsort(row, kind="stable")
    return row[order], node[order]


def _csr_arrays(matrix: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrays of one fixed type for the kernels, which are compiled for it; copies only what differs."""
    if matrix.nnz and matrix.data.min() == 0:
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    wanted = (np.int64, np.int32, np.float32)
    arrays = zip((matrix.indptr, matrix.indices, matrix.data), wanted, strict=True)
    indptr, indices, data = (np.require(a, dtype, ["C", "W"]) for a, dtype in arrays)
    return indptr, indices, data


@nb.njit(nogil=True, cache=True)
def _row_product(chain, node, accumulators, touched):
    """Row ``node`` of the product of ``chain``, sparse, in one of two accumulators.

    Args:
        chain: one or more CSR triples without negative or stored zero entries.
        accumulators: float64 ``[2, width]``, zero on entry. Left nonzero where the row is.
        touched: int32 ``[2, width]``.

    Returns:
        Which accumulator holds the row and how many places of ``touched`` it has.
    """
    now = 0
    accumulators[now, node] = 1.0
    touched[now, 0] = node
    count = 1
    for indptr, indices, data in chain:
        then = 1 - now
        found = 0
        for t in range(count):
            middle = touched[now, t]
            value = accumulators[now, middle]
            accumulators[now, middle] = 0.0
            for e in range(indptr[middle], indptr[middle + 1]):
                end = indices[e]
                if accumulators[then, end] == 0.0:
                    touched[then, found] = end
                    found += 1
                accumulators[then, end] += value * data[e]
        now, count = then, found
    return now, count


@nb.njit(nogil=True, cache=True)
def _chain_pairs(front, last_transposed, width, source, target, scores):
    """Scores of pairs grouped by source: (row of all factors but the last) · (column of the last factor)."""
    accumulators = np.zeros((2, width))
    touched = np.empty((2, width), dtype=np.int32)
    indptr, indices, data = last_transposed
    first = 0
    while first < len(source):
        now, count = _row_product(front, source[first], accumulators, touched)
        pair = first
        while pair < len(source) and source[pair] == source[first]:
            total = 0.0
            for e in range(indptr[target[pair]], indptr[target[pair] + 1]):
                total += accumulators[now, indices[e]] * data[e]
            scores[pair] = total
            pair += 1
        for t in range(count):
            accumulators[now, touched[now, t]] = 0.0
        first = pair


@nb.njit(nogil=True, cache=True)
def _chain_top(chain, width, seen, sources, starts, left_out, ids, scores):
    """Lists ``[s, k]`` for ``sources [s]``; ``left_out[starts[r]:starts[r + 1]]`` stays out of list r."""
    accumulators = np.zeros((2, width))
    touched = np.empty((2, width), dtype=np.int32)
    for row in range(len(sources)):
        if not seen[sources[row]]:
            continue
        now, count = _row_product(chain, sources[row], accumulators, touched)
        for e in range(starts[row], starts[row + 1]):
            accumulators[now, left_out[e]] = 0.0
        for t in range(count):
            node = touched[now, t]
            score = np.float32(accumulators[now, node])
            accumulators[now, node] = 0.0
            if score > 0 and seen[node]:
                insert(ids, scores, row, node, score)


@nb.njit(nogil=True, cache=True)
def _push(graph, strength, damping, tolerance, source, reserve, residual, queued, queue, touched):
    """Forward push from ``source``.

    Args:
        graph: CSR triple.
        strength: float64 ``[n_nodes]``, row sums.
        reserve, residual: float64 ``[n_nodes]``, zero on entry. reserve[j] is the chance found so far that the walk
            stops at j; residual[j] that it is at j and was not followed on. Left nonzero where touched.
        queued: bool ``[n_nodes]``, False on entry and on return.
        queue: int32 ``[n_nodes]``, a ring in which a node stands at most once.
        touched: int32 ``[n_nodes]``.

    Returns:
        Number of nodes touched. PageRank of j >= reserve[j] + (1 - damping) residual[j], for a walk that is at j
        stops there with that chance at least.
    """
    indptr, indices, weights = graph
    n_nodes = len(strength)
    residual[source] = 1.0
    touched[0] = source
    count = 1
    queue[0] = source
    queued[source] = True
    head, waiting = 0, 1
    while waiting > 0:
        node = queue[head]
        head = head + 1 if head + 1 < n_nodes else 0
        waiting -= 1
        queued[node] = False
        mass = residual[node]
        if strength[node] == 0.0:  # an isolated source: nowhere to go
            continue
        residual[node] = 0.0
        reserve[node] += (1.0 - damping) * mass
        share = damping * mass / strength[node]
        for e in range(indptr[node], indptr[node + 1]):
            end = indices[e]
            if residual[end] == 0.0 and reserve[end] == 0.0:
                touched[count] = end
                count += 1
            residual[end] += share * weights[e]
            if not queued[end] and residual[end] > tolerance * strength[end]:
                queued[end] = True
                place = head + waiting
                queue[place if place < n_nodes else place - n_nodes] = end
                waiting += 1
    return count


@nb.njit(nogil=True, cache=True)
def _push_pairs(graph, strength, damping, tolerance, source, target, scores):
    """Means of both directions for pairs grouped by source."""
    n_nodes = len(strength)
    reserve, residual = np.zeros(n_nodes), np.zeros(n_nodes)
    queued, queue = np.zeros(n_nodes, dtype=np.bool_), np.empty(n_nodes, dtype=np.int32)
    touched = np.empty(n_nodes, dtype=np.int32)
    first = 0
    while first < len(source):
        node = source[first]
        count = _push(graph, strength, damping, tolerance, node, reserve, residual, queued, queue, touched)
        pair = first
        while pair < len(source) and source[pair] == node:
            other = target[pair]
            forth = reserve[other] + (1.0 - damping) * residual[other]
            back = forth * strength[node] / strength[other] if strength[other] > 0.0 else 0.0
            scores[pair] = (forth + back) / 2.0
            pair += 1
        for t in range(count):
            reserve[touched[t]] = residual[touched[t]] = 0.0
        first = pair


@nb.njit(nogil=True, cache=True)
def _push_top(graph, strength, damping, tolerance, seen, sources, starts, left_out, ids, scores):
    """Lists ``[s, k]`` for ``sources [s]``; ``left_out[starts[r]:starts[r + 1]]`` stays out of list r."""
    n_nodes = len(strength)
    reserve, residual = np.zeros(n_nodes), np.zeros(n_nodes)
    queued, queue = np.zeros(n_nodes, dtype=np.bool_), np.empty(n_nodes, dtype=np.int32)
    touched = np.empty(n_nodes, dtype=np.int32)
    for row in range(len(sources)):
        if not seen[sources[row]]:
            continue
        count = _push(graph, strength, damping, tolerance, sources[row], reserve, residual, queued, queue, touched)
        for e in range(starts[row], starts[row + 1]):
            reserve[left_out[e]] = residual[left_out[e]] = 0.0
        for t in range(count):
            node = touched[t]
            score = np.float32(reserve[node] + (1.0 - damping) * residual[node])
            reserve[node] = residual[node] = 0.0
            if score > 0 and seen[node]:
                insert(ids, scores, row, node, score)
