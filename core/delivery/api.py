"""The lists that ``alsobought api`` serves: an artefact of its own, so that lists that are held back are not served."""

from typing import Any

import numpy as np

from core.delivery.place import ReadBackError, Receipt, Shipment, Version
from core.progress import Progress
from core.recommendations.form import Recommendations
from core.store import Store
from core.store.manifest import Manifest

ASSET = "published/api"
"""The artefact; of type Recommendations."""


class Api:
    """See :class:`core.delivery.place.Place`.

    Args:
        category: whose lists.
        store: where the artefact is.
        info: provenance for the manifest of a delivery.
    """

    name = "api"

    def __init__(self, category: str, store: Store, info: dict[str, Any] | None = None) -> None:
        self._category, self._store, self._info = category, store, info or {}

    def deliver(self, shipment: Shipment, progress: Progress) -> Receipt:
        """See :class:`core.delivery.place.Place`. The store compares the sizes of all files before it switches."""
        manifest = self._store.write(ASSET, self._category, shipment.lists, self._info, way_back=True)
        read = self._store.read(ASSET, self._category)
        compared = 0
        for slot in shipment.lists.slots:
            if not np.array_equal(read.neighbours[slot], shipment.lists.neighbours[slot]):
                raise ReadBackError(f"api of {self._category}: the lists {slot} in the store are not those sent")
            compared += len(read.neighbours[slot])
        progress("store", read.rows, read.rows, "rows")
        return Receipt(self.name, manifest.version, shipment.digest, read.rows, compared, info={"where": "store"})

    def current(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        manifest = self._store.manifest(ASSET, self._category)
        return _version(manifest, self._store.read(ASSET, self._category)) if manifest else None

    def previous(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        manifest = self._store.previous(ASSET, self._category)
        return _version(manifest, self._store.read_previous(ASSET, self._category)) if manifest else None

    def put_back(self) -> Version:
        """See :class:`core.delivery.place.Place`."""
        manifest = self._store.put_back(ASSET, self._category)
        return _version(manifest, self._store.read(ASSET, self._category))


def _version(manifest: Manifest, lists: Recommendations) -> Version:
    return Version(manifest.version, manifest.digest, lists.rows)
