"""The versions that a server answers from: a new one is taken up whole, a damaged one is refused."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import InputError
from core.recommendations.served import served, served_categories, served_version
from core.serving.answers import Shop, SlotRows
from core.serving.columns import Rows
from core.serving.prepared import Products, folder_of, is_prepared
from core.store import Store

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 30.0
"""A version that could not be taken up is tried again after this time: a full disk may have room then."""

Prepare = Callable[[Store, str, Path, str], object]
"""See :func:`core.serving.prepared.prepare`."""


class Versions:
    """What is served of each category.

    Args:
        store: where the lists are.
        root: folder of the prepared files.
        prepare: prepares the files of a version.
        category: the only category that is served; None for all that have lists.
        on_refusal: told the category whenever a version is refused for the first time.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        prepare: Prepare,
        category: str | None = None,
        on_refusal: Callable[[str], None] = lambda category: None,
    ) -> None:
        self._store, self._root, self._only = store, root, category
        self._prepare, self._on_refusal = prepare, on_refusal
        self._shops: dict[str, Shop] = {}
        self._refused: dict[str, tuple[str, float]] = {}

    def get(self, category: str) -> Shop | None:
        """The version of a category that answers now; a request keeps what it got."""
        return self._shops.get(category)

    def all(self) -> list[Shop]:
        """The versions of all categories, by name."""
        return [self._shops[name] for name in sorted(self._shops)]

    def refresh(self) -> None:
        """Take up new versions; what cannot be used is logged once, and the version before it stays."""
        try:
            names = served_categories(self._store) if self._only is None else [self._only]
        except OSError as error:
            self._refuse("", "", error)
            return
        for name in names:
            version = ""
            try:
                version = served_version(self._store, name) or ""
                if version and self._is_new(name, version):
                    self._take_up(name, version)
            except (InputError, OSError, ValueError) as error:
                if not self._was_replaced(name, version):
                    self._refuse(name, version, error)

    def _was_replaced(self, name: str, version: str) -> bool:
        """Whether another version is current already, so that the next look takes that one."""
        try:
            return bool(version) and served_version(self._store, name) != version
        except (InputError, OSError):
            return False

    def _is_new(self, name: str, version: str) -> bool:
        current = self._shops.get(name)
        refused, since = self._refused.get(name, ("", 0.0))
        waits = refused == version and time.monotonic() - since < _RETRY_SECONDS
        return not waits and (current is None or current.version != version)

    def _take_up(self, name: str, version: str) -> None:
        folder = folder_of(self._root, name, version)
        if not is_prepared(folder):
            self._prepare(self._store, name, self._root, version)
        found = served(self._store, name, with_products=False)
        if found.version != version:  # replaced once more; the next look takes that one
            return
        try:
            products = Products(folder)
        except (OSError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)  # somebody damaged it; the next try prepares it anew
            raise
        lists = found.recommendations
        rows = {
            slot: SlotRows(*(Rows(part[slot]) for part in (lists.neighbours, lists.scores, lists.sources)))
            for slot in lists.slots
        }
        self._shops[name] = Shop(name, version, found.manifest.created, lists, rows, products)
        self._refused.pop(name, None)
        _LOG.info("%s: version %s is served, %s products", name, version, f"{len(products):,}")

    def _refuse(self, name: str, version: str, error: Exception) -> None:
        again = self._refused.get(name, ("", 0.0))[0] == version and name in self._refused
        self._refused[name] = (version, time.monotonic())
        if again:
            return
        current = self._shops.get(name)
        stays = f"version {current.version} stays" if current else "nothing of it is served"
        _LOG.warning("%s: version %s is refused (%s); %s", name or "all categories", version or "?", error, stays)
        self._on_refusal(name)
