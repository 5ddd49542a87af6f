"""Read from the store what several pages need, cached by the version that a manifest names.

Manifests are small and are read again in every rerun. What they name is immutable and is read once per version, so a
new materialization shows up with the next click, without a restart. All sessions share the cached objects, which must
not be changed.
"""

import threading
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import streamlit as st

from core import paths
from core.categories import load_categories
from core.errors import InputError
from core.models import MODELS
from core.store import Store
from core.store.manifest import MANIFEST, Manifest, is_asset_part
from explorer.search.product_index import ProductIndex


@dataclass(frozen=True)
class CategoryEntry:
    """A category in the picker.

    Attributes:
        name: partition key.
        title: name for people.
        ready: whether its products are materialized.
    """

    name: str
    title: str
    ready: bool


def installed_store() -> Store:
    """The artefact store of this installation."""
    return Store(paths.store_root())


def current_manifest(asset: str, category: str) -> Manifest | None:
    """The current manifest of an asset, read from the store every time; None if it is not materialized."""
    return installed_store().manifest(asset, category)


def list_categories() -> tuple[list[CategoryEntry], str | None]:
    """The categories in categories.yaml or in the store, and what is wrong with the file, if anything.

    A broken categories.yaml does not hide what is materialized.
    """
    problem = None
    titles: dict[str, str] = {}
    try:
        known = load_categories(paths.categories_file())
        titles = {listed.name: listed.title for listed in known.values()}
        problem = "\n\n".join(known.refused.values()) or None
    except InputError as error:
        problem = str(error)
    present = installed_store().categories("product_pairs")
    titles |= {name: name.replace("_", " ").title() for name in present if name not in titles}
    return [CategoryEntry(name, title, name in present) for name, title in titles.items()], problem


def read_product_index(category: str) -> ProductIndex | None:
    """The searchable products of a category, or None if product_pairs is not materialized."""
    current = current_manifest("product_pairs", category)
    return load_product_index(str(installed_store().root), category, current.version) if current else None


def models_with(stage: str, category: str) -> list[str]:
    """Models that have something to show at a ``stage`` (such as embeddings or metrics), in the registry's order.

    These are the materialized ones without those that need orders in a category that has none.
    """
    return [name for name in materialized_models(stage, category) if not _is_untrained(name, category)]


def materialized_models(stage: str, category: str) -> list[str]:
    """Models whose ``stage`` is materialized, in the order of the registry.

    A model that was removed from the registry is still shown as long as its artefacts exist.
    """
    base = installed_store().root / stage
    stored = sorted(p.name for p in base.iterdir() if is_asset_part(p.name) and p.is_dir()) if base.exists() else []
    names = [*MODELS, *(name for name in stored if name not in MODELS)]
    # Manifests are read later, so that a damaged one does not hide the other models.
    return [name for name in names if (installed_store().folder(f"{stage}/{name}", category) / MANIFEST).exists()]


def _is_untrained(name: str, category: str) -> bool:
    if name not in MODELS or MODELS[name].needs is None:
        return False
    try:
        return "untrained" in read_info(f"embeddings/{name}", category)
    except InputError:
        return False  # the manifest is damaged, which is reported where the model is read


def read_table(asset: str, category: str, field: str = "value") -> pa.Table | None:
    """A small table of an artefact, or None if the artefact is not materialized."""
    current = current_manifest(asset, category)
    return _table(str(installed_store().root), asset, category, field, current.version) if current else None


def read_info(asset: str, category: str) -> dict:
    """The ``info`` field of an artefact, taken from its manifest; empty if there is none."""
    current = current_manifest(asset, category)
    field = current.fields.get("info", {}) if current else {}
    value = field.get("value", {})
    return value if isinstance(value, dict) else {}


@st.cache_resource(max_entries=3, show_spinner="Reading products …")
def load_product_index(root: str, category: str, version: str) -> ProductIndex:
    pairs = Store(root).read("product_pairs", category)
    degree = np.bincount(pairs.source, minlength=pairs.products.num_rows)
    degree += np.bincount(pairs.target, minlength=pairs.products.num_rows)
    index = ProductIndex(pairs.products, degree)
    # What the search needs is made while people look at the first list.
    threading.Thread(target=index.build_search, name="search index", daemon=True).start()
    return index


@st.cache_resource(max_entries=128, show_spinner=False)
def _table(root: str, asset: str, category: str, field: str, version: str) -> pa.Table:
    return Store(root).read_field(asset, category, field)
