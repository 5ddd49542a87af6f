"""A shop's rules for its lists, as categories.yaml has them under ``rules``."""

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import InputError
from core.recommendations.form import SLOTS
from core.settings import checked, describe, setting

ALL = "all"
"""The key of the rules that hold in every slot."""

LEAVE_OUT, KEEP = "leave_out", "keep"
IN_STOCK, SOLD_OUT = "in_stock", "sold_out"
ANY, SAME, OTHER = "any", "same", "other"
_EXAMPLE = "`rules: {all: {brand: same}, similar: {max_per_brand: 2}}`"


@dataclass(frozen=True)
class Rules:
    """The rules of one slot. By default nothing is left out but what is sold out.

    What is not known of a neighbour does not satisfy a rule: a product without a brand is of no allowed brand. A rule
    that compares a neighbour with the product does not apply to a product without the value.
    """

    sold_out: str = setting(
        LEAVE_OUT, "Whether products that the stock table calls sold out are left out.", choices=(LEAVE_OUT, KEEP)
    )
    unlisted: str = setting(
        IN_STOCK, "What products are that the stock table does not name.", choices=(IN_STOCK, SOLD_OUT)
    )
    allow_brands: tuple[str, ...] = setting((), "Only products of these brands are listed.")
    forbid_brands: tuple[str, ...] = setting((), "Products of these brands are not listed.")
    allow_categories: tuple[str, ...] = setting((), "Only products with one of these categories are listed.")
    forbid_categories: tuple[str, ...] = setting((), "Products with one of these categories are not listed.")
    brand: str = setting(
        ANY, "Whether a neighbour has to be of the product's own brand, or of another one.", choices=(ANY, SAME, OTHER)
    )
    price_from: float | None = setting(
        None, "Lowest price of a neighbour, as a multiple of the product's price.", ge=0, le=1e6
    )
    price_to: float | None = setting(
        None, "Highest price of a neighbour, as a multiple of the product's price.", ge=0, le=1e6
    )
    max_per_brand: int | None = setting(None, "Maximum number of products of one brand in a list.", ge=1, le=1_000)
    variants: str = setting(
        KEEP,
        "Whether further variants of a product that is in the list, and of the product itself, are left out. Variants "
        "have the same parent_id or, where there is none, the same title.",
        choices=(KEEP, LEAVE_OUT),
    )
    diversity: float = setting(
        0.0,
        "How much a candidate loses for being similar in brand and categories to what is in the list (MMR with lambda "
        "= 1 - diversity); 0 is the order of the model.",
        ge=0,
        le=1,
    )

    def contradiction(self) -> str | None:
        """How the rules contradict each other, as "rule: reason", or None."""
        if self.price_from is not None and self.price_to is not None and self.price_from > self.price_to:
            return f"price_from: {self.price_from} is above price_to, {self.price_to}; no price satisfies both"
        for kind in ("brands", "categories"):
            allowed, forbidden = (
                {plain_name(name): name for name in getattr(self, f"{verb}_{kind}")} for verb in ("allow", "forbid")
            )
            if both := sorted(allowed.keys() & forbidden.keys()):
                return f"forbid_{kind}: {forbidden[both[0]]!r} is among allow_{kind} too; remove it from one of them"
        return None


@dataclass(frozen=True)
class RuleBook:
    """The rules of every slot of a category.

    Attributes:
        by_slot: slot → its rules, those of ``all`` included; a slot without rules of its own may be missing.
        common: the rules of ``all``.
    """

    by_slot: Mapping[str, Rules] = field(default_factory=dict)
    common: Rules = field(default_factory=Rules)

    def of(self, slot: str) -> Rules:
        """The rules of a slot."""
        return self.by_slot.get(slot, self.common)

    def as_dict(self) -> dict[str, Any]:
        """slot → rule → value as JSON has them, only what differs from the defaults."""
        return {slot: changed for slot in SLOTS if (changed := changed_rules(self.of(slot)))}


def changed_rules(rules: Rules) -> dict[str, Any]:
    """Rule → value as JSON has it, for the rules that differ from the defaults."""
    default = dataclasses.asdict(Rules())
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(rules).items()
        if value != default[name]
    }


def plain_name(name: str) -> str:
    """The form in which names of brands and categories are compared: without case and outer white space."""
    return name.strip().lower()


def parse_rules(where: str, entry: Any) -> RuleBook:
    """The rules of a category.

    Args:
        where: the place of the rules, which leads every message.
        entry: ``all`` or a slot → rule → value, as it stands in categories.yaml.

    Raises:
        InputError: a slot, rule or value that cannot be used; one sentence with its place.
    """
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: expected slot -> rule -> value, such as {_EXAMPLE}")
    known = (ALL, *SLOTS)
    names = [name for name, *_ in describe(Rules)]
    for slot, given in entry.items():
        if slot not in known:
            hint = f"; write rules that hold in every slot under `{ALL}`" if slot in names else ""
            raise InputError(f"{where}: there is no slot {_short(slot)}; the slots are {', '.join(known)}{hint}")
        if given is not None and not isinstance(given, Mapping):
            raise InputError(f"{where}.{slot}: expected rule -> value, such as {_EXAMPLE}")
    common = parse_values(f"{where}.{ALL}", entry.get(ALL) or {})
    by_slot = {
        slot: rules_from(f"{where}.{slot}", {**common, **parse_values(f"{where}.{slot}", entry[slot])})
        for slot in SLOTS
        if entry.get(slot)
    }
    return RuleBook(by_slot, rules_from(f"{where}.{ALL}", common))


def parse_values(where: str, given: Mapping[Any, Any]) -> dict[str, Any]:
    """Rule → value of its type, for one slot or one request; rules without a value are left out.

    Raises:
        InputError: a rule is unknown, or a value has the wrong type or is out of bounds.
    """
    known = {name: (kind, metadata) for name, kind, _, metadata in describe(Rules)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"the rules are {', '.join(known)}"
            raise InputError(f"{where}: there is no rule {_short(name)}; {hint}")
        kind, metadata = known[name]
        if value is None:
            continue
        if kind == tuple[str, ...]:
            values[name] = _names(f"{where}.{name}", value)
        else:
            values[name] = checked(f"{where}.{name}", value, _without_none(kind), metadata)
    return values


def rules_from(where: str, values: Mapping[str, Any], base: Rules | None = None) -> Rules:
    """Rules with the values of :func:`parse_values`, the others being those of ``base`` or the defaults.

    Raises:
        InputError: the rules contradict each other.
    """
    rules = dataclasses.replace(base or Rules(), **values)
    if reason := rules.contradiction():
        raise InputError(f"{where}.{reason}")
    return rules


def _without_none(kind: Any) -> Any:
    """The type of the values of a rule that may also be left out."""
    return next(iter(typing.get_args(kind)), kind)


def _names(where: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names:
        raise InputError(f"{where}: expected a name or a list of names, not {_short(value)}; leave out an empty list")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{where}: {_short(name)} is not a name; put numbers and words such as `no` into quotes")
    return tuple(names)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
