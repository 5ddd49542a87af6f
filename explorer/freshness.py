"""What of a category is materialized, from what, and what has to be made again.

Belongs here: the order of the stages as far as a reader has to know it. Does not belong here: the asset graph itself
(``orchestration``), of which this is the shadow that manifests throw: times, versions and run ids.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.models import MODELS
from core.store import Manifest

MISSING, FRESH, OUTDATED = "missing", "up to date", "out of date"

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
        newer: the inputs that were made after it; empty unless out of date.
        manifest: None if missing.
    """

    asset: str
    state: str
    newer: tuple[str, ...]
    manifest: Manifest | None


def upstream() -> dict[str, tuple[str, ...]]:
    """Every asset with what it is made from, in the order of the stages."""
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
        assets[f"embeddings/{model.name}"] = ("pair_split", *(_INPUTS[name] for name in model.inputs))
    for name in MODELS:
        assets[f"metrics/{name}"] = (f"embeddings/{name}", "pair_split", "product_graph")
    for name in MODELS:
        assets[f"neighbours/{name}"] = (f"embeddings/{name}", "product_pairs")
    assets["leaderboard"] = tuple(f"metrics/{name}" for name in MODELS)
    return assets


def states(read: Callable[[str], Manifest | None]) -> list[AssetState]:
    """State of every asset; ``read`` gives an asset's manifest or None.

    Out of date means: an input was made after it, or is out of date itself.
    """
    found: dict[str, AssetState] = {}
    for asset, inputs in upstream().items():
        manifest = read(asset)
        if manifest is None:
            found[asset] = AssetState(asset, MISSING, (), None)
            continue
        newer = tuple(name for name in inputs if _calls_for(found.get(name), manifest.created))
        found[asset] = AssetState(asset, OUTDATED if newer else FRESH, newer, manifest)
    return list(found.values())


def _calls_for(source: AssetState | None, created: float) -> bool:
    if source is None or source.manifest is None:
        return False
    return source.state == OUTDATED or source.manifest.created > created


def command(category: str, select: str | None = None) -> str:
    """The command that materializes a category, or a part of it."""
    if select is None:
        return f"make materialize CATEGORY={category}"
    return f"alsobought materialize {category} --select '{select}'"
