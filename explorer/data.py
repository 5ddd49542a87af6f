"""The explorer's door to the store: every reader is cached by the version that a manifest names.

Manifests are small and are read anew in every rerun; what they name is immutable and is read once per version. So a
new materialization shows up with the next click, without a restart. Cached objects are shared by all sessions and
must not be changed.
"""

import contextlib
import itertools
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import streamlit as st

from core import paths
from core.categories import Category, load_categories
from core.changes import AssetState, is_made_of, states
from core.errors import InputError
from core.graph.statistics import GraphStatistics, graph_statistics
from core.models import MODELS
from core.projection import Projection, ProjectionConfig
from core.projection import wanted as projection_models
from core.stages import expected
from core.store import Store
from core.store.manifest import MANIFEST, Manifest, is_asset_part
from explorer.list_statistics import Lists, read_lists, stretches
from explorer.maps import Grouping, group_by
from explorer.neighbours import NeighbourFile
from explorer.relations import Relations
from explorer.search import ProductIndex


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


def store() -> Store:
    """The artefact store of this installation."""
    return Store(paths.store_root())


def manifest(asset: str, category: str) -> Manifest | None:
    """The current manifest, read from the store each time."""
    return store().manifest(asset, category)


def categories() -> tuple[list[CategoryEntry], str | None]:
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
    present = store().categories("product_pairs")
    titles |= {name: name.replace("_", " ").title() for name in present if name not in titles}
    return [CategoryEntry(name, title, name in present) for name, title in titles.items()], problem


def products(category: str) -> ProductIndex | None:
    """The searchable products, or None if product_pairs is not materialized."""
    current = manifest("product_pairs", category)
    return _products(str(store().root), category, current.version) if current else None


def paired_with_metadata(category: str) -> int | None:
    """How many products have both metadata and pairs; None where product_pairs does not say, as earlier versions."""
    current = manifest("product_pairs", category)
    info = (current.fields.get("info") or {}).get("value") if current else None
    return (info or {}).get("paired_with_metadata")


def relations(category: str) -> Relations | None:
    """Training and held-out pairs, or None if they are missing or belong to another numbering of the products.

    Nodes are row numbers of product_pairs: during a rebuild the split and the graph of the previous product_pairs
    are still there, and must not be read as if they were about the new products.
    """
    found = [manifest(asset, category) for asset in ("product_pairs", "pair_split", "product_graph")]
    if not all(found):
        return None
    pairs, split, graph = (m for m in found if m is not None)
    if is_made_of(split, pairs) is False or is_made_of(graph, split) is False:
        return None
    loaded = _relations(str(store().root), category, split.version, graph.version)
    return loaded if loaded.n_nodes == pairs.fields["products"]["rows"] else None


def neighbour_file(model: str, category: str) -> NeighbourFile | None:
    """The model's neighbours, or None if they are not materialized."""
    current = manifest(f"neighbours/{model}", category)
    return _neighbour_file(str(store().root), model, category, current.version) if current else None


def projection(model: str, category: str) -> Projection | None:
    """The model's map, or None if it is not materialized or numbers the products of an earlier product_pairs."""
    current, pairs = manifest(f"projection/{model}", category), manifest("product_pairs", category)
    if current is None or pairs is None or not _same_numbers(current, pairs, model):
        return None
    found = _projection(str(store().root), model, category, current.version)
    return found if int(found.nodes[-1] if len(found.nodes) else -1) < pairs.fields["products"]["rows"] else None


def _same_numbers(map_: Manifest, pairs: Manifest, model: str) -> bool:
    """Whether a map's node numbers are those of the products; taken for granted where no manifest says otherwise."""
    numbered = map_.info.get("products")
    if numbered and pairs.digest:
        return bool(numbered == pairs.digest)
    # A program of before this was noted: from each artefact to the one it was made from.
    between = (manifest(asset, pairs.category) for asset in (f"embeddings/{model}", "pair_split"))
    chain = [map_, *(m for m in between if m is not None), pairs]
    return all(is_made_of(made, source) is not False for made, source in itertools.pairwise(chain))


def grouping(model: str, category: str, field: str) -> Grouping | None:
    """The groups by which the points of a map are coloured; None without a map."""
    current, pairs = manifest(f"projection/{model}", category), manifest("product_pairs", category)
    if current is None or pairs is None or projection(model, category) is None:
        return None
    return _grouping(str(store().root), model, category, field, current.version, pairs.version)


