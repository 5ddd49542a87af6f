"""One list for several products: what goes with a basket."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RANK_CONSTANT = 60
"""k of reciprocal rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009). At this value a product that appears in the
lists of two basket products ranks above one that is first in a single list."""


@dataclass(frozen=True)
class BasketList:
    """The products that go with a basket, best first.

    Attributes:
        nodes: int64 ``[k]``.
        scores: float64 ``[k]``: sum of 1 / (60 + rank) over the basket's lists.
        lists: int64 ``[k]``: number of the basket's lists that contain the node.
    """

    nodes: np.ndarray
    scores: np.ndarray
    lists: np.ndarray


def combine(lists: Sequence[np.ndarray], basket: Sequence[int], k: int) -> BasketList:
    """Fuse the lists of a basket's products by reciprocal rank.

    Ranks are used instead of scores because a product with few pairs has larger scores than a popular one and would
    dominate the sum.

    Args:
        lists: one array of int nodes per product, best first, each node at most once; -1 (unknown) is skipped.
        basket: nodes that are already in the basket; they are not recommended again.
        k: maximum number of nodes returned. Equal scores are ordered by node id.
    """
    nodes = np.concatenate([np.asarray(nodes, dtype=np.int64) for nodes in lists]) if lists else np.empty(0, np.int64)
    ranks = np.concatenate([np.arange(1, len(nodes) + 1) for nodes in lists]) if lists else np.empty(0, np.int64)
    keep = (nodes >= 0) & ~np.isin(nodes, np.asarray(basket, dtype=np.int64))
    candidates, position = np.unique(nodes[keep], return_inverse=True)
    scores = np.bincount(position, 1 / (RANK_CONSTANT + ranks[keep]), minlength=len(candidates))
    counts = np.bincount(position, minlength=len(candidates))
    order = np.argsort(-scores, kind="stable")[:k]
    return BasketList(candidates[order], scores[order], counts[order].astype(np.int64))
