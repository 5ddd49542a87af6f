"""Publish the lists of a category: which places it has, what is delivered to them, and what is recorded of it.

Lists that fail a blocking check are not stored, so whatever is stored may be published.
"""

from typing import Any

from core.categories import Category
from core.delivery import config as settings
from core.delivery.api import Api
from core.delivery.files import Files
from core.delivery.place import Place, Receipt, Shipment
from core.delivery.postgresql import Postgresql
from core.delivery.redis import Redis
from core.delivery.vectors import Vectors
from core.errors import InputError
from core.store import Store
from core.store.manifest import Manifest, remedy

LISTS, MODELS = "recommendations", "final_models"
"""The artefacts that are delivered."""
PREFIX = "published/"
"""Leads the name of a place's asset."""


def place_of(category: Category, name: str, store: Store | None = None) -> Place:
    """A place of a category, as categories.yaml describes it.

    Args:
        category: whose.
        name: key of ``publish:``.
        store: the artefact store, which the place ``api`` is a part of.

    Raises:
        InputError: the category does not publish there, or the place cannot be used.
    """
    match category.publish.get(name):
        case settings.FilesConfig() as own:
            return Files(category.name, own)
        case settings.VectorsConfig() as own:
            return Vectors(category.name, own)
        case settings.PostgresqlConfig() as own:
            return Postgresql(category.name, own)
        case settings.RedisConfig() as own:
            return Redis(category.name, own)
        case settings.ApiConfig() if store is not None:
            lists = store.manifest(LISTS, category.name)
            return Api(category.name, store, _info(category, name, store, lists) if lists else None)
    raise InputError(
        f"{category.name} is not published to {name!r} but to {', '.join(category.publish) or 'no place'}; see "
        "`publish:` in categories.yaml"
    )


def current_lists(category: Category, store: Store, with_models: bool = False) -> tuple[Manifest, Shipment]:
    """The lists that are stored, ready to be delivered, and their manifest.

    Args:
        category: whose.
        store: where they are.
        with_models: whether a place wants the vectors of the final models.

    Raises:
        InputError: there are none, or they are damaged.
    """
    manifest = store.manifest(LISTS, category.name)
    if manifest is None:
        raise InputError(f"there are no lists of {category.name} yet; {remedy('*' + LISTS, category.name)}")
    lists = store.read(LISTS, category.name)
    made_by = store.manifest(MODELS, category.name) if with_models else None
    if made_by is None:
        return manifest, Shipment(category.name, lists, manifest.digest)
    refuse_other_products(manifest, made_by)
    return manifest, Shipment(category.name, lists, manifest.digest, store.read(MODELS, category.name))


def refuse_other_products(lists: Manifest, models: Manifest) -> None:
    """Raise InputError if the models number the products in another way than the lists, so that rows do not match."""
    numberings = {lists.info.get("products"), models.info.get("products")} - {None}
    if len(numberings) > 1:
        raise InputError(
            f"vectors of {lists.category}: the final models and the lists were made from different products; "
            f"{remedy(LISTS, lists.category)}"
        )


def record(category: Category, store: Store, lists: Manifest, receipt: Receipt) -> None:
    """Store the receipt of a delivery outside of a rebuild, so that the next rebuild does not repeat it."""
    if receipt.place != "api":  # the artefact itself is stored there
        info = _info(category, receipt.place, store, lists) | {"seconds": receipt.info.get("seconds")}
        store.write(PREFIX + receipt.place, category.name, receipt, info)


def _info(category: Category, place: str, store: Store, lists: Manifest) -> dict[str, Any]:
    """What a rebuild would write into the manifest of a delivery."""
    inputs = {LISTS: lists.digest}
    if place == "vectors" and (models := store.manifest(MODELS, category.name)):
        inputs[MODELS] = models.digest
    return {
        "code_version": settings.VERSION,
        "config": settings.as_settings(category.publish[place]),
        "inputs": inputs,
        "products": lists.info.get("products"),
    }
