"""Hyperparameters as frozen dataclasses whose fields know their help text and their bounds."""

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from core.errors import InputError


def setting(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A dataclass field with a help text and bounds (inclusive) or a closed list of choices."""
    meta = {"help": help, "ge": ge, "le": le, "choices": choices}
    return dataclasses.field(default=default, metadata={k: v for k, v in meta.items() if v is not None})


def describe(config: type) -> Iterator[tuple[str, type, Any, Mapping[str, Any]]]:
    """Yield ``(name, type, default, metadata)`` for every setting of a config dataclass."""
    hints = typing.get_type_hints(config)
    for f in dataclasses.fields(config):
        yield f.name, hints[f.name], f.default, f.metadata


def build(config: type, overrides: Mapping[str, Any], where: str) -> Any:
    """Make ``config`` from its defaults and ``overrides``; every value is checked.

    Args:
        config: a frozen dataclass made of :func:`setting` fields.
        overrides: setting name → value; ``None`` means "keep the default".
        where: named in errors, e.g. ``categories.yaml: beauty.settings.walks``.

    Raises:
        InputError: unknown setting, wrong type, a value out of bounds, or settings that contradict each other: a
            config may have a method ``contradiction() -> str | None`` that says so, with
            the setting to blame first ("setting: why").
    """
    known = {name: (kind, meta) for name, kind, _, meta in describe(config)}
    values = {}
    for name, value in overrides.items():
        if name not in known:
            raise InputError(f"{where}: there is no setting {name!r}; known are {', '.join(known) or 'none'}")
        if value is not None:
            values[name] = checked(f"{where}.{name}", value, *known[name])
    built = config(**values)
    contradiction = getattr(built, "contradiction", None)
    if contradiction is not None and (text := contradiction()):
        raise InputError(f"{where}.{text}")
    return built


def checked(where: str, value: Any, kind: Any, meta: Mapping[str, Any]) -> Any:
    """One setting's value, of its type; type and metadata are those of :func:`describe`. Raises InputError."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if isinstance(value, int) and value.bit_length() > 1000:  # no float holds it, and Python will not write it out
        raise InputError(f"{where}: the number is too large")
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(getattr(k, "__name__", str(k)) for k in kinds)
        raise InputError(f"{where}: {value!r} is not a {names}")
    if "choices" in meta and value not in meta["choices"]:
        raise InputError(f"{where}: {value!r} is not one of {', '.join(meta['choices'])}")
    low, high = meta.get("ge"), meta.get("le")
    if low is not None and not value >= low:  # written so that NaN is refused too
        raise InputError(f"{where}: {value!r} is below the smallest allowed value {low}")
    if high is not None and not value <= high:
        raise InputError(f"{where}: {value!r} is above the largest allowed value {high}")
    return value
