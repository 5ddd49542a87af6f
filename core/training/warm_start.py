"""Starting a training from the vectors of the last one.

Nodes are numbered by sorted product id, so the numbers shift when products come or go; rows are found again by
``TrainContext.keys``. The keys also change with the rule by which pairs are held out, so vectors are never reused that
have already been trained on the pairs that will evaluate them.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp

from core.arrays import positions
from core.interfaces import TrainContext
from core.training.config import WarmStartConfig
from core.training.corpus import WalkCorpus

_CHUNK = 1 << 16
"""Number of walks read at a time; bounds the memory when the walks are memory-mapped."""

_LENGTH = 0.3
"""Length of a new product's first vector, as a share of the mean of its neighbours. At full length it is so similar to
them that it crowds their lists, and its few steps do not turn it: recall@10 of skip-gram on Beauty was 0.36 with 1, and
0.38 with 0.3, 0.1 and 0.03 (`benchmarks/warm_start.py`, warm_rate 0.3)."""

_Config = TypeVar("_Config", bound=WarmStartConfig)
"""A config that also has ``epochs``, ``learning_rate`` and ``min_learning_rate``."""


class _ColdStartError(Exception):
    """The reason why the last vectors cannot be reused."""


@dataclass(frozen=True)
class Start:
    """Where a training starts.

    Attributes:
        center: float32 ``[n_nodes, d]``; None for a cold start.
        context: the same shape, or None for a cold start or a model without context vectors.
        facts: whether the start is ``warm``; if so, how many products were ``kept``, start ``from_neighbours`` or are
            ``fresh``, and how many earlier ones were ``dropped``; otherwise ``why`` it is cold.
    """

    center: np.ndarray | None
    context: np.ndarray | None
    facts: dict[str, Any]


def find_start(center: np.ndarray, contexts: np.ndarray | None, corpus: WalkCorpus, context: TrainContext) -> Start:
    """The last vectors in the order of today's nodes, if they can be reused.

    A product of the corpus that the last vectors know starts where it was. A new product starts in the direction of
    the mean of its neighbours on the walks, weighted by how often the walks step between the two, but with a shorter
    vector; neighbours that are new as well count once they have a start themselves. A product that no steps connect to
    a known product keeps its cold start.

    Args:
        center, contexts: the cold start, float32 ``[n_nodes, d]``; not changed.
        corpus: the walks that will be trained on.
        context: circumstances of the run.
    """
    try:
        return _warm_start(center, contexts, corpus, context)
    except _ColdStartError as reason:
        return Start(None, None, {"warm": False, "why": str(reason)})


def shortened(config: _Config) -> tuple[_Config, float]:
    """The settings of a warm training, and the share of the data that each of its epochs reads.

    Together they make ``warm_share * epochs`` passes: 1.5 passes become two epochs of 0.75.
    """
    schedule: Any = config
    passes = config.warm_share * schedule.epochs
    epochs = max(1, math.ceil(passes))
    rate = config.warm_rate * schedule.learning_rate
    warm = dataclasses.replace(
        schedule, epochs=epochs, learning_rate=rate, min_learning_rate=min(rate, schedule.min_learning_rate)
    )
    return warm, passes / epochs


def _warm_start(center: np.ndarray, contexts: np.ndarray | None, corpus: WalkCorpus, context: TrainContext) -> Start:
    last, keys, version = context.previous, context.keys, context.version
    if last is None or last.center is None:
        raise _ColdStartError("there are no earlier vectors")
    if last.keys is None or keys is None:
        raise _ColdStartError("the earlier vectors do not say to which products they belong; the next ones will")
    if last.info.get("version") != version:
        raise _ColdStartError(
            f"the earlier vectors come from version {last.info.get('version')} of the model, not from {version}"
        )
    if last.center.shape[1] != center.shape[1] or (last.context is None) != (contexts is None):
        raise _ColdStartError(f"the earlier vectors have length {last.center.shape[1]}, not {center.shape[1]}")
    old = positions(last.keys, keys)
    known = (old >= 0) & corpus.seen
    known[known] = last.seen[old[known]]
    if not known.any():
        raise _ColdStartError("no product has an earlier vector, or the seed or the shares of the split have changed")

    tables = [fresh.copy() for fresh in (center, contexts) if fresh is not None]
    for table, before in zip(tables, (last.center, last.context), strict=False):
        table[known] = np.asarray(before)[old[known]]
    new = np.flatnonzero(corpus.seen & ~known)
    reached = _spread(tables, known, new, _steps(corpus, new))
    for table in tables:
        table[reached] *= np.float32(_LENGTH)
    facts = {
        "warm": True,
        "kept": int(known.sum()),
        "from_neighbours": len(reached),
        "fresh": len(new) - len(reached),
        "dropped": int(last.seen.sum() - known.sum()),
    }
    return Start(tables[0], tables[1] if contexts is not None else None, facts)


def _steps(corpus: WalkCorpus, new: np.ndarray) -> sp.csr_matrix:
    """float64 ``[len(new), n_nodes]``: how often the walks step from a new node to another node, or back."""
    n_nodes = len(corpus.counts)
    row = np.full(n_nodes, -1)
    row[new] = np.arange(len(new))
    steps = sp.csr_matrix((len(new), n_nodes))
    for first in range(0, len(corpus.walks), _CHUNK) if len(new) else ():
        walks = corpus.walks[first : first + _CHUNK]
        here, there = walks[:, :-1].ravel(), walks[:, 1:].ravel()
        whole = there >= 0
        ends = np.concatenate([[here[whole], there[whole]], [there[whole], here[whole]]], axis=1)
        ends = ends[:, row[ends[0]] >= 0]
        steps += sp.csr_matrix((np.ones(ends.shape[1]), (row[ends[0]], ends[1])), shape=steps.shape)
    return steps


def _spread(tables: list[np.ndarray], known: np.ndarray, new: np.ndarray, steps: sp.csr_matrix) -> np.ndarray:
    """Set the rows of new nodes to means of rows that are already set, until nothing changes; returns these nodes."""
    started = known.copy()
    while True:
        weight = steps @ started.astype(np.float64)
        rows = np.flatnonzero((weight > 0) & ~started[new])
        if not len(rows):
            reached: np.ndarray = new[started[new]]
            return reached
        mean = (sp.diags(1 / weight[rows]) @ steps[rows] @ sp.diags(started.astype(np.float64))).astype(np.float32)
        for table in tables:
            table[new[rows]] = mean @ table
        started[new[rows]] = True
