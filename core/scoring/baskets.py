"""One list for several products: what goes with a basket."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from core.arrays import distinct, largest_by_row
from core.interfaces import Scorer
from core.pairs.held_out_orders import ProductSets
from core.progress import Progress, silent

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


def fused_ranks(scorer: Scorer, products: np.ndarray, depth: int = 100, progress: Progress = silent) -> sp.csr_matrix:
    """The lists of products as a matrix, from which those of sets are summed up.

    Args:
        scorer: gives the lists.
        products: int ``[p]`` node ids; they may repeat.
        depth: length of the lists.
        progress: told the progress of the lists.

    Returns:
        float64 CSR ``[n_nodes, n_nodes]``: row i has 1 / (60 + rank) for every node in the list of product i; the rows
        of other products are empty.
    """
    n_nodes = len(scorer.seen)
    sources = distinct(products).astype(np.int32)
    nodes, _ = scorer.top_k(sources, depth, progress)
    row, rank = np.nonzero(nodes >= 0)
    values = 1 / (RANK_CONSTANT + 1.0 + rank)
    return sp.csr_matrix((values, (sources[row], nodes[row, rank])), shape=(n_nodes, n_nodes))


def lists_of_sets(
    ranks: sp.csr_matrix, sets: ProductSets, k: int, recency: float = 1.0, left_out: ProductSets | None = None
) -> np.ndarray:
    """One list for each of many sets of products: :func:`combine` for all of them at once.

    Args:
        ranks: the lists of all products of the sets, from :func:`fused_ranks`.
        sets: the products of each set.
        k: maximum length of the lists.
        recency: the list of the product at place p of a set counts ``recency ** p``; 1 counts all alike.
        left_out: for each set the products that are not recommended; by default those of the set.

    Returns:
        int32 ``[s, k]`` node ids, best first; -1 marks an empty place. Equal scores are ordered by node id.
    """
    lists: np.ndarray = np.full((len(sets), k), -1, np.int32)
    left_out = sets if left_out is None else left_out
    n_nodes = ranks.shape[1]
    weights, own = sets.matrix(n_nodes, recency), left_out.matrix(n_nodes)
    for first in range(0, len(sets), _BLOCK):
        block = slice(first, first + _BLOCK)
        scores = (weights[block] @ ranks).tocsr()
        scores = (scores - scores.multiply(own[block])).tocsr()
        row, node, _, place = largest_by_row(scores, k)
        lists[first + row, place] = node
    return lists


_BLOCK = 1024
"""Number of sets whose scores are held at once."""
