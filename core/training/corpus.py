"""The walks as a corpus for word2vec: counts, subsampling and the order of training."""

import math
from dataclasses import dataclass

import numpy as np

from core.errors import InputError

_CHUNK = 1 << 16
"""Number of walks read at a time; bounds the memory when the walks are memory-mapped."""

MAX_LENGTH = 128
"""Length of the longest walk that makes one step, whose memory and time grow with the square of the length."""


@dataclass(frozen=True)
class WalkCorpus:
    """Walks and the number of times that each node occurs in them.

    Attributes:
        walks: int32 ``[n_walks, walk_length]`` node ids, -1 after a walk's end; C-contiguous, may be memory-mapped.
            Walks longer than :data:`MAX_LENGTH` are cut into pieces of that length, some of which may be empty.
        counts: int64 ``[n_nodes]``: how often each node occurs in the walks.
        labels: float32 ``[n_walks]`` in 0..1: the target score of the pairs of each walk; None means 1.
    """

    walks: np.ndarray
    counts: np.ndarray
    labels: np.ndarray | None = None

    @property
    def n_walks(self) -> int:
        return len(self.walks)

    @property
    def words(self) -> int:
        """Number of node occurrences."""
        return int(self.counts.sum())

    @property
    def seen(self) -> np.ndarray:
        """bool ``[n_nodes]``: the nodes that occur in a walk."""
        seen: np.ndarray = self.counts > 0
        return seen


def build_corpus(walks: np.ndarray | None, n_nodes: int) -> WalkCorpus:
    """Check the walks and count their nodes.

    Long walks are cut into pieces. The few pairs across a cut are lost, as in gensim, which cuts at 10,000 words.

    Raises:
        InputError: there are no walks, or they contain a node outside ``0..n_nodes-1``.
    """
    if walks is None or walks.ndim != 2 or not walks.size or walks[:, 0].max() < 0:
        raise InputError("walks: there are no walks to train on; the training graph needs at least one pair")
    if walks.dtype != np.int32 or not walks.flags.c_contiguous:
        walks = np.ascontiguousarray(walks, dtype=np.int32)
    if walks.shape[1] > MAX_LENGTH:
        walks = np.pad(walks, ((0, 0), (0, -walks.shape[1] % MAX_LENGTH)), constant_values=-1).reshape(-1, MAX_LENGTH)
    counts = np.zeros(n_nodes, np.int64)
    for first in range(0, len(walks), _CHUNK):
        nodes = walks[first : first + _CHUNK]
        nodes = nodes[nodes >= 0]
        if len(nodes) and nodes.max() >= n_nodes:
            raise InputError(
                f"walks: they contain node {nodes.max()}, but there are only {n_nodes} products; the walks belong to "
                "another product graph, so materialize them again"
            )
        counts += np.bincount(nodes, minlength=n_nodes)
    return WalkCorpus(walks, counts)


def keep_probability(counts: np.ndarray, threshold: float) -> np.ndarray:
    """float32 ``[n_nodes]``: the probability that an occurrence of a node is trained on.

    It is ``min(1, sqrt(t / f))``, where f is the node's share of all occurrences: one minus the discard probability
    of Mikolov et al. 2013, "Distributed Representations of Words and Phrases", section 2.3, formula 5.

    Args:
        counts: int64 ``[n_nodes]``.
        threshold: t; 0 keeps everything.
    """
    if threshold == 0:
        return np.ones(len(counts), np.float32)
    share = np.maximum(counts, 1) / counts.sum()
    probability: np.ndarray = np.minimum(1.0, np.sqrt(threshold / share)).astype(np.float32)
    return probability


@dataclass(frozen=True)
class WalkOrder:
    """The order in which one epoch visits the walks: position x is walk ``(x * stride + offset) % n_walks``.

    With a stride near ``n_walks`` / golden ratio, every stretch of positions is spread evenly over all walks. So the
    walks of one start node, or of one part of the graph, do not follow each other, and no permutation has to be kept
    in memory.
    """

    stride: int
    offset: int


def walk_order(n_walks: int, seed: int, epoch: int) -> WalkOrder:
    """The order of one epoch; a pure function of its arguments."""
    rng = np.random.default_rng([seed, epoch])
    stride = max(1, int(n_walks * (math.sqrt(5) - 1) / 2)) + int(rng.integers(0, max(1, n_walks // 100)))
    while math.gcd(stride, n_walks) > 1:
        stride += 1
    return WalkOrder(stride, int(rng.integers(0, n_walks)))