def mapped_models(category: str) -> tuple[list[str], str | None]:
    """Models whose map this installation makes of a category or has made; and what is wrong with its settings."""
    wanted, problem = [], None
    try:
        known = load_categories(paths.categories_file())
        wanted = projection_models(known[category].config("projection") if category in known else ProjectionConfig())
    except InputError as error:
        problem = str(error)
    made = [name for name in models_with("projection", category) if name in MODELS]
    return [name for name in MODELS if name in wanted or name in made], problem


def asset_states(category: str) -> tuple[list[AssetState], str | None]:
    """How every asset of a category stands, and what is wrong with its settings.

    Where categories.yaml cannot tell the settings, they count as unchanged. Whether a source changed is not looked up:
    it may be far away, and only Dagster's machine may know the way.
    """
    maps, problem = mapped_models(category)
    known = None
    with contextlib.suppress(InputError):
        known = load_categories(paths.categories_file()).get(category)
    if known is not None and problem is None:
        assets = expected(known, maps=maps)
    else:
        unknown = Category(category, category, source="")
        assets = [replace(asset, config=None) for asset in expected(unknown, maps=maps)]
    return states(assets, lambda asset: manifest(asset, category)), problem


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


def models_with(stage: str, category: str) -> list[str]:
    """Models of which ``stage`` (embeddings, metrics, neighbours) is materialized, in the registry's order.

    A model that was taken out of the registry is still shown as long as its artefacts are there.
    """
    base = store().root / stage
    stored = sorted(p.name for p in base.iterdir() if is_asset_part(p.name) and p.is_dir()) if base.exists() else []
    names = [*MODELS, *(name for name in stored if name not in MODELS)]
    # Reading comes later: one damaged manifest must not hide the other models.
    return [name for name in names if (store().folder(f"{stage}/{name}", category) / MANIFEST).exists()]


def table(asset: str, category: str, field: str = "value") -> pa.Table | None:
    """A small table of an artefact, or None if it is not materialized."""
    current = manifest(asset, category)
    return _table(str(store().root), asset, category, field, current.version) if current else None


def info(asset: str, category: str) -> dict:
    """The ``info`` field of an artefact, straight from the manifest; empty if there is none."""
    current = manifest(asset, category)
    field = current.fields.get("info", {}) if current else {}
    value = field.get("value", {})
    return value if isinstance(value, dict) else {}


@st.cache_resource(max_entries=3, show_spinner="Reading products …")
def _products(root: str, category: str, version: str) -> ProductIndex:
    at = Store(root)
    loaded = at.read("product_pairs", category)
    degree = np.bincount(loaded.source, minlength=loaded.products.num_rows)
    degree += np.bincount(loaded.target, minlength=loaded.products.num_rows)
    return ProductIndex(loaded.products, degree)


@st.cache_resource(max_entries=3, show_spinner="Reading pairs …")
def _relations(root: str, category: str, split_version: str, graph_version: str) -> Relations:
    at = Store(root)
    return Relations(at.read("product_graph", category), at.read("pair_split", category))


@st.cache_resource(max_entries=8, show_spinner="Reading the map …")
def _projection(root: str, model: str, category: str, version: str) -> Projection:
    return Store(root).read(f"projection/{model}", category)


@st.cache_resource(max_entries=8, show_spinner="Grouping products …")
def _grouping(root: str, model: str, category: str, field: str, version: str, pairs_version: str) -> Grouping:
    nodes = Store(root).read(f"projection/{model}", category).nodes
    return group_by(_products(root, category, pairs_version).table, nodes, field)


@st.cache_resource(max_entries=3, show_spinner="Describing the graph …")
def _statistics(root: str, category: str, version: str) -> GraphStatistics:
    return graph_statistics(Store(root).read("product_graph", category))


@st.cache_resource(max_entries=64, show_spinner="Reading lists …")
def _lists(root: str, model: str, scoring: str, category: str, version: str, pairs_version: str) -> Lists:
    ids = _products(root, category, pairs_version).table["product_id"].combine_chunks()
    return read_lists(Store(root).file(f"neighbours/{model}", category, "table"), scoring, ids, stretches(len(ids)))


@st.cache_resource(max_entries=32, show_spinner=False)
def _neighbour_file(root: str, model: str, category: str, version: str) -> NeighbourFile:
    return NeighbourFile(Store(root).file(f"neighbours/{model}", category, "table"))


@st.cache_resource(max_entries=128, show_spinner=False)
def _table(root: str, asset: str, category: str, field: str, version: str) -> pa.Table:
    return Store(root).read_field(asset, category, field)
