"""What a rebuild of one category has to make again, by the table of stages and the manifests in the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from core.categories import Category
from core.changes import FRESH, states
from core.stages import expected, stages_of
from core.store import Store


@dataclass(frozen=True)
class Outdated:
    """What has to be made again.

    Attributes:
        reasons: asset name → why, of the assets that changed themselves.
        assets: these and everything that is made from them, parents before children.
    """

    reasons: Mapping[str, str]
    assets: tuple[dg.AssetKey, ...]

    def sentence(self, most: int = 3) -> str:
        """The first few reasons as a text."""
        texts = [f"{name} {reason}" for name, reason in self.reasons.items()]
        return "; ".join(texts[:most]) + (f"; and {len(texts) - most} more" if len(texts) > most else "")


def outdated(category: Category, store: Store, source: Mapping[str, Any] | None) -> Outdated:
    """Compare everything that is stored of a category with its source, settings and code.

    Args:
        category: the partition.
        store: where its artefacts are.
        source: state of its source; None where nothing is known about it, which counts as no change.
    """
    found = states(expected(category, source), lambda asset: store.manifest(asset, category.name))
    stale = [state for state in found if state.state != FRESH]
    return Outdated({s.asset: s.reason for s in stale if s.reason}, tuple(asset_key(s.asset) for s in stale))


def materializable(category: Category) -> list[dg.AssetKey]:
    """All that a whole rebuild of a category makes, parents before children."""
    return [asset_key(name) for name in stages_of(category)]


def asset_key(name: str) -> dg.AssetKey:
    """The Dagster key of an asset, from its name with slashes."""
    return dg.AssetKey(name.split("/"))
