"""What the page Map loads, cached by the versions that the manifests name."""

import itertools

import streamlit as st

from core.changes import is_made_of
from core.projection import Projection
from core.store import Store
from core.store.manifest import Manifest
from explorer.product_map.groups import Grouping, group_products
from explorer.shared.store_reader import current_manifest, installed_store, load_product_index


def read_projection(model: str, category: str) -> Projection | None:
    """The map of a model, or None if it is not materialized or belongs to an earlier product_pairs."""
    current, pairs = current_manifest(f"projection/{model}", category), current_manifest("product_pairs", category)
    if current is None or pairs is None or not _same_numbers(current, pairs, model):
        return None
    projection = _projection(str(installed_store().root), model, category, current.version)
    largest_node = int(projection.nodes[-1]) if len(projection.nodes) else -1
    return projection if largest_node < pairs.fields["products"]["rows"] else None


def _same_numbers(map_manifest: Manifest, pairs: Manifest, model: str) -> bool:
    """Whether a map numbers the products as ``pairs`` does; assumed unless a manifest says otherwise."""
    numbered_by = map_manifest.info.get("products")
    if numbered_by and pairs.digest:
        return bool(numbered_by == pairs.digest)
    # Earlier versions did not record this. Follow the chain from each artefact to the one it was made from.
    intermediate = (current_manifest(asset, pairs.category) for asset in (f"embeddings/{model}", "pair_split"))
    chain = [map_manifest, *(m for m in intermediate if m is not None), pairs]
    return all(is_made_of(product, source) is not False for product, source in itertools.pairwise(chain))


def read_grouping(model: str, category: str, field: str) -> Grouping | None:
    """The groups by which the points of a map are coloured, or None if there is no map."""
    current, pairs = current_manifest(f"projection/{model}", category), current_manifest("product_pairs", category)
    if current is None or pairs is None or read_projection(model, category) is None:
        return None
    return _grouping(str(installed_store().root), model, category, field, current.version, pairs.version)


@st.cache_resource(max_entries=8, show_spinner="Reading the map …")
def _projection(root: str, model: str, category: str, version: str) -> Projection:
    return Store(root).read(f"projection/{model}", category)


@st.cache_resource(max_entries=8, show_spinner="Grouping products …")
def _grouping(root: str, model: str, category: str, field: str, version: str, pairs_version: str) -> Grouping:
    nodes = Store(root).read(f"projection/{model}", category).nodes
    return group_products(load_product_index(root, category, pairs_version).table, nodes, field)
