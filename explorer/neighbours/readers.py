"""What the neighbours page loads, cached by the versions that the manifests name."""

import streamlit as st

from core.changes import is_made_of
from core.store import Store
from explorer.neighbours.known_pairs import KnownPairs
from explorer.shared.store_reader import current_manifest, installed_store


def read_known_pairs(category: str) -> KnownPairs | None:
    """Training and held-out pairs, or None if they are missing or belong to another numbering of the products.

    Nodes are row numbers of product_pairs: during a rebuild the split and the graph of the previous product_pairs
    are still there, and must not be read as if they were about the new products.
    """
    found = [current_manifest(asset, category) for asset in ("product_pairs", "pair_split", "product_graph")]
    if not all(found):
        return None
    pairs, split, graph = (m for m in found if m is not None)
    if is_made_of(split, pairs) is False or is_made_of(graph, split) is False:
        return None
    loaded = _known_pairs(str(installed_store().root), category, split.version, graph.version)
    return loaded if loaded.n_nodes == pairs.fields["products"]["rows"] else None


@st.cache_resource(max_entries=3, show_spinner="Reading pairs …")
def _known_pairs(root: str, category: str, split_version: str, graph_version: str) -> KnownPairs:
    at = Store(root)
    return KnownPairs(at.read("product_graph", category), at.read("pair_split", category))
