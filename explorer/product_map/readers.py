"""What the map page loads, cached by the versions that the manifests name."""

import itertools

import streamlit as st

from core.changes import is_made_of
from core.projection import Projection
from core.store import Store
from core.store.manifest import Manifest
from explorer.product_map.groups import Grouping, group_products
from explorer.shared.store_reader import current_manifest, installed_store, load_product_index


def read_projection(model: str, category: str) -> Projection | None:
    """The model's map, or None if it is not materialized or numbers the products of an earlier product_pairs."""
    current, pairs = current_manifest(f"projection/{model}", category), current_manifest("product_pairs", category)
    if current is None or pairs is None or not _same_numbers(current, pairs, model):
        return None
    found = _projection(str(installed_store().root), model, category, current.version)
    return found if int(found.nodes[-1] if len(found.nodes) else -1) < pairs.fields["products"]["rows"] else None


def _same_numbers(map_: Manifest, pairs: Manifest, model: str) -> bool:
    """Whether a map's node numbers are those of the products; taken for granted where no manifest says otherwise."""
    numbered = map_.info.get("products")
    if numbered and pairs.digest:
        return bool(numbered == pairs.digest)
    # A program of before this was noted: from each artefact to the one it was made from.
    between = (current_manifest(asset, pairs.category) for asset in (f"embeddings/{model}", "pair_split"))
    chain = [map_, *(m for m in between if m is not None), pairs]
    return all(is_made_of(made, source) is not False for made, source in itertools.pairwise(chain))


def read_grouping(model: str, category: str, field: str) -> Grouping | None:
    """The groups by which the points of a map are coloured; None without a map."""
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
