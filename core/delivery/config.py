"""The key ``publish:`` of a category: where its lists are delivered."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.untrusted.urls import shown

VERSION = "1"
"""Code version of the assets ``published/…``."""


@dataclass(frozen=True)
class ApiConfig:
    """The lists that ``alsobought api`` serves, in the artefact store."""


@dataclass(frozen=True)
class FilesConfig:
    """Files in a folder or bucket.

    Attributes:
        url: folder below which each category has a folder of its own: a path, or a URL that fsspec knows. Empty for
            ``data/lists`` in the project folder.
        formats: of ``parquet`` and ``jsonl``.
    """

    url: str = ""
    formats: tuple[str, ...] = ("parquet", "jsonl")


@dataclass(frozen=True)
class VectorsConfig:
    """Vectors of the final models in a folder or bucket.

    Attributes:
        url: as for the files; empty for ``data/vectors`` in the project folder.
        formats: of ``parquet`` and ``npy``.
    """

    url: str = ""
    formats: tuple[str, ...] = ("parquet", "npy")


@dataclass(frozen=True)
class PostgresqlConfig:
    """A view in a PostgreSQL database.

    Attributes:
        url_env: name of the environment variable that holds the URL.
        table: name of the view, with or without its schema.
    """

    url_env: str
    table: str = "recommendations"


@dataclass(frozen=True)
class RedisConfig:
    """Hashes in a Redis server.

    Attributes:
        url_env: name of the environment variable that holds the URL.
        prefix: beginning of every key.
        keep_hours: how long the version before the current one stays.
    """

    url_env: str
    prefix: str = "alsobought"
    keep_hours: float = 48.0


PlaceConfig = ApiConfig | FilesConfig | VectorsConfig | PostgresqlConfig | RedisConfig
Publish = Mapping[str, PlaceConfig]
"""Place → where and how, in the order of ``PLACES``."""

PLACES: dict[str, type[PlaceConfig]] = {
    "api": ApiConfig,
    "files": FilesConfig,
    "vectors": VectorsConfig,
    "postgresql": PostgresqlConfig,
    "redis": RedisConfig,
}
"""Place → class of its settings."""

_CHOICES = {"files": FilesConfig.formats, "vectors": VectorsConfig.formats}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_TABLE = re.compile(r"[^\x00-\x1f\x7f.]{1,40}(\.[^\x00-\x1f\x7f.]{1,40})?")
_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)*")
_LONGEST_PREFIX = 64
_MOST_HOURS = 24.0 * 366


def default() -> Publish:
    """Where the lists of a category without the key ``publish:`` are delivered."""
    return {"api": ApiConfig(), "files": FilesConfig()}


def as_settings(config: PlaceConfig) -> dict[str, Any]:
    """The settings of a place by name, as a manifest holds them."""
    values = dataclasses.asdict(config)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def parse_publish(where: str, entry: Any) -> Publish:
    """Check the value of ``publish:``.

    Args:
        where: of the key, for messages.
        entry: place → true, false or its settings. False switches off the places that are on by default.

    Raises:
        InputError: naming the key and what is expected there. Values are not quoted where a URL may stand.
    """
    if entry is False:
        return {}
    if not isinstance(entry, dict):
        raise InputError(
            f"{where}: expected a mapping such as `publish: {{files: {{url: s3://bucket/lists}}}}`, or false"
        )
    if unknown := sorted(str(name)[:40] for name in entry if name not in PLACES):
        raise InputError(f"{where}: there is no place {unknown[0]!r}; known are {', '.join(PLACES)}")
    given = dict.fromkeys(default(), True) | entry
    return {
        name: _place(f"{where}.{name}", name, given[name])
        for name in PLACES
        if name in given and given[name] is not False
    }


def _place(where: str, name: str, given: Any) -> PlaceConfig:
    known = PLACES[name].__dataclass_fields__
    settings = {} if given is True or given is None else given
    if not isinstance(settings, dict):
        raise InputError(f"{where}: expected true, false or a mapping of its settings ({', '.join(known) or 'none'})")
    if unknown := sorted(str(key)[:40] for key in settings if key not in known):
        raise InputError(f"{where}: there is no setting {unknown[0]!r}; known are {', '.join(known) or 'none'}")
    checked: dict[str, Any] = {key: _CHECKS[key](f"{where}.{key}", name, value) for key, value in settings.items()}
    if "url_env" in known and "url_env" not in checked:
        raise InputError(
            f"{where}: needs `url_env`, the name of the environment variable that holds the URL of the server, "
            f"e.g. `{name}: {{url_env: ALSOBOUGHT_{name.upper()}}}`"
        )
    return PLACES[name](**checked)


def _url(where: str, place: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise InputError(f"{where}: expected a folder or a URL, e.g. s3://bucket/lists")
    if shown(value) != re.sub(r"(?<=://)[^/@:]*@", "", value):  # a user's name alone may be
        raise InputError(
            f"{where}: a URL's password and query do not belong there. Name the place alone, and give the credentials "
            "in the environment, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://"
        )
    return value


def _formats(where: str, place: str, value: Any) -> tuple[str, ...]:
    known = _CHOICES[place]
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name in known for name in names):
        raise InputError(f"{where}: expected a list of {' and '.join(known)}")
    return tuple(name for name in known if name in names)


def _url_env(where: str, place: str, value: Any) -> str:
    # The value itself is not shown: somebody may have put the URL there, with its password.
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise InputError(
            f"{where}: is not the name of an environment variable. Put the server's URL into a variable, and its name "
            f"here, e.g. ALSOBOUGHT_{place.upper()}"
        )
    return value


def _table(where: str, place: str, value: Any) -> str:
    if not isinstance(value, str) or not _TABLE.fullmatch(value) or any(len(p.encode()) > 40 for p in value.split(".")):
        raise InputError(f"{where}: expected the name of a table, or schema.table, with at most 40 bytes in each part")
    return value


def _prefix(where: str, place: str, value: Any) -> str:
    if not isinstance(value, str) or not _PREFIX.fullmatch(value) or len(value) > _LONGEST_PREFIX:
        raise InputError(
            f"{where}: expected at most {_LONGEST_PREFIX} letters, digits, '_', '-' and '.', with ':' between parts"
        )
    return value


def _keep_hours(where: str, place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= _MOST_HOURS:
        raise InputError(f"{where}: expected a number of hours from 0.01 to {_MOST_HOURS:,.0f}")
    return float(value)


_CHECKS = {
    "url": _url,
    "formats": _formats,
    "url_env": _url_env,
    "table": _table,
    "prefix": _prefix,
    "keep_hours": _keep_hours,
}
"""Setting → how its value is checked."""
