"""Compares everything that a store holds with its manifests, byte for byte.

Opening an artefact compares size, shape and type only; a byte that a disk has lost shows up here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import InputError
from core.store.artefacts import Store, check_artefact


@dataclass(frozen=True)
class Verified:
    """What a comparison found.

    Attributes:
        artefacts: number of those compared, damaged ones included.
        bytes: total size of those that are whole.
        damage: (asset, category, a sentence with the remedy) of the others.
    """

    artefacts: int
    bytes: int
    damage: tuple[tuple[str, str, str], ...]


def verify(
    store: Store, category: str | None = None, progress: Callable[[str, str], None] = lambda asset, category: None
) -> Verified:
    """Compare size and SHA-256 of every file of every artefact.

    Args:
        store: what to go through.
        category: one category's artefacts; None for all.
        progress: told asset and category before each.
    """
    count, size, damage = 0, 0, []
    for asset, name in store.artefacts(category):
        progress(asset, name)
        count += 1
        try:
            size += check_artefact(store.folder(asset, name), asset, name).bytes
        except FileNotFoundError:
            count -= 1  # it was removed meanwhile, by hand
        except (InputError, OSError) as error:
            damage.append((asset, name, str(error)))
    return Verified(count, size, tuple(damage))
