"""The merchandiser's pins on the page Lists: what the file says, and whether it may be changed here."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import streamlit as st

from core import paths
from core.catalog.sources.source import is_remote, local_path
from core.categories import Category
from core.errors import InputError
from core.recommendations.rules.pins import BLOCK, PIN, Pins, read_pins, resolve_pins
from core.recommendations.rules.pins_edit import file_digest
from core.untrusted.urls import shown
from explorer.search.product_index import ProductIndex

ALLOW = "ALSOBOUGHT_ALLOW_EDITS"


@dataclass(frozen=True)
class PinsFile:
    """The file of pins of a category.

    Attributes:
        path: where it is; None if it is not on this machine, or the category names none.
        name: what messages call it.
        digest: of its content when it was read; empty if it does not exist yet.
        pins: what it says, by node.
        why_not: how edits are switched on, a sentence; empty if they are on.
        problem: why the file cannot be read, a sentence; empty if it can be.
    """

    path: Path | None = None
    name: str = ""
    digest: str = ""
    pins: Pins = field(default_factory=Pins)
    why_not: str = ""
    problem: str = ""

    def of(self, slot: str, node: int, n_nodes: int) -> list[tuple[int, str, int | None]]:
        """Neighbour, ``pin`` or ``block``, and the place of a pin, for one product's list; pins come first."""
        pinned = self.pins.pinned.get(slot, {}).get(node, ())
        keys = self.pins.blocked.get(slot, np.empty(0, np.int64))
        first, last = np.searchsorted(keys, [node * n_nodes, (node + 1) * n_nodes])
        blocked = (keys[first:last] - node * n_nodes).tolist()
        return [(other, PIN, rank) for other, rank in pinned] + [(other, BLOCK, None) for other in blocked]


def edits_allowed() -> bool:
    """Whether whoever started this explorer lets its users change the pins."""
    return os.environ.get(ALLOW, "").strip().lower() in ("1", "true", "yes", "on")


def read_pins_file(category: Category | None, index: ProductIndex) -> PinsFile:
    """The pins of a category as the file says now, and whether they may be changed.

    Args:
        category: as categories.yaml has it, or None if it does not.
        index: its products.
    """
    source = category.pins if category else None
    try:
        path = None if source is None or is_remote(source) else local_path(source, paths.raw_dir())
        digest = file_digest(path) if path else ""
        pins = _pins(str(path), digest, shown(source or ""), index.table["product_id"].combine_chunks())
    except (InputError, OSError) as error:
        return PinsFile(None, shown(source or ""), why_not=_how_to(source), problem=str(error))
    return PinsFile(path, shown(source or ""), digest, pins, _how_to(source))


def _how_to(source: str | None) -> str:
    """How edits are switched on, a sentence; empty if they are on."""
    steps = []
    if not edits_allowed():
        steps.append(f"start the explorer with {ALLOW}=1")
    if source is None:
        steps.append("name a local CSV file under the key pins of this category in categories.yaml")
    elif is_remote(source):
        steps.append("name a file on this machine, not a URL, under the key pins of this category in categories.yaml")
    return f"To pin and block products here, {' and '.join(steps)}." if steps else ""


@st.cache_resource(max_entries=8, show_spinner=False)
def _pins(path: str, digest: str, name: str, _ids: pa.Array) -> Pins:
    return resolve_pins(*read_pins(Path(path), name), _ids) if digest else Pins()
