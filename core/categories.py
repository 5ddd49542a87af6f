"""categories.yaml: the one list from which partitions, schedules and the explorer's picker come.

Belongs here: reading and checking that file, and combining a category's settings with a run's. Does not belong
here: the settings themselves (``core.configs``) and reading a source (``core.catalog``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from core import settings
from core.configs import CONFIGS
from core.errors import InputError
from core.models import MODELS

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,62}")
_KEYS = {"title", "source", "format", "products", "sha256", "cron", "timezone", "schedule", "watch", "settings"}


@dataclass(frozen=True)
class Category:
    """One entry of categories.yaml.

    Attributes:
        name: partition key.
        title: what people read.
        source: path (relative to RAW_DIR), URL, or ``sample`` for the built-in synthetic catalogue.
        format: ``auto``, ``mcauley`` or ``pairs``; see ``core.catalog.Source``.
        products: optional products table beside a pairs table.
        sha256: optional checksum of the source.
        cron: when the category is rebuilt; None for never.
        timezone: of the cron expression.
        schedule: whether the schedule starts switched on.
        watch: whether the sensor that rebuilds when the source changes starts switched on.
        settings: section → setting → value, overriding the defaults for this category.
    """

    name: str
    title: str
    source: str
    format: str = "auto"
    products: str | None = None
    sha256: str | None = None
    cron: str | None = None
    timezone: str = "UTC"
    schedule: bool = False
    watch: bool = False
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def config(self, section: str, overrides: Mapping[str, Any] | None = None) -> Any:
        """The config of one section: defaults, then this category's settings, then ``overrides``.

        Raises:
            InputError: naming the place of a setting that is unknown or out of bounds.
        """
        own = self.settings.get(section, {})
        built = settings.build(CONFIGS[section], own, f"categories.yaml: {self.name}.settings.{section}")
        changed = {k: v for k, v in (overrides or {}).items() if v is not None}
        if not changed:
            return built
        return settings.build(CONFIGS[section], {**own, **changed}, f"run config of {section}")


def load_categories(path: Path) -> dict[str, Category]:
    """Read and check categories.yaml.

    Raises:
        InputError: naming the file, the entry and the remedy.
    """
    entries = _document(path).get("categories")
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{path}: expected a mapping 'categories:' with at least one entry")
    return {str(name): _category(path, str(name), entry) for name, entry in entries.items()}


def load_step_tags(path: Path) -> dict[str, dict[str, Any]]:
    """The file's ``step_tags``: ``gpu`` (all models that can use one) or a model's name → tag → text or mapping.

    What a tag means is up to the executor that runs the steps, e.g. ``dagster-k8s/config``.

    Raises:
        InputError: naming the file, the entry and the remedy.
    """
    tags = _document(path).get("step_tags") or {}
    known = ("gpu", *MODELS)
    if not isinstance(tags, dict) or not all(isinstance(value, dict) for value in tags.values()):
        raise InputError(f"{path}: step_tags: expected gpu or a model's name -> tag -> value")
    for name, own in tags.items():
        if name not in known:
            raise InputError(f"{path}: step_tags.{name}: there is no such model; known are {', '.join(known)}")
        for tag, value in own.items():
            if not isinstance(tag, str) or not isinstance(value, str | dict):
                raise InputError(f"{path}: step_tags.{name}.{tag}: {value!r} is neither a text nor a mapping")
    return tags


def check_name(name: str, where: str) -> None:
    """Refuse what cannot be a category's name, which is a folder's name too. Raises InputError, led by ``where``."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{where}: a name is 1 to 63 lower-case letters, digits and underscores")


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist; run from the project folder, make one with `alsobought init FOLDER`, or set "
            "ALSOBOUGHT_CATEGORIES"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    return document if isinstance(document, dict) else {}


def _category(path: Path, name: str, entry: Any) -> Category:
    where = f"{path}: categories.{name}"
    check_name(name, where)
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), str):
        raise InputError(f"{where}: needs at least 'source: PATH or URL'")
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    for key in sorted(set(entry) - {"settings", "schedule", "watch"}):
        if entry[key] is not None and not isinstance(entry[key], str):
            raise InputError(f"{where}.{key}: {entry[key]!r} is not a text; put it into quotes")
    for key in ("schedule", "watch"):
        if not isinstance(entry.get(key, False), bool):
            raise InputError(f"{where}.{key}: {entry[key]!r} is not true or false")
    if entry.get("format", "auto") not in ("auto", "mcauley", "pairs"):
        raise InputError(f"{where}.format: {entry['format']!r} is not one of auto, mcauley, pairs")
    overrides = entry.get("settings") or {}
    if not isinstance(overrides, dict) or not all(isinstance(value, dict) for value in overrides.values()):
        raise InputError(f"{where}.settings: expected section -> setting -> value")
    for section in overrides:
        if section not in CONFIGS:
            raise InputError(f"{where}.settings: no section {section!r}; known are {', '.join(CONFIGS)}")
    category = Category(**{"title": name.replace("_", " ").title(), **entry, "name": name, "settings": overrides})
    for section in overrides:
        category.config(section)  # every override is checked now, not at two in the morning
    return category
