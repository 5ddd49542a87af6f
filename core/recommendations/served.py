"""The lists that are served: one place that says which artefact they come from."""

from typing import NamedTuple

import pyarrow as pa

from core.recommendations.form import Recommendations
from core.store import Store
from core.store.manifest import Manifest

ASSET = "published/api"
"""The artefact whose current version is served."""
UNPUBLISHED = "recommendations"
"""The artefact that is served of a category that was never published: lists that passed their checks."""


def served_asset(store: Store, category: str) -> str:
    """The artefact from which a category is served; it need not exist. Raises InputError if a manifest is damaged."""
    return ASSET if store.manifest(ASSET, category) or not store.manifest(UNPUBLISHED, category) else UNPUBLISHED


def served_categories(store: Store) -> list[str]:
    """The categories that have lists, by name."""
    return sorted({*store.categories(ASSET), *store.categories(UNPUBLISHED)})


class Served(NamedTuple):
    """The lists of a category, and the manifest that names their version."""

    manifest: Manifest
    recommendations: Recommendations

    @property
    def version(self) -> str:
        """Name of the version; unique for each write."""
        return self.manifest.version


def served_version(store: Store, category: str) -> str | None:
    """The version that is to be served; None if there are no lists. Raises InputError if the manifest is damaged."""
    manifest = store.manifest(served_asset(store, category), category)
    return None if manifest is None else manifest.version


def served(store: Store, category: str, with_products: bool = True) -> Served:
    """The current lists of a category; arrays are memory-mapped.

    Args:
        store: where they are.
        category: whose lists.
        with_products: whether the table of products is read, which takes the memory of all titles; without it
            ``recommendations.products`` is empty.

    Raises:
        FileNotFoundError: there are no lists.
        InputError: they are damaged.
    """
    names = ["neighbours", "scores", "sources", "info"]
    asset = served_asset(store, category)
    manifest, fields = store.read_fields(asset, category, [*names, "products"] if with_products else names)
    products = fields.pop("products", None)
    return Served(manifest, Recommendations(products=pa.table({}) if products is None else products, **fields))
