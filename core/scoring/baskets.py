"""One list for several products: what goes with a basket."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RANK_CONSTANT = 60
"""k of reciprocal rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009): a product in the lists of two basket products
comes before one that is first in a single list."""


@dataclass(frozen=True)
class BasketList:
    """The list of a basket, best first.

    Attributes:
        nodes: int64 ``[k]``.
        scores: float64 ``[k]``: sum over the basket's lists of 1 / (60 + rank).
        lists: int64 ``[k]``: in how many of the basket's lists the node stands.
    """

    nodes: np.ndarray
    scores: np.ndarray
    lists: np.ndarray


def combine(lists: Sequence[np.ndarray], basket: Sequence[int], k: int) -> BasketList:
    """Fuse the lists of a basket's products by reciprocal rank.

    Ranks are used, not scores: a product with few pairs has larger scores than a popular one, and would decide alone.

    Args:
        lists: one array of int nodes per product, best first, each node at most once; -1 (unknown) is left out.
        basket: nodes that are in the basket already; they are not recommended again.
        k: most nodes returned. Equal scores are ordered by node id.
    """
    nodes = np.concatenate([np.asarray(one, dtype=np.int64) for one in lists]) if lists else np.empty(0, np.int64)
    ranks = np.concatenate([np.arange(1, len(one) + 1) for one in lists]) if lists else np.empty(0, np.int64)
    keep = (nodes >= 0) & ~np.isin(nodes, np.asarray(basket, dtype=np.int64))
    found, place = np.unique(nodes[keep], return_inverse=True)
    scores = np.bincount(place, 1 / (RANK_CONSTANT + ranks[keep]), minlength=len(found))
    counts = np.bincount(place, minlength=len(found))
    order = np.argsort(-scores, kind="stable")[:k]
    return BasketList(found[order], scores[order], counts[order].astype(np.int64))
