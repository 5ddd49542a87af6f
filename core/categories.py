"""categories.yaml: the one list from which partitions, schedules and the explorer's picker come."""

import difflib
import re
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from core import settings
from core.catalog.column_names import JOINED_ROLES, ORDER_ROLES, PRODUCT_ROLES
from core.catalog.formats import AUTO, SourceOptions, format_names
from core.catalog.sources.source import Source
from core.configs import CONFIGS
from core.delivery.config import Publish, parse_publish
from core.delivery.config import default as published_by_default
from core.errors import InputError
from core.models import MODELS
from core.orders.form import OrdersForm, parse_form
from core.recommendations.rules.book import RuleBook, parse_rules
from core.untrusted import strict_yaml

NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,62}")
NAME_RULE = "a name is 1 to 63 lower-case letters, digits and underscores"
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_KEYS = {
    "title",
    "source",
    "format",
    "products",
    "columns",
    "orders",
    "sha256",
    "cron",
    "fold_in",
    "timezone",
    "schedule",
    "watch",
    "publish",
    "settings",
    "rules",
    "stock",
    "pins",
}


@dataclass(frozen=True)
class Category:
    """One entry of categories.yaml.

    Attributes:
        name: partition key.
        title: what people read.
        source: path (relative to RAW_DIR), URL, or ``sample`` for the built-in synthetic catalogue.
        format: how the source is written; see ``core.catalog.Source``.
        products: optional products table beside a table of pairs or order lines.
        columns: documented name of a column → its name in the source, several names for a title or categories, or None
            where there is no such column.
        orders: how order lines are to be read.
        sha256: optional checksum of the source.
        cron: when the category is rebuilt; None for never.
        fold_in: when new products and pairs are folded in between rebuilds, a cron expression too; None for never.
        timezone: of the cron expressions.
        schedule: whether the schedules start switched on.
        watch: whether the sensor that rebuilds when the source changes starts switched on.
        publish: where its lists are delivered.
        settings: section → setting → value, overriding the defaults for this category.
        rules: the rules of the lists that a shop loads.
        stock: path or URL of a table that says what is sold out, like that of a source; None if there is none.
        pins: path or URL of a table of pinned and blocked pairs; None if there is none.
    """

    name: str
    title: str
    source: str
    format: str = AUTO
    products: str | None = None
    columns: Mapping[str, str | Sequence[str] | None] = field(default_factory=dict)
    orders: OrdersForm = field(default_factory=OrdersForm)
    sha256: str | None = None
    cron: str | None = None
    fold_in: str | None = None
    timezone: str = "UTC"
    schedule: bool = False
    watch: bool = False
    publish: Publish = field(default_factory=published_by_default)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rules: RuleBook = field(default_factory=RuleBook)
    stock: str | None = None
    pins: str | None = None

    @property
    def data(self) -> Source:
        """Where its data is and how it is read."""
        return Source(
            self.source, self.format, self.products, self.sha256, SourceOptions(self.columns, self.orders)
        )  # fmt: skip

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


