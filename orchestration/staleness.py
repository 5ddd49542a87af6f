"""Which assets of a category are stale, by the table of stages and the manifests in the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from core.categories import Category
from core.changes import FRESH, states
from core.stages import expected, stages_of
from core.store import Store
from orchestration.observations import lists_state


@dataclass(frozen=True)
class StaleAssets:
    """The assets that a rebuild has to make again.

    Attributes:
        reasons: asset name → reason, for the assets whose own code, settings, source or inputs changed.
        assets: these and everything that is made from them, parents before children.
    """

    reasons: Mapping[str, str]
    assets: tuple[dg.AssetKey, ...]

    def sentence(self, limit: int = 3) -> str:
        """The first reasons as a text, at most ``limit`` of them."""
        texts = [f"{name} {reason}" for name, reason in self.reasons.items()]
        return "; ".join(texts[:limit]) + (f"; and {len(texts) - limit} more" if len(texts) > limit else "")


def stale_assets(category: Category, store: Store, source: Mapping[str, Any] | None) -> StaleAssets:
    """Compare everything that is stored of a category with its source, settings and code.

    Args:
        category: the partition.
        store: holds the category's artefacts.
        source: state of the category's source; None if nothing is known about it, which counts as no change.
    """
    assets = expected(category, source, lists=lists_state(category))
    states_of_assets = states(assets, lambda asset: store.manifest(asset, category.name))
    stale = [state for state in states_of_assets if state.state != FRESH]
    return StaleAssets({s.asset: s.reason for s in stale if s.reason}, tuple(asset_key(s.asset) for s in stale))


def lists_and_what_follows(category: Category) -> list[dg.AssetKey]:
    """The lists of a category and everything that is made from them, parents before children."""
    names = ["recommendations"]
    for name, stage in stages_of(category).items():
        if set(names) & set(stage.inputs.values()):
            names.append(name)
    return [asset_key(name) for name in names]


def folded_in(category: Category) -> list[dg.AssetKey]:
    """What folding in makes: the products and pairs from the source, the final models, and all that follows them."""
    stages = stages_of(category)
    above = {"product_pairs"}
    for name, stage in reversed(stages.items()):
        if name in above:
            above.update(stage.inputs.values())
        if any(other in above and stages[other].step == stage.step for other in stages):
            above.add(name)  # one step makes it with the others
    above.add("final_models")
    return [*(asset_key(name) for name in stages if name in above), *lists_and_what_follows(category)]


def materializable(category: Category) -> list[dg.AssetKey]:
    """All assets that a whole rebuild of a category makes, parents before children."""
    return [asset_key(name) for name in stages_of(category)]


def asset_key(name: str) -> dg.AssetKey:
    """The Dagster key of an asset, from its name with slashes."""
    return dg.AssetKey(name.split("/"))
