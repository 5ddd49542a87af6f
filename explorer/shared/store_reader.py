"""The explorer's door to the store: every reader is cached by the version that a manifest names.

Manifests are small and are read anew in every rerun; what they name is immutable and is read once per version. So a
new materialization shows up with the next click, without a restart. Cached objects are shared by all sessions and
must not be changed.
"""

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
from explorer.shared.product_index import ProductIndex


@dataclass(frozen=True)
class CategoryEntry:
    """A category as the picker shows it.

    Attributes:
        name: partition key.
        title: what people read.
        ready: whether there are products to look at.
    """

    name: str
    title: str
    ready: bool


def installed_store() -> Store:
    """The artefact store of this installation."""
    return Store(paths.store_root())


def current_manifest(asset: str, category: str) -> Manifest | None:
    """The current manifest, read from the store each time."""
    return installed_store().manifest(asset, category)


def list_categories() -> tuple[list[CategoryEntry], str | None]:
    """The categories of categories.yaml and those that only the store knows; and what is wrong with the file.

    A broken categories.yaml must not hide what is materialized.
    """
    problem = None
    titles: dict[str, str] = {}
    try:
        known = load_categories(paths.categories_file())
        titles = {c.name: c.title for c in known.values()}
        problem = "\n\n".join(known.refused.values()) or None
    except InputError as error:
        problem = str(error)
    present = installed_store().categories("product_pairs")
    titles |= {name: name.replace("_", " ").title() for name in present if name not in titles}
    return [CategoryEntry(name, title, name in present) for name, title in titles.items()], problem


def read_product_index(category: str) -> ProductIndex | None:
    """The searchable products, or None if product_pairs is not materialized."""
    current = current_manifest("product_pairs", category)
    return load_product_index(str(installed_store().root), category, current.version) if current else None


def models_with(stage: str, category: str) -> list[str]:
    """Models of which ``stage`` (embeddings, metrics, neighbours) is materialized, in the registry's order.

    A model that was taken out of the registry is still shown as long as its artefacts are there.
    """
    base = installed_store().root / stage
    stored = sorted(p.name for p in base.iterdir() if is_asset_part(p.name) and p.is_dir()) if base.exists() else []
    names = [*MODELS, *(name for name in stored if name not in MODELS)]
    # Reading comes later: one damaged manifest must not hide the other models.
    return [name for name in names if (installed_store().folder(f"{stage}/{name}", category) / MANIFEST).exists()]


def read_table(asset: str, category: str, field: str = "value") -> pa.Table | None:
    """A small table of an artefact, or None if it is not materialized."""
    current = current_manifest(asset, category)
    return _table(str(installed_store().root), asset, category, field, current.version) if current else None


def read_info(asset: str, category: str) -> dict:
    """The ``info`` field of an artefact, straight from the manifest; empty if there is none."""
    current = current_manifest(asset, category)
    field = current.fields.get("info", {}) if current else {}
    value = field.get("value", {})
    return value if isinstance(value, dict) else {}


@st.cache_resource(max_entries=3, show_spinner="Reading products …")
def load_product_index(root: str, category: str, version: str) -> ProductIndex:
    at = Store(root)
    loaded = at.read("product_pairs", category)
    degree = np.bincount(loaded.source, minlength=loaded.products.num_rows)
    degree += np.bincount(loaded.target, minlength=loaded.products.num_rows)
    return ProductIndex(loaded.products, degree)


@st.cache_resource(max_entries=128, show_spinner=False)
def _table(root: str, asset: str, category: str, field: str, version: str) -> pa.Table:
    return Store(root).read_field(asset, category, field)
