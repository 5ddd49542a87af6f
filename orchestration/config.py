"""Hyperparameters in the launchpad: core's settings as documented, bounded ``dg.Config`` fields.

Every field may stay empty, which means "what categories.yaml says for this category, else the default": a form of plain
defaults would silently override the file.

A value is refused as early as can be: a text that is not one of the choices, or a wrong type, while it is typed; a
number out of bounds by the launch, before there is a run; settings that contradict each other, of which some may be
the category's, in the run's first step.
"""

from collections.abc import Mapping
from typing import Any, Literal, Optional

import dagster as dg
import pydantic

from core.categories import Category
from core.configs import CONFIGS
from core.errors import InputError
from core.settings import checked, describe
from orchestration.dagster_internals import ConfigScalar, ConfigScalarKind, PostProcessingError
from orchestration.partitions import CATEGORIES


def form(section: str, *more: str) -> type[dg.Config]:
    """The launchpad form of one section, or of several that one asset uses (then nested by section name)."""
    if more:
        nested: dict[str, Any] = {name: (form(name), form(name)()) for name in (section, *more)}
        return pydantic.create_model(f"{section}_and_more", __base__=dg.Config, **nested)
    fields: dict[str, Any] = {}
    for name, kind, default, meta in describe(CONFIGS[section]):
        bounds = {k: meta[k] for k in ("ge", "le") if k in meta}
        used: Any = kind
        allowed = ""
        if "choices" in meta:
            used, allowed = _Choice(section, name, meta["choices"]), f" One of {', '.join(meta['choices'])}."
        elif bounds:
            used = _Bounded(section, name, kind, meta)
            allowed = f" {used.bounds.capitalize()}."
        text = f"{meta['help']}{allowed} Default {default!r} unless categories.yaml says otherwise."
        # dg.Config reads Optional[X]; X | None is refused for dynamically made models.
        fields[name] = (Optional[used], pydantic.Field(default=None, description=text, **bounds))  # noqa: UP045
    return pydantic.create_model(f"{section}_settings", __base__=dg.Config, __doc__=CONFIGS[section].__doc__, **fields)


class _Bounded(ConfigScalar):
    """A number with bounds, which Dagster's own types have not; checked when a run is asked for, before there is one.

    An annotation for Dagster, which takes it as it is, and for pydantic, which takes the number's type.
    """

    def __init__(self, section: str, name: str, kind: type, meta: Mapping[str, Any]) -> None:
        self.bounds = f"from {meta.get('ge', 'any')} to {meta.get('le', 'any')}"
        self._where, self._kind, self._meta = f"{section}.{name}", kind, meta
        text = f"{kind.__name__} {self.bounds} ({self._where})"
        scalar = ConfigScalarKind.INT if kind is int else ConfigScalarKind.FLOAT
        super().__init__(key=text, given_name=text, scalar_kind=scalar)

    def post_process(self, value: Any) -> Any:
        try:
            return checked(self._where, value, self._kind, self._meta)
        except InputError as error:
            raise PostProcessingError(str(error)) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(self._kind)


class _Choice(dg.Enum):
    """A text out of a few, which the launchpad offers and checks while one types; an annotation like the above."""

    def __init__(self, section: str, name: str, choices: tuple[str, ...]) -> None:
        super().__init__(f"{section}.{name}", [dg.EnumValue(choice) for choice in choices])

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(Literal[tuple(self.config_values)])


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
