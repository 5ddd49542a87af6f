"""Hyperparameters as frozen dataclasses whose fields carry a help text and bounds."""

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
    """A dataclass field with a help text and either inclusive bounds or a closed list of choices."""
    metadata = {"help": help, "ge": ge, "le": le, "choices": choices}
    return dataclasses.field(
        default=default, metadata={name: value for name, value in metadata.items() if value is not None}
    )


def describe(config: type) -> Iterator[tuple[str, type, Any, Mapping[str, Any]]]:
    """Yield ``(name, type, default, metadata)`` for every setting of a config dataclass."""
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        yield field.name, hints[field.name], field.default, field.metadata


def build(config: type, overrides: Mapping[str, Any], where: str) -> Any:
    """Create an instance of ``config`` from its defaults and ``overrides``, after checking every value.

    Args:
        config: a frozen dataclass whose fields are made by :func:`setting`.
        overrides: setting → value; None keeps the default.
        where: the place of the settings for error messages, e.g. ``categories.yaml: beauty.settings.walks``.

    Raises:
        InputError: a setting is unknown, a value has the wrong type or is out of bounds, or settings contradict each
            other. A config may have a method ``contradiction() -> str | None``, which returns "setting: reason" for
            the setting to change.
    """
    known = {name: (kind, metadata) for name, kind, _, metadata in describe(config)}
    values = {}
    for name, value in overrides.items():
        if name not in known:
            names = f"the settings of this section are {', '.join(known)}" if known else "this section has no settings"
            raise InputError(f"{where}: there is no setting {name!r}; {names}")
        if value is not None:
            values[name] = checked(f"{where}.{name}", value, *known[name])
    built = config(**values)
    contradiction = getattr(built, "contradiction", None)
    if contradiction is not None and (text := contradiction()):
        raise InputError(f"{where}.{text}")
    return built


def checked(where: str, value: Any, kind: Any, metadata: Mapping[str, Any]) -> Any:
    """Check a setting's value and convert it to its type; both are described by :func:`describe`.

    Raises:
        InputError: the value has the wrong type or is out of bounds.
    """
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if isinstance(value, int) and value.bit_length() > 1000:  # too large for a float, and Python refuses to print it
        raise InputError(f"{where}: the number is too large")
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(getattr(allowed, "__name__", str(allowed)) for allowed in kinds)
        raise InputError(f"{where}: {value!r} is not a {names}")
    if "choices" in metadata and value not in metadata["choices"]:
        raise InputError(f"{where}: {value!r} is not one of {', '.join(metadata['choices'])}")
    low, high = metadata.get("ge"), metadata.get("le")
    if low is not None and not value >= low:  # the comparison is negated so that NaN is refused too
        raise InputError(f"{where}: {value!r} is below the smallest allowed value {low}")
    if high is not None and not value <= high:
        raise InputError(f"{where}: {value!r} is above the largest allowed value {high}")
    return value
