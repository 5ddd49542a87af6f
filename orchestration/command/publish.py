"""Deliver the lists of a category to its places, or put the previous ones back, for ``alsobought publish``.

This module does not import Dagster, so that the way back takes about a second.
"""

import sys
import time
from collections.abc import Callable

from core import paths
from core.categories import Category
from core.delivery.place import Place, deliver
from core.delivery.publish import LISTS, current_lists, place_of, record
from core.errors import InputError
from core.progress import ProgressLine
from core.store import Store


def publish(category: Category, place: str | None = None, previous: bool = False) -> int:
    """Publish to every place of the category, or to one. What fails at one place does not stop the others.

    Args:
        category: whose lists.
        place: name of one place; None for all.
        previous: whether the version that was current before is put back instead.

    Returns:
        0 if every place succeeded, else 1.

    Raises:
        InputError: the category has no such place or no place at all, or there are no lists.
    """
    names = list(category.publish) if place is None else [place]
    if not names:
        raise InputError(f"{category.name} is not published anywhere, see `publish:` in categories.yaml")
    if place is not None and place not in category.publish:
        place_of(category, place)  # raises
    store = Store(paths.store_root())
    act = _put_back(category) if previous else _deliver(category, store, names)
    return max([_at(category, name, store, act) for name in names])


def _at(category: Category, name: str, store: Store, act: Callable[[Place], tuple[str, bool]]) -> int:
    """Do something at one place and print its outcome."""
    started = time.monotonic()
    try:
        text, success = act(place_of(category, name, store))
    except (InputError, OSError) as error:
        text, success = str(error), False
    seconds = time.monotonic() - started
    print(f"{name}: {text} ({seconds:.1f} s)" if success else f"{name}: FAILED: {text}", flush=True)
    return 0 if success else 1


def _put_back(category: Category) -> Callable[[Place], tuple[str, bool]]:
    def act(place: Place) -> tuple[str, bool]:
        version = place.put_back()
        return f"version {version.name} is current again, {version.rows:,} rows", True

    return act


def _deliver(category: Category, store: Store, names: list[str]) -> Callable[[Place], tuple[str, bool]]:
    manifest, shipment = current_lists(category, store, "vectors" in names)
    progress = ProgressLine(lambda line: print(line, file=sys.stderr, flush=True))

    def act(place: Place) -> tuple[str, bool]:
        receipt = deliver(place, shipment, progress)
        if receipt.problem:
            return receipt.problem, False
        record(category, store, manifest, receipt)
        return f"{receipt.rows:,} rows, {receipt.compared:,} read back and compared, {LISTS} {manifest.version}", True

    return act
