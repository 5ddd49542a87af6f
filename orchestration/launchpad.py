"""Hyperparameters in the launchpad: core's settings as documented, bounded ``dg.Config`` fields.

Belongs here: turning a config dataclass into a launchpad form and a filled form back into the dataclass. Does not
belong here: the settings themselves (``core.configs``). Every field may stay empty, which means "what
categories.yaml says for this category, else the default": a form of plain defaults would silently override the file.
"""

from collections.abc import Mapping
from typing import Any, Optional

import dagster as dg
import pydantic

from core.categories import Category
from core.configs import CONFIGS
from core.settings import describe
from orchestration.partitions import CATEGORIES


def form(section: str, *more: str) -> type[dg.Config]:
    """The launchpad form of one section, or of several that one asset uses (then nested by section name)."""
    if more:
        nested: dict[str, Any] = {name: (form(name), form(name)()) for name in (section, *more)}
        return pydantic.create_model(f"{section}_and_more", __base__=dg.Config, **nested)
    fields: dict[str, Any] = {}
    for name, kind, default, meta in describe(CONFIGS[section]):
        bounds = {k: meta[k] for k in ("ge", "le") if k in meta}
        allowed = f" One of {', '.join(meta['choices'])}." if "choices" in meta else ""
        if bounds:
            allowed = f" From {bounds.get('ge', 'any')} to {bounds.get('le', 'any')}."
        text = f"{meta['help']}{allowed} Default {default!r} unless categories.yaml says otherwise."
        # dg.Config reads Optional[X]; X | None is refused for dynamically made models.
        fields[name] = (Optional[kind], pydantic.Field(default=None, description=text, **bounds))  # noqa: UP045
    return pydantic.create_model(f"{section}_settings", __base__=dg.Config, __doc__=CONFIGS[section].__doc__, **fields)


def resolve(context: dg.AssetExecutionContext, section: str, filled: dg.Config | None = None) -> Any:
    """The config to use: defaults, overridden by the category, overridden by the launchpad.

    Raises:
        InputError: a value of this step, or of any other step of the run, is out of bounds or contradicts another one.
    """
    category = CATEGORIES[context.partition_key]
    _check_run(context, category)
    return category.config(section, filled.model_dump() if filled else None)


def _check_run(context: dg.AssetExecutionContext, category: Category) -> None:
    """Refuse the whole run's values in its first step: a model's bad setting must not come out after hours of walks."""
    steps: Mapping[str, Any] = dict(context.run.run_config).get("ops", {})  # type: ignore[assignment]
    for assets in context.job_def.asset_layer.asset_graph.assets_defs if steps else ():
        if not assets.is_executable or not (config := (steps.get(assets.op.name) or {}).get("config")):
            continue
        own = [key.path[1] for key in assets.dependency_keys if key.path[0] == "settings"]
        for section, values in config.items() if set(config) <= set(CONFIGS) else zip(own[:1], [config], strict=False):
            category.config(section, values)
