"""What the page about graph and data loads, cached by the version that a manifest names."""

import streamlit as st

from core.graph.statistics import GraphStatistics, graph_statistics
from core.store import Store
from explorer.graph_and_data.list_statistics import Lists, read_lists, stretches
from explorer.shared.store_reader import _products, manifest, store


def paired_with_metadata(category: str) -> int | None:
    """How many products have both metadata and pairs; None where product_pairs does not say, as earlier versions."""
    current = manifest("product_pairs", category)
    info = (current.fields.get("info") or {}).get("value") if current else None
    return (info or {}).get("paired_with_metadata")


def statistics(category: str) -> GraphStatistics | None:
    """What the training graph is like, or None if it is not materialized."""
    current = manifest("product_graph", category)
    return _statistics(str(store().root), category, current.version) if current else None


def lists(model: str, scoring: str, category: str) -> Lists | None:
    """The first neighbours of a fixed sample of products, or None if they are not materialized."""
    current, pairs = manifest(f"neighbours/{model}", category), manifest("product_pairs", category)
    if current is None or pairs is None:
        return None
    return _lists(str(store().root), model, scoring, category, current.version, pairs.version)


@st.cache_resource(max_entries=3, show_spinner="Describing the graph …")
def _statistics(root: str, category: str, version: str) -> GraphStatistics:
    return graph_statistics(Store(root).read("product_graph", category))


@st.cache_resource(max_entries=64, show_spinner="Reading lists …")
def _lists(root: str, model: str, scoring: str, category: str, version: str, pairs_version: str) -> Lists:
    ids = _products(root, category, pairs_version).table["product_id"].combine_chunks()
    return read_lists(Store(root).file(f"neighbours/{model}", category, "table"), scoring, ids, stretches(len(ids)))
