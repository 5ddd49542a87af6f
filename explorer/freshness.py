"""What of a category is materialized, from what, and what has to be made again.

Belongs here: the order of the stages as far as a reader has to know it. Does not belong here: the asset graph itself
(``orchestration``), of which this is the shadow that manifests throw: digests, versions and run ids.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from core.changes import changed_settings, is_made_of
from core.errors import InputError
from core.manifest import Manifest
from core.models import MODELS
from core.urls import shown

MISSING, FRESH, OUTDATED, DAMAGED = "missing", "up to date", "out of date", "damaged"
CODE = "code"
"""Stands among the changed inputs of embeddings that an earlier version of the model's code made."""

_WALKS = {"walks": "transition_matrix", "node2vec_walks": "product_graph"}
"""Walks → asset they are made from."""
_INPUTS = {
    "products": "product_pairs",
    "graph": "product_graph",
    "transition": "transition_matrix",
    "walks": "walks",
    "node2vec_walks": "node2vec_walks",
}
"""Field of ``core.interfaces.Inputs`` → asset."""


@dataclass(frozen=True)
class AssetState:
    """One asset of one category.

    Attributes:
        asset: name with slashes.
        state: :data:`MISSING`, :data:`FRESH`, :data:`OUTDATED` or :data:`DAMAGED`.
        newer: the inputs that have changed since, and :data:`CODE`; empty unless out of date.
        manifest: None if missing or damaged.
        settings: those that are others now, as "dim 128 → 64"; empty unless out of date by them.
        trouble: a sentence about what is damaged.
    """

    asset: str
    state: str
    newer: tuple[str, ...]
    manifest: Manifest | None
    settings: str = ""
    trouble: str = ""

    @property
    def sentence(self) -> str:
        """The state with its reasons."""
        reasons = [f"{', '.join(self.newer)} changed"] if self.newer else []
        reasons += [f"settings changed: {self.settings}"] if self.settings else []
        return f"{self.state}: {'; '.join(reasons)}" if reasons else self.state


def upstream(maps: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Every asset with what it is made from, in the order of the stages; ``maps``: models whose map is made."""
    assets: dict[str, tuple[str, ...]] = {
        "raw_products": (),
        "raw_relationships": (),
        "quarantine": (),
        "product_pairs": ("raw_products", "raw_relationships"),
        "pair_split": ("product_pairs",),
        "product_graph": ("pair_split",),
        "transition_matrix": ("product_graph",),
    }
    assets |= {name: (source,) for name, source in _WALKS.items()}
    for model in MODELS.values():
        parts = (f"embeddings/{name}" for name in model.models)
        assets[f"embeddings/{model.name}"] = ("pair_split", *(_INPUTS[name] for name in model.inputs), *parts)
    for name in MODELS:
        assets[f"metrics/{name}"] = (f"embeddings/{name}", "pair_split", "product_graph")
    for name in MODELS:
        assets[f"neighbours/{name}"] = (f"embeddings/{name}", "product_pairs")
    assets |= {f"projection/{name}": (f"embeddings/{name}",) for name in maps}
    assets["leaderboard"] = tuple(f"metrics/{name}" for name in MODELS)
    return assets


def section(asset: str, sample: bool) -> str | None:
    """The section of settings that an asset is made with; ``sample``: its category's source is the built-in one."""
    stage, _, model = asset.partition("/")
    if stage == "embeddings":
        return model
    if stage in ("raw_products", "raw_relationships", "quarantine"):
        return "sample" if sample else "catalog"
    return _SECTIONS.get(stage)


_SECTIONS = {
    "product_pairs": "pairs",
    "pair_split": "split",
    "walks": "walks",
    "node2vec_walks": "node2vec_walks",
    "metrics": "evaluation",
    "neighbours": "neighbours",
    "projection": "projection",
}
"""First part of an asset's name → section of its settings; the others have none or are treated above."""


def _not_known(asset: str) -> None:
    return None


def states(
    read: Callable[[str], Manifest | None],
    maps: Iterable[str] = (),
    settings: Callable[[str], Mapping[str, Any] | None] = _not_known,
) -> list[AssetState]:
    """State of every asset.

    Out of date means: an input has other content than the one it was made from, or is out of date itself, or its
    model's code or its settings have changed.

    Args:
        read: gives an asset's manifest or None; raises InputError where it is damaged.
        maps: that of :func:`upstream`.
        settings: gives the settings that an asset would be made with now, or None where that is not known.
    """
    found: dict[str, AssetState] = {}
    for asset, inputs in upstream(maps).items():
        try:
            manifest = read(asset)
        except InputError as error:
            found[asset] = AssetState(asset, DAMAGED, (), None, trouble=str(error))
            continue
        if manifest is None:
            found[asset] = AssetState(asset, MISSING, (), None)
            continue
        newer = tuple(name for name in inputs if _calls_for(found.get(name), manifest))
        if _code_changed(asset, manifest):
            newer = (*newer, CODE)
        now = settings(asset)
        # Manifests of an earlier version of this program do not tell all settings, nor what they were made of.
        told = {"inputs", "config"} <= set(manifest.info)
        changed = "" if now is None or not told else changed_settings(now, manifest)
        found[asset] = AssetState(asset, OUTDATED if newer or changed else FRESH, newer, manifest, changed)
    return list(found.values())


def _code_changed(asset: str, manifest: Manifest) -> bool:
    stage, _, model = asset.partition("/")
    made_by = manifest.info.get("code_version")
    return stage == "embeddings" and made_by is not None and str(made_by) != MODELS[model].version


def _calls_for(source: AssetState | None, manifest: Manifest) -> bool:
    if source is None or source.manifest is None:
        return False
    # An input that was made again with the same content changes nothing. Manifests of an earlier version of this
    # program do not say what they were made of.
    return source.state == OUTDATED or is_made_of(manifest, source.manifest) is False


def command(category: str, select: str | None = None) -> str:
    """The command that materializes a category, or a part of it; ``select`` is a Dagster asset selection."""
    return f"make materialize CATEGORY={category}" + ("" if select is None else f" SELECT='{select}'")


def selection(assets: Iterable[str]) -> str:
    """The Dagster asset selection of exactly these assets."""
    return " or ".join(f'key:"{asset}"' for asset in assets)


def dagster_url() -> str:
    """Address of the Dagster UI: ``ALSOBOUGHT_DAGSTER_URL`` or where ``make demo`` serves it."""
    return shown(os.environ.get("ALSOBOUGHT_DAGSTER_URL") or "http://localhost:3000").rstrip("/")


def asset_page(asset: str, category: str) -> str:
    """Address of an asset's partition in the Dagster UI; the category is a partition key, so safe in an address."""
    return f"{dagster_url()}/assets/{asset}?view=partitions&partition={category}"


def run_page(run_id: str) -> str:
    """Address of a run in the Dagster UI."""
    return f"{dagster_url()}/runs/{quote(run_id, safe='')}"
