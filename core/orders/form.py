"""How a shop's order lines are to be read: what its columns, events and times mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import InputError
from core.orders.times import check_zone

EVENTS = ("purchase", "cart", "view")
"""What a line may stand for; the codes of ``core.orders.lines`` are positions in it."""

KNOWN_EVENTS: Mapping[str, str] = {
    "purchase": "purchase", "purchased": "purchase", "buy": "purchase", "bought": "purchase", "order": "purchase",
    "ordered": "purchase", "transaction": "purchase", "sale": "purchase", "checkout": "purchase",
    "cart": "cart", "addtocart": "cart", "basket": "cart",
    "view": "view", "viewed": "view", "click": "view", "pageview": "view", "detail": "view", "productview": "view",
}  # fmt: skip
"""Name of an event without case, blanks, ``-`` and ``_`` → what it stands for."""

_TEXTS = ("time_format", "time_zone", "cancel_prefix")


@dataclass(frozen=True)
class OrdersForm:
    """What a category says about its order lines.

    Attributes:
        time_format: strptime format of the times; None for ISO 8601 and epoch numbers.
        time_zone: time zone of times that do not state theirs; UTC if None.
        cancel_prefix: order ids that begin with it cancel what was bought before; empty for none.
        events: name of an event in the source → one of :data:`EVENTS`, or ``ignore``.
        hash_customers: whether only a keyed hash of a customer's id is stored.
    """

    time_format: str | None = None
    time_zone: str | None = None
    cancel_prefix: str = ""
    events: Mapping[str, str] = field(default_factory=dict)
    hash_customers: bool = False


def parse_form(where: str, entry: Any) -> OrdersForm:
    """The form from the mapping that stands in categories.yaml.

    Args:
        where: place of the mapping, for errors.
        entry: what stands there; anything at all.

    Raises:
        InputError: with the place, what is wrong and what may stand there.
    """
    if not isinstance(entry, dict):
        raise InputError(f"{where}: expected a mapping, such as `orders: {{time_format: '%d/%m/%Y %H:%M'}}`")
    known = (*_TEXTS, "events", "hash_customers")
    if unknown := sorted(str(key)[:40] for key in entry if key not in known):
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(known)}")
    given = {key: value for key, value in entry.items() if value is not None}
    for key in _TEXTS:
        if not isinstance(given.get(key, ""), str):
            raise InputError(f"{where}.{key}: the value is not a text; put it into quotes")
    if not isinstance(given.get("hash_customers", False), bool):
        raise InputError(f"{where}.hash_customers: the value is neither true nor false")
    if (zone := given.get("time_zone")) is not None:
        try:
            check_zone(zone)
        except InputError as error:
            raise InputError(f"{where}.time_zone: {error}") from error
    given["events"] = _events(f"{where}.events", given.get("events", {}))
    return OrdersForm(**given)


def _events(where: str, entry: Any) -> dict[str, str]:
    """Name in the source → event, from event → name or list of names."""
    choices = (*EVENTS, "ignore")
    if not isinstance(entry, dict) or any(key not in choices for key in entry):
        raise InputError(f"{where}: expected a mapping from {', '.join(choices)} to names in the source")
    events: dict[str, str] = {}
    for event, names in entry.items():
        for name in names if isinstance(names, list) else [names]:
            if not isinstance(name, str | int) or isinstance(name, bool):
                raise InputError(f"{where}.{event}: expected a name or a list of names")
            if events.setdefault(str(name), event) != event:
                raise InputError(f"{where}: {str(name)[:40]!r} stands for two events")
    return events
