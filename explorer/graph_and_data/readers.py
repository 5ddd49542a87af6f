"""What the page Graph and data loads, cached by the version that a manifest names."""

import streamlit as st

from core.graph.statistics import GraphStatistics, graph_statistics
from core.store import Store
from explorer.graph_and_data.list_statistics import ListSample, load_list_sample, sample_ranges
from explorer.graph_and_data.order_statistics import OrderStatistics, order_statistics
from explorer.shared.store_reader import current_manifest, installed_store, load_product_index


def count_paired_with_metadata(category: str) -> int | None:
    """Number of products with both metadata and pairs; None if product_pairs does not say, as in earlier versions."""
    current = current_manifest("product_pairs", category)
    info = (current.fields.get("info") or {}).get("value") if current else None
    return (info or {}).get("paired_with_metadata")


def read_graph_statistics(category: str) -> GraphStatistics | None:
    """Statistics of the training graph, or None if it is not materialized."""
    current = current_manifest("product_graph", category)
    return _statistics(str(installed_store().root), category, current.version) if current else None


def read_list_sample(model: str, scoring: str, category: str) -> ListSample | None:
    """The first neighbours of a fixed sample of products, or None if they are not materialized."""
    current, pairs = current_manifest(f"neighbours/{model}", category), current_manifest("product_pairs", category)
    if current is None or pairs is None:
        return None
    return _list_sample(str(installed_store().root), model, scoring, category, current.version, pairs.version)


def read_order_statistics(category: str) -> OrderStatistics | None:
    """Statistics of the orders, or None if they are not materialized or there are none."""
    current = current_manifest("order_history", category)
    if current is None or not current.fields["value"]["rows"]:
        return None
    return _order_statistics(str(installed_store().root), category, current.version)


@st.cache_resource(max_entries=3, show_spinner="Describing the orders …")
def _order_statistics(root: str, category: str, version: str) -> OrderStatistics:
    return order_statistics(Store(root).file("order_history", category, "value"))


@st.cache_resource(max_entries=3, show_spinner="Describing the graph …")
def _statistics(root: str, category: str, version: str) -> GraphStatistics:
    return graph_statistics(Store(root).read("product_graph", category))


@st.cache_resource(max_entries=64, show_spinner="Reading lists …")
def _list_sample(root: str, model: str, scoring: str, category: str, version: str, pairs_version: str) -> ListSample:
    ids = load_product_index(root, category, pairs_version).table["product_id"].combine_chunks()
    return load_list_sample(
        Store(root).file(f"neighbours/{model}", category, "table"), scoring, ids, sample_ranges(len(ids))
    )