class Categories(dict[str, Category]):
    """Name → category of all entries that can be used.

    Attributes:
        refused: name → why the entry cannot be used, a sentence with its place.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.refused: dict[str, str] = {}

    def __missing__(self, name: str) -> Category:
        """Raises InputError: why there is no such category."""
        if name in self.refused:
            raise InputError(self.refused[name])
        close = difflib.get_close_matches(name, self, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {_listed(self)}"
        raise InputError(f"there is no category {name!r} in {self.path}; {hint}")


def load_categories(path: Path) -> Categories:
    """Read and check categories.yaml.

    An entry that cannot be used is left out and listed in ``refused``; the others are not affected.

    Raises:
        InputError: the file as a whole, or every entry of it, cannot be used; names file and remedy.
    """
    categories = Categories(path)
    node = _part(path, "categories")
    listed = list(strict_yaml.entries(node) or ())
    if not listed:
        if node is not None:
            _value(f"{path}: categories", node)  # raises if that is not valid YAML
        raise InputError(f"{path}: expected a mapping 'categories:' with at least one entry")
    lines: dict[str, int] = {}
    for key, entry in listed:
        name, where = key.value, f"{path}: categories.{key.value[:64]}"
        try:
            if name in lines:
                categories.pop(name, None)
                raise InputError(
                    f"{where}: stands twice, in lines {lines[name]} and {strict_yaml.line(key)}; rename one"
                )
            lines[name] = strict_yaml.line(key)
            categories[name] = _category(where, name, _value(where, entry))
        except InputError as error:
            categories.refused[name] = str(error)
    if not categories:
        raise InputError(" ".join(categories.refused.values()))
    return categories


def load_step_tags(path: Path) -> dict[str, dict[str, Any]]:
    """The file's ``step_tags``: ``gpu`` (all models that can use one) or a model's name → tag → text or mapping.

    What a tag means is up to the executor that runs the steps, e.g. ``dagster-k8s/config``.

    Raises:
        InputError: naming the file, the entry and the remedy.
    """
    node = _part(path, "step_tags")
    tags = {} if node is None else _value(f"{path}: step_tags", node) or {}
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
    if not NAME.fullmatch(name):
        raise InputError(f"{where}: {NAME_RULE}")


def _part(path: Path, name: str) -> yaml.Node | None:
    """The part of the file under a top-level name; None if there is no such part."""
    try:
        document = strict_yaml.read(path)
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist; run from the project folder, make one with `alsobought init FOLDER`, or set "
            "ALSOBOUGHT_CATEGORIES"
        ) from error
    values = [value for key, value in strict_yaml.entries(document) or () if key.value == name]
    if len(values) > 1:
        raise InputError(
            f"{path}: '{name}:' stands twice, the second time in line {strict_yaml.line(values[1])}; merge them"
        )
    return values[0] if values else None


def _value(where: str, node: yaml.Node) -> Any:
    try:
        return strict_yaml.value(node)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _category(where: str, name: str, entry: Any) -> Category:
    check_name(name, where)
    if not isinstance(entry, dict):
        raise InputError(f"{where}: needs at least 'source: PATH or URL'")
    unknown = sorted(str(key)[:40] for key in entry if key not in _KEYS)
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    given = {key: value for key, value in entry.items() if value is not None}
    for key in sorted(set(given) - {"settings", "schedule", "watch", "columns", "orders", "rules", "publish"}):
        if not isinstance(given[key], str):
            # Not the value itself: what should be a URL may hold a password.
            raise InputError(
                f"{where}.{key}: the value is not a text but a {type(given[key]).__name__}; put it into quotes"
            )
    for key in ("schedule", "watch"):
        if not isinstance(given.get(key, False), bool):
            raise InputError(f"{where}.{key}: {_short(given[key])} is not true or false")
    if "source" not in given:
        raise InputError(f"{where}: needs at least 'source: PATH or URL'")
    for key in ("source", "products", "stock", "pins"):
        _check_location(f"{where}.{key}", given.get(key, "sample"))
    _check_texts(where, given)
    if "columns" in given:
        given["columns"] = _columns(f"{where}.columns", given["columns"])
    if "orders" in given:
        given["orders"] = parse_form(f"{where}.orders", given["orders"])
    if "rules" in given:
        given["rules"] = parse_rules(f"{where}.rules", given["rules"])
    if "publish" in given:
        given["publish"] = parse_publish(f"{where}.publish", given["publish"])
    given["settings"] = overrides = _checked_settings(where, given.get("settings", {}))
    category = Category(**{"title": name.replace("_", " ").title(), **given, "name": name})
    for section in overrides:
        category.config(section)  # every override is checked now, not at two in the morning
    return category


def _columns(where: str, entry: Any) -> dict[str, str | list[str] | None]:
    known = dict.fromkeys((*ORDER_ROLES, *PRODUCT_ROLES))
    if not isinstance(entry, dict):
        raise InputError(f"{where}: expected a mapping such as `columns: {{product: StockCode, order: InvoiceNo}}`")
    for role, given in entry.items():
        if given is None:
            continue
        names = given if isinstance(given, list) and role in JOINED_ROLES else [given]
        if not names or not all(isinstance(name, str) and name.strip() for name in names):
            several = ", or a list of names" if role in JOINED_ROLES else ""
            raise InputError(f"{where}.{str(role)[:40]}: expected the name of a column{several}")
    if unknown := sorted(str(role)[:40] for role in entry if role not in known):
        raise InputError(f"{where}: there is no column {unknown[0]!r}; known are {', '.join(known)}")
    return entry


def _check_location(where: str, location: str) -> None:
    if not location.strip():
        raise InputError(f"{where}: is empty; name a file or a URL")
    if not location.isprintable():
        raise InputError(f"{where}: holds a line break or another character that no path or URL has")
    try:
        urlsplit(location).port  # noqa: B018 (the check is that it can be read)
    except ValueError:
        raise InputError(f"{where}: is not a URL that can be read: its host or port is wrong") from None


def _check_texts(where: str, given: Mapping[str, str]) -> None:
    if (form := given.get("format", AUTO)) not in format_names():
        raise InputError(f"{where}.format: {_short(form)} is not one of {', '.join(format_names())}")
    if (digest := given.get("sha256")) is not None and not _SHA256.fullmatch(digest):
        raise InputError(f"{where}.sha256: {_short(digest)} is not 64 hex digits")
    zone = given.get("timezone", "UTC")
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        close = difflib.get_close_matches(zone, sorted(zoneinfo.available_timezones()), 1)
        hint = f"did you mean {close[0]!r}?" if close else "it is written like Europe/Berlin"
        raise InputError(f"{where}.timezone: there is no time zone {_short(zone)}; {hint}") from error
    for key, example in _CRON_EXAMPLES.items():
        if (cron := given.get(key)) is not None and not _is_cron(cron):
            raise InputError(
                f"{where}.{key}: {_short(cron)} is not a time; it has five parts, minute, hour, day, month and "
                f"weekday, e.g. {example}"
            )


_CRON_EXAMPLES = {"cron": "'0 3 * * *' for every night at three", "fold_in": "'*/30 * * * *' for every half hour"}


def _is_cron(text: str) -> bool:
    from croniter import CroniterError, croniter

    try:
        # The next time is asked for too: a 30 February is well written, and never comes.
        expanded = croniter.expand(text)[0]
        if len(expanded) != 5 or (expanded[3] == [2] and set(expanded[2]) <= {30, 31}):
            return False  # Dagster refuses the 30th of February, whatever the weekday
        return bool(croniter(text, 0).get_next() > 0)
    except (CroniterError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _checked_settings(where: str, overrides: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(overrides, dict) or not all(isinstance(value, dict) for value in overrides.values()):
        raise InputError(f"{where}.settings: expected section -> setting -> value")
    for section in overrides:
        if section not in CONFIGS:
            raise InputError(f"{where}.settings: no section {_short(section)}; known are {', '.join(CONFIGS)}")
    return overrides


def _listed(names: Iterable[str], most: int = 20) -> str:
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
