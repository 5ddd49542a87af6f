"""What the page Neighbours loads, cached by the versions that the manifests name."""

import streamlit as st

from core.changes import is_made_of
from core.store import Store
from explorer.neighbours.known_pairs import KnownPairs
from explorer.shared.store_reader import current_manifest, installed_store


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
