"""The known pairs of a product: its training pairs, its held-out pairs and whether a model could have seen it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
import streamlit as st

from core.changes import is_made_of
from core.graph import ProductGraph
from core.graph.paths import GraphPaths
from core.pairs.split import PairSplit
from core.store import Store
from explorer.shared.store_reader import current_manifest, installed_store

TRAIN = "train"
HELD_OUT = "held out"
"""Names of the marks in tables and downloads."""


@dataclass(frozen=True)
class Partners:
    """The products that one product, or a basket, is known to be paired with.

    Attributes:
        train: int nodes of the partners in the training graph, ascending.
        held_out: int nodes of the partners in pairs that no model was shown (validation pairs, and pairs with a cold
            product on either side), ascending.
        cold: whether the product was held out completely, so that no model has seen any of its pairs.
    """

    train: np.ndarray
    held_out: np.ndarray
    cold: bool

    def marks(self, neighbours: np.ndarray) -> list[str]:
        """:data:`TRAIN`, :data:`HELD_OUT` or "" for each neighbour; "" for -1, an unknown product."""
        in_train = np.isin(neighbours, self.train)
        in_held_out = np.isin(neighbours, self.held_out)
        return [TRAIN if a else HELD_OUT if b else "" for a, b in zip(in_train, in_held_out, strict=True)]


class KnownPairs:
    """All known pairs of a category, by product. The arrays, which may be memory maps, are not copied."""

    def __init__(self, graph: ProductGraph, split: PairSplit) -> None:
        self._graph = graph
        self._split = split

    @property
    def n_nodes(self) -> int:
        return self._graph.n_nodes

    @cached_property
    def paths(self) -> GraphPaths:
        """Paths in the training graph."""
        return GraphPaths(self._graph)

    @property
    def degree(self) -> np.ndarray:
        """int64 ``[n_nodes]``: number of training pairs."""
        return self._graph.degree

    def partners(self, node: int) -> Partners:
        """The partners of one product. Scanning the held-out pairs takes some milliseconds for 10 million pairs."""
        train = np.asarray(self._graph.indices[self._graph.indptr[node] : self._graph.indptr[node + 1]])
        validation, cold_pairs, cold = self._split.validation, self._split.cold_pairs, self._split.cold
        held_out = _partners(validation.source, validation.target, node)
        held_out = np.union1d(held_out, _partners(cold_pairs.source, cold_pairs.target, node))
        position = int(np.searchsorted(cold, node))
        return Partners(train, held_out, position < len(cold) and int(cold[position]) == node)

    def partners_of_any(self, nodes: Sequence[int]) -> Partners:
        """The partners of several products together; a training partner of any of them is not held out."""
        partners = [self.partners(node) for node in nodes]
        train = reduce(np.union1d, (p.train for p in partners), np.empty(0, np.int64))
        held_out = reduce(np.union1d, (p.held_out for p in partners), np.empty(0, np.int64))
        return Partners(train, np.setdiff1d(held_out, train), bool(partners) and all(p.cold for p in partners))

    def without_pair(self, nodes: np.ndarray) -> np.ndarray:
        """bool: the product has no training pair, so only side information can have ranked it; False for -1."""
        rows = np.maximum(nodes, 0)
        return (self._graph.indptr[rows + 1] == self._graph.indptr[rows]) & (nodes >= 0)


def _partners(source: np.ndarray, target: np.ndarray, node: int) -> np.ndarray:
    return np.union1d(target[np.flatnonzero(source == node)], source[np.flatnonzero(target == node)])


def read_known_pairs(category: str) -> KnownPairs | None:
    """Training and held-out pairs, or None if they are missing or belong to another numbering of the products.

    Nodes are row numbers of product_pairs. During a rebuild the split and the graph of the previous product_pairs are
    still there and must not be applied to the new products.
    """
    manifests = [current_manifest(asset, category) for asset in ("product_pairs", "pair_split", "product_graph")]
    if not all(manifests):
        return None
    pairs, split, graph = (m for m in manifests if m is not None)
    if is_made_of(split, pairs) is False or is_made_of(graph, split) is False:
        return None
    known = _known_pairs(str(installed_store().root), category, split.version, graph.version)
    return known if known.n_nodes == pairs.fields["products"]["rows"] else None


@st.cache_resource(max_entries=3, show_spinner="Reading pairs …")
def _known_pairs(root: str, category: str, split_version: str, graph_version: str) -> KnownPairs:
    store = Store(root)
    return KnownPairs(store.read("product_graph", category), store.read("pair_split", category))
