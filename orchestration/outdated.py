"""What a rebuild of one category has to make again, by the asset graph and the manifests in the store.

Belongs here: turning asset definitions into what ``core.changes`` compares, and reasons into a selection of assets.
Does not belong here: the comparison (``core.changes``) and who asks (``orchestration.jobs`` and ``.sensors``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from core.categories import Category
from core.changes import Expected, changes
from core.projection import wanted
from core.store import Store
from orchestration import inputs


@dataclass(frozen=True)
class Outdated:
    """What has to be made again.

    Attributes:
        reasons: asset name → why, of the assets that changed themselves.
        assets: these and everything that is made from them.
    """

    reasons: Mapping[str, str]
    assets: tuple[dg.AssetKey, ...]

    def sentence(self, most: int = 3) -> str:
        """The first few reasons as a text."""
        texts = [f"{name} {reason}" for name, reason in self.reasons.items()]
        return "; ".join(texts[:most]) + (f"; and {len(texts) - most} more" if len(texts) > most else "")


def outdated(graph: BaseAssetGraph, category: Category, store: Store, source: Mapping[str, Any] | None) -> Outdated:
    """Compare everything that is stored of a category with its source, settings and code.

    Args:
        graph: all assets.
        category: the partition.
        store: where its artefacts are.
        source: state of its source; None where nothing is known about it, which counts as no change.
    """
    keys = materializable(graph, category)
    reasons = changes(expected(graph, category, source), lambda asset: store.manifest(asset, category.name))
    return Outdated(reasons, _with_followers(graph, keys, {dg.AssetKey(name.split("/")) for name in reasons}))


def materializable(graph: BaseAssetGraph, category: Category) -> list[dg.AssetKey]:
    """All that a whole rebuild of a category makes, parents before children."""
    maps = wanted(category.config("projection"))
    return [
        key
        for key in graph.toposorted_asset_keys
        if graph.get(key).is_materializable and (key.path[0] != "projection" or key.path[1] in maps)
    ]


def expected(graph: BaseAssetGraph, category: Category, source: Mapping[str, Any] | None) -> list[Expected]:
    """What the manifests of a whole rebuild would say; the arguments are those of :func:`outdated`."""
    return [_expected(graph, key, category, source) for key in materializable(graph, category)]


def _expected(
    graph: BaseAssetGraph, key: dg.AssetKey, category: Category, source: Mapping[str, Any] | None
) -> Expected:
    node = graph.get(key)
    section = inputs.section_of(category, node.parent_keys)
    return Expected(
        asset=_name(key),
        code_version=node.code_version or "",
        inputs=tuple(sorted(_name(parent) for parent in node.parent_keys if graph.get(parent).is_materializable)),
        config=inputs.plain(category, section) if section else None,
        source=source if inputs.SOURCE in node.parent_keys else None,
    )


def _with_followers(
    graph: BaseAssetGraph, keys: Iterable[dg.AssetKey], changed: set[dg.AssetKey]
) -> tuple[dg.AssetKey, ...]:
    """In the order of ``keys``; assets that one step makes together stay together."""
    found: set[dg.AssetKey] = set()
    for key in changed:
        found |= graph.get(key).execution_set_asset_keys
    for key in keys:  # parents stand before their children
        if graph.get(key).parent_keys & found:
            found.add(key)
    return tuple(key for key in keys if key in found)


def _name(key: dg.AssetKey) -> str:
    return "/".join(key.path)
