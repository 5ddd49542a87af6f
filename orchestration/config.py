"""Hyperparameters in the launchpad: core's settings as documented ``dg.Config`` fields with bounds.

Every field may stay empty. It then has the value that categories.yaml gives it for the category, else the default. If
the launchpad filled in plain defaults, they would silently override the file.

A value is refused as early as possible. A text that is not one of the choices and a wrong type are marked while they
are typed. A number out of bounds is refused by the launch, before there is a run. Settings that contradict each other
are refused in the run's first step, because some of them may come from categories.yaml.
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


def config_schema(section: str, *more: str) -> type[dg.Config]:
    """The config class of an asset that uses one section, or several, which are then nested by name."""
    if more:
        nested: dict[str, Any] = {}
        for name in (section, *more):
            schema = config_schema(name)
            nested[name] = (schema, schema())
        return pydantic.create_model(f"{section}_and_more", __base__=dg.Config, **nested)
    fields: dict[str, Any] = {}
    for name, kind, default, meta in describe(CONFIGS[section]):
        bounds = {k: meta[k] for k in ("ge", "le") if k in meta}
        annotation: Any = kind
        allowed = ""
        if "choices" in meta:
            annotation, allowed = _Choice(section, name, meta["choices"]), f" One of {', '.join(meta['choices'])}."
        elif bounds:
            annotation = _BoundedNumber(section, name, kind, meta)
            allowed = f" {annotation.bounds.capitalize()}."
        text = f"{meta['help']}{allowed} Default {default!r} unless categories.yaml says otherwise."
        # dg.Config accepts Optional[X], but refuses X | None in models that are created at run time.
        fields[name] = (Optional[annotation], pydantic.Field(default=None, description=text, **bounds))  # noqa: UP045
    return pydantic.create_model(f"{section}_settings", __base__=dg.Config, __doc__=CONFIGS[section].__doc__, **fields)


class _BoundedNumber(ConfigScalar):
    """A number with bounds, checked when a run is requested, before there is one. Dagster's own types have no bounds.

    An instance is a type annotation: Dagster uses it as it is, and pydantic uses the number's type.
    """

    def __init__(self, section: str, name: str, kind: type, meta: Mapping[str, Any]) -> None:
        self.bounds = f"from {meta.get('ge', 'any')} to {meta.get('le', 'any')}"
        self._setting, self._kind, self._meta = f"{section}.{name}", kind, meta
        text = f"{kind.__name__} {self.bounds} ({self._setting})"
        scalar = ConfigScalarKind.INT if kind is int else ConfigScalarKind.FLOAT
        super().__init__(key=text, given_name=text, scalar_kind=scalar)

    def post_process(self, value: Any) -> Any:
        try:
            return checked(self._setting, value, self._kind, self._meta)
        except InputError as error:
            raise PostProcessingError(str(error)) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(self._kind)


class _Choice(dg.Enum):
    """A text that the launchpad completes and checks while it is typed. An instance is a type annotation too."""

    def __init__(self, section: str, name: str, choices: tuple[str, ...]) -> None:
        super().__init__(f"{section}.{name}", [dg.EnumValue(choice) for choice in choices])

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(Literal[tuple(self.config_values)])


def resolve_config(context: dg.AssetExecutionContext, section: str, launchpad: dg.Config | None = None) -> Any:
    """The settings to use: the defaults, overridden by the category's settings, overridden by the launchpad's.

    Raises:
        InputError: a setting of this step or of any other step of the run is out of bounds or contradicts another one.
    """
    category = CATEGORIES[context.partition_key]
    _check_run(context, category)
    return category.config(section, launchpad.model_dump() if launchpad else None)


def _check_run(context: dg.AssetExecutionContext, category: Category) -> None:
    """Check the settings of all steps of the run, so that a model's bad setting fails it before hours of walks."""
    steps: Mapping[str, Any] = dict(context.run.run_config).get("ops", {})  # type: ignore[assignment]
    for assets in context.job_def.asset_layer.asset_graph.assets_defs if steps else ():
        if not assets.is_executable or not (config := (steps.get(assets.op.name) or {}).get("config")):
            continue
        own = [key.path[1] for key in assets.dependency_keys if key.path[0] == "settings"]
        for section, values in config.items() if set(config) <= set(CONFIGS) else zip(own[:1], [config], strict=False):
            category.config(section, values)
