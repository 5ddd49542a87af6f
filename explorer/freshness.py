"""What of a category is materialized, from what, and what has to be made again.

Belongs here: the order of the stages as far as a reader has to know it. Does not belong here: the asset graph itself
(``orchestration``), of which this is the shadow that manifests throw: times, versions and run ids.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote

from core.models import MODELS
from core.store import Manifest

MISSING, FRESH, OUTDATED = "missing", "up to date", "out of date"
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
"""Field of ``core.models.base.Inputs`` → asset."""


@dataclass(frozen=True)
class AssetState:
    """One asset of one category.

    Attributes:
        asset: name with slashes.
        state: :data:`MISSING`, :data:`FRESH` or :data:`OUTDATED`.
        newer: the inputs that were made after it, and :data:`CODE`; empty unless out of date.
        manifest: None if missing.
    """

    asset: str
    state: str
    newer: tuple[str, ...]
    manifest: Manifest | None


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


def states(read: Callable[[str], Manifest | None], maps: Iterable[str] = ()) -> list[AssetState]:
    """State of every asset; ``read`` gives an asset's manifest or None, ``maps`` is that of :func:`upstream`.

    Out of date means: an input was made after it, or is out of date itself, or its model's code has changed.
    """
    found: dict[str, AssetState] = {}
    for asset, inputs in upstream(maps).items():
        manifest = read(asset)
        if manifest is None:
            found[asset] = AssetState(asset, MISSING, (), None)
            continue
        newer = tuple(name for name in inputs if _calls_for(found.get(name), manifest.created))
        if _code_changed(asset, manifest):
            newer = (*newer, CODE)
        found[asset] = AssetState(asset, OUTDATED if newer else FRESH, newer, manifest)
    return list(found.values())


def _code_changed(asset: str, manifest: Manifest) -> bool:
    stage, _, model = asset.partition("/")
    made_by = manifest.info.get("code_version")
    return stage == "embeddings" and made_by is not None and str(made_by) != MODELS[model].version


def _calls_for(source: AssetState | None, created: float) -> bool:
    if source is None or source.manifest is None:
        return False
    return source.state == OUTDATED or source.manifest.created > created


def command(category: str, select: str | None = None) -> str:
    """The command that materializes a category, or a part of it; ``select`` is a Dagster asset selection."""
    return f"make materialize CATEGORY={category}" + ("" if select is None else f" SELECT='{select}'")


def selection(assets: Iterable[str]) -> str:
    """The Dagster asset selection of exactly these assets."""
    return " or ".join(f'key:"{asset}"' for asset in assets)


def dagster_url() -> str:
    """Address of the Dagster UI: ``ALSOBOUGHT_DAGSTER_URL`` or where ``make demo`` serves it."""
    return (os.environ.get("ALSOBOUGHT_DAGSTER_URL") or "http://localhost:3000").rstrip("/")


def asset_page(asset: str, category: str) -> str:
    """Address of an asset's partition in the Dagster UI; the category is a partition key, so safe in an address."""
    return f"{dagster_url()}/assets/{asset}?view=partitions&partition={category}"


def run_page(run_id: str) -> str:
    """Address of a run in the Dagster UI."""
    return f"{dagster_url()}/runs/{quote(run_id, safe='')}"
