"""Counting the products that are near each other on walks, one product at a time.

A row needs only the positions of its product, so the memory holds the walks, one position per word and the kept rows;
the pairs themselves, of which there are ten times as many as words, are never stored. Blocks of products are
independent of each other.
"""

from dataclasses import asdict

import numpy as np
import scipy.sparse as sp
from numba import njit

from core.interfaces import Inputs, TrainContext, TrainedModel
from core.models.cooccurrence.config import CooccurrenceConfig
from core.models.sparse_rows import Rows, matrix_by_blocks
from core.progress import Progress, silent
from core.training.corpus import WalkCorpus, build_corpus
from core.training.sequences import sequences

_BLOCK = 2_048


def train(inputs: Inputs, config: CooccurrenceConfig, context: TrainContext) -> TrainedModel:
    """Score of a list entry = C[i, j] / sqrt(C[i] C[j]): the cosine of item-item collaborative filtering.

    C[i, j] counts how often i and j (two different products) are at most ``window`` steps apart on a walk, and
    C[i] is the sum of its row; so the score is the cosine of two products' occurrences in the pairs that skip-gram
    with the same window would train on (Ochiai's coefficient). Sarwar, Karypis, Konstan and Riedl, "Item-based
    collaborative filtering recommendation algorithms" (WWW 2001), section 3.1.1, with pairs on walks instead of users.

    A row keeps its ``keep`` best entries; the score of a pair is the mean of both directions.

    Returns:
        TrainedModel with ``chain_0``, float32 ``[n_nodes, n_nodes]``.

    Raises:
        InputError: there are no walks, or the walks belong to another graph.
    """
    with context.clock.phase("training"):
        corpus = build_corpus(sequences(inputs, config.learns_from), inputs.n_nodes)
        matrix = cosine(corpus, config.window, config.keep, context.threads, context.progress)
    return TrainedModel(
        model="cooccurrence",
        seen=corpus.seen,
        matrices={"chain_0": matrix},
        info={
            "config": asdict(config),
            "device": "cpu",
            "stored": int(matrix.nnz),
        },
    )


def cosine(corpus: WalkCorpus, window: int, keep: int, threads: int = 2, progress: Progress = silent) -> sp.csr_matrix:
    """float32 CSR ``[n_nodes, n_nodes]``: C[i, j] / sqrt(C[i] C[j]), the ``keep`` best of every row.

    Among equal entries, those with the smaller column are kept.

    Args:
        corpus: the walks.
        window: maximum number of steps between two occurrences that count as together.
        keep: maximum number of entries per row.
        threads: CPU threads; they do not change the result.
        progress: progress callback, called with the number of finished products.
    """
    walks, n_nodes = corpus.walks, len(corpus.counts)
    starts = np.concatenate([[0], np.cumsum(corpus.counts)])
    positions, total = _positions(walks, window, starts)

    def rows(first: int, last: int) -> Rows:
        block: Rows = _rows(walks, window, starts, positions, total, first, last, keep)
        return block

    return matrix_by_blocks(n_nodes, _BLOCK, rows, threads, "co-occurrences", progress)


@njit(nogil=True, cache=True)
def _positions(walks: np.ndarray, window: int, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions of every node, and the number of its pairs.

    Returns:
        int64 ``[words]``: flat positions in ``walks``, those of node i in ``starts[i]:starts[i + 1]``, ascending; and
        int64 ``[n_nodes]``: C[i], the number of other products' occurrences near those of i.
    """
    next_entry = starts[:-1].copy()
    positions = np.empty(starts[-1], np.int64)
    total = np.zeros(len(starts) - 1, np.int64)
    length = walks.shape[1]
    for row in range(len(walks)):
        for column in range(length):
            node = walks[row, column]
            if node < 0:
                continue
            positions[next_entry[node]] = row * length + column
            next_entry[node] += 1
            for other in range(max(column - window, 0), min(column + window + 1, length)):
                if walks[row, other] >= 0 and walks[row, other] != node:
                    total[node] += 1
    return positions, total


@njit(nogil=True, cache=True)
def _rows(
    walks: np.ndarray,
    window: int,
    starts: np.ndarray,
    positions: np.ndarray,
    total: np.ndarray,
    first: int,
    last: int,
    keep: int,
) -> Rows:
    """Rows ``first..last-1``: int64 lengths ``[last - first]``, int32 columns (ascending in a row), float32 values."""
    count = np.zeros(len(total), np.int64)
    partners = np.empty(len(total), np.int32)
    lengths = np.zeros(last - first, np.int64)
    capacity = 1024
    indices, values = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    used = 0
    length = walks.shape[1]
    for node in range(first, last):
        n_partners = 0
        for p in range(starts[node], starts[node + 1]):
            row, column = positions[p] // length, positions[p] % length
            for other in range(max(column - window, 0), min(column + window + 1, length)):
                neighbour = walks[row, other]
                if neighbour < 0 or neighbour == node:
                    continue
                if count[neighbour] == 0:
                    partners[n_partners] = neighbour
                    n_partners += 1
                count[neighbour] += 1
        columns = np.sort(partners[:n_partners])
        scores = np.empty(n_partners, np.float32)
        for c in range(n_partners):
            scores[c] = count[columns[c]] / np.sqrt(float(total[node]) * float(total[columns[c]]))
            count[columns[c]] = 0
        if n_partners > keep:
            # The sort is stable, so that smaller columns win among equal scores; then the order of columns is restored.
            best = np.sort(np.argsort(-scores, kind="mergesort")[:keep])
            columns, scores = columns[best], scores[best]
        n_kept = len(columns)
        if used + n_kept > capacity:
            capacity = max(2 * capacity, used + n_kept)
            more_indices, more_values = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
            more_indices[:used], more_values[:used] = indices[:used], values[:used]
            indices, values = more_indices, more_values
        indices[used : used + n_kept] = columns
        values[used : used + n_kept] = scores
        lengths[node - first] = n_kept
        used += n_kept
    return lengths, indices[:used].copy(), values[:used].copy()
