"""What the page Lists loads, cached by the version that a manifest names."""

import bisect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from core import paths
from core.categories import Category, load_categories
from core.changes import OUTDATED, states
from core.delivery.api import ASSET as PUBLISHED_ASSET
from core.errors import InputError
from core.recommendations.form import SOURCES, Recommendations
from core.recommendations.state import lists_state
from core.stages import expected
from core.store import Store
from core.store.manifest import Manifest
from explorer.shared.store_reader import current_manifest, installed_store

ASSET = "recommendations"
CURRENT, PUBLISHED, PREVIOUS = "Current", "Published", "Previous"
"""The versions, the newest first."""


@dataclass(frozen=True)
class StoredLists:
    """One version of a category's lists.

    Attributes:
        ids: string ``[n]``, ascending: the id of each product.
        neighbours: slot → int32 ``[n, k]`` nodes, -1 for empty places.
        sources: slot → uint8 ``[n, k]``, places in ``SOURCES``.
        info: the lists' own facts.
    """

    ids: pa.Array
    neighbours: dict[str, np.ndarray]
    sources: dict[str, np.ndarray]
    info: dict[str, Any]

    def entries(self, slot: str, product_id: str) -> list[tuple[str, str]] | None:
        """Neighbour and source of each entry of a product's list; None if the version does not have the product."""
        if slot not in self.neighbours:
            return []
        node = bisect.bisect_left(range(len(self.ids)), product_id, key=lambda i: self.ids[i].as_py())
        if node == len(self.ids) or self.ids[node].as_py() != product_id:
            return None
        nodes, sources = self.neighbours[slot][node].tolist(), self.sources[slot][node].tolist()
        return [
            (self.ids[other].as_py(), SOURCES[source])
            for other, source in zip(nodes, sources, strict=True)
            if other >= 0
        ]


def read_versions(category: str) -> dict[str, Manifest | None]:
    """The manifest of each version, None for one that there is not."""
    return {
        CURRENT: current_manifest(ASSET, category),
        PUBLISHED: current_manifest(PUBLISHED_ASSET, category),
        PREVIOUS: installed_store().previous(PUBLISHED_ASSET, category),
    }


def read_lists(category: str, which: str, manifest: Manifest) -> StoredLists:
    """The lists of a version."""
    return _lists(str(installed_store().root), category, which, manifest.version)


def read_change(category: str, versions: dict[str, Manifest | None], slot: str) -> dict[str, Any] | None:
    """The change of a slot's lists from the published version to the current one, as ``Change.as_dict`` has it.

    It is None if the published version has no such lists.

    Args:
        category: partition key.
        versions: the manifests, of which current and published must be there.
        slot: the slot.
    """
    current, published, previous = (versions[name] for name in (CURRENT, PUBLISHED, PREVIOUS))
    if current is None or published is None:
        return None
    root = str(installed_store().root)
    # The lists themselves know how they differ from what was published when they were made. That is what is published
    # now, unless something was published or put back since.
    if published.created < current.created and (previous is None or previous.created <= published.created):
        stored = read_lists(category, CURRENT, current).info.get("change")
        if isinstance(stored, dict):
            return stored.get(slot)
    return _changes(root, category, published.version, current.version).get(slot)


def why_outdated(category: str) -> tuple[str, str]:
    """Why the current lists should be made again, in a few words, and the selection that makes them.

    Both are empty if nothing is known that says so.
    """
    known = installed_category(category)
    if known is None:
        return "", ""
    assets = expected(known, maps=[], lists=lists_state(known, paths.raw_dir(), only_at_hand=True))
    for state in states(assets, lambda asset: current_manifest(asset, category)):
        if state.asset == ASSET and state.state == OUTDATED:
            return state.sentence.partition(": ")[2], f"+{ASSET}+" if state.follows else f"{ASSET}+"
    return "", ""


def installed_category(category: str) -> Category | None:
    """The category as categories.yaml has it; None if it does not, or cannot be read."""
    try:
        return load_categories(paths.categories_file()).get(category)
    except InputError:
        return None


@st.cache_resource(max_entries=9, show_spinner="Reading lists …")
def _lists(root: str, category: str, which: str, version: str) -> StoredLists:
    store = Store(root)
    lists: Recommendations = (
        store.read(ASSET, category) if which == CURRENT
        else store.read(PUBLISHED_ASSET, category) if which == PUBLISHED
        else store.read_previous(PUBLISHED_ASSET, category)
    )  # fmt: skip
    ids = lists.products["product_id"].combine_chunks().cast(pa.string())
    return StoredLists(ids, lists.neighbours, lists.sources, lists.info)


@st.cache_resource(max_entries=6, show_spinner="Comparing lists …")
def _changes(root: str, category: str, published: str, current: str) -> dict[str, dict[str, Any]]:
    from core.recommendations.compare import compare_lists  # it compiles, and is seldom needed

    store = Store(root)
    changes = compare_lists(store.read(PUBLISHED_ASSET, category), store.read(ASSET, category))
    return {slot: change.as_dict() for slot, change in changes.items()}
