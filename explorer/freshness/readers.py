"""Which assets of a category are up to date, read from the manifests in the store."""

import contextlib
from dataclasses import replace

from core import paths
from core.categories import Category, load_categories
from core.changes import AssetState, states
from core.errors import InputError
from core.models import MODELS
from core.projection import ProjectionConfig
from core.projection import wanted as projection_models
from core.recommendations.state import lists_state
from core.stages import expected
from explorer.shared.store_reader import current_manifest, models_with


def mapped_models(category: str) -> tuple[list[str], str | None]:
    """Models whose map this installation makes or has made for a category, and what is wrong with its settings."""
    wanted, problem = [], None
    try:
        known = load_categories(paths.categories_file())
        wanted = projection_models(known[category].config("projection") if category in known else ProjectionConfig())
    except InputError as error:
        problem = str(error)
    existing = [name for name in models_with("projection", category) if name in MODELS]
    return [name for name in MODELS if name in wanted or name in existing], problem


def asset_states(category: str) -> tuple[list[AssetState], str | None]:
    """The state of every asset of a category, and what is wrong with its settings, if anything.

    If the settings cannot be read from categories.yaml, they count as unchanged. Whether a source, or a stock table or
    pins on a server, have changed is not checked: they may be slow to reach, and perhaps only from the machine that
    runs Dagster.
    """
    maps, problem = mapped_models(category)
    known = None
    with contextlib.suppress(InputError):
        known = load_categories(paths.categories_file()).get(category)
    if known is not None and problem is None:
        assets = expected(known, maps=maps, lists=lists_state(known, paths.raw_dir(), only_at_hand=True))
    else:
        unknown = Category(category, category, source="")
        assets = [replace(asset, config=None) for asset in expected(unknown, maps=maps)]
    return states(assets, lambda asset: current_manifest(asset, category)), problem
