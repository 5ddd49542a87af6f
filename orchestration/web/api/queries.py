"""What requests ask: the parameters of the query string, and the JSON of bodies, with their limits."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from core.recommendations.form import BOUGHT_TOGETHER, GOES_WITH, SIMILAR
from core.serving.rules import Rules
from orchestration.web.api.errors import ApiError

SLOTS = {"goes-with": GOES_WITH, "similar": SIMILAR, "bought-together": BOUGHT_TOGETHER}
"""Slot as paths and queries spell it → its name."""
DEFAULT_K, MAX_K = 10, 100
MAX_BODY = 256 << 10
"""Maximum number of bytes of a body."""
MAX_BASKET = 100
MAX_EVENTS = 1_000
MAX_VALUES = 200
"""Maximum number of values of a repeatable parameter."""
_MAX_TEXT = 1_000
_MAX_QUERY = 32 << 10

_COUNT = re.compile(r"[0-9]{1,6}", re.ASCII)
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)

_Id = Annotated[str, Meta(min_length=1, max_length=_MAX_TEXT)]
_Body = TypeVar("_Body", bound=msgspec.Struct)


class Basket(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a basket: ids of its products."""

    products: Annotated[list[_Id], Meta(min_length=1, max_length=MAX_BASKET)]


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """A product that a customer bought or looked at, and when (seconds since the epoch)."""

    product: _Id
    time: float | None = None


class Customer(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a customer: recent events, the earliest first unless all of them have a time."""

    events: Annotated[list[Event], Meta(max_length=MAX_EVENTS)]


class NewProduct(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a product that was never sold."""

    brand: Annotated[str, Meta(max_length=_MAX_TEXT)] | None = None
    categories: Annotated[list[Annotated[str, Meta(max_length=_MAX_TEXT)]], Meta(max_length=50)] = []
    title: Annotated[str, Meta(max_length=_MAX_TEXT)] | None = None
    price: Annotated[float, Meta(ge=0)] | None = None


class Query(msgspec.Struct, frozen=True):
    """The parameters of a request.

    Attributes:
        k: maximum number of entries.
        slot: slot that a POST asks for.
        exclude: ids that must not be in the list.
        rules: the other rules; its ``exclude`` is empty.
    """

    k: int = DEFAULT_K
    slot: str = GOES_WITH
    exclude: tuple[str, ...] = ()
    rules: Rules = Rules()


def _count(name: str, text: str) -> int:
    if not _COUNT.fullmatch(text) or int(text) < 1:
        raise ApiError(422, f"{name} must be a whole number of at least 1, not {text[:50]!r}.", "invalid_query")
    return int(text)


def _k(name: str, text: str) -> int:
    k = _count(name, text)
    if k > MAX_K:
        raise ApiError(422, f"k may be at most {MAX_K}, not {k}.", "invalid_query")
    return k


def _amount(name: str, text: str) -> float:
    if not _AMOUNT.fullmatch(text):
        raise ApiError(422, f"{name} must be a number such as 12.50, not {text[:50]!r}.", "invalid_query")
    return float(text)


def _slot(name: str, text: str) -> str:
    if text not in SLOTS:
        raise ApiError(422, f"slot must be one of {', '.join(SLOTS)}, not {text[:50]!r}.", "invalid_query")
    return SLOTS[text]


LISTS = ("exclude", "brands", "not_brands", "categories", "not_categories")
"""Parameters that may be repeated; each names one value, so that a name with a comma stays whole."""
SINGLE: dict[str, Callable[[str, str], Any]] = {
    "k": _k,
    "slot": _slot,
    "price_from": _amount,
    "price_to": _amount,
    "price_ratio_from": _amount,
    "price_ratio_to": _amount,
    "max_per_brand": _count,
}
"""Parameters that may stand once → how their value is read."""
_BARE = Query()


def query(raw: bytes, with_slot: bool) -> Query:
    """The parameters of a query string.

    Args:
        raw: the bytes behind the question mark.
        with_slot: whether the request may name a slot, because its path does not.

    Raises:
        ApiError: a parameter is unknown, repeated or has a wrong value.
    """
    if not raw:
        return _BARE
    return _usual(raw, with_slot) if len(raw) <= _USUAL else _parsed(raw, with_slot)


_USUAL = 200
"""Length up to which what a query string says is remembered: shops ask with the same few again and again."""


def _parsed(raw: bytes, with_slot: bool) -> Query:
    if len(raw) > _MAX_QUERY:
        raise ApiError(422, f"The query string may have at most {_MAX_QUERY:,} bytes.", "invalid_query")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise ApiError(422, "The query string must be UTF-8 with percent signs.", "invalid_query") from error
    values: dict[str, Any] = {}
    lists: dict[str, list[str]] = {}
    for name, text in pairs:
        if name in LISTS:
            if not text.strip():
                raise ApiError(422, f"{name} has an empty value; leave it out.", "invalid_query")
            lists.setdefault(name, []).append(text)
        elif name in SINGLE and (name != "slot" or with_slot):
            if name in values:
                raise ApiError(422, f"{name} may stand only once.", "invalid_query")
            values[name] = SINGLE[name](name, text)
        else:
            known = ", ".join(name for name in (*SINGLE, *LISTS) if name != "slot" or with_slot)
            raise ApiError(422, f"There is no parameter {name[:50]!r}; there are {known}.", "unknown_parameter")
    for name, names in lists.items():
        if len(names) > MAX_VALUES:
            raise ApiError(422, f"{name} may have at most {MAX_VALUES} values.", "invalid_query")
    for low, high in (("price_from", "price_to"), ("price_ratio_from", "price_ratio_to")):
        if low in values and high in values and values[low] > values[high]:
            raise ApiError(422, f"{low} is larger than {high}.", "invalid_query")
    excluded = tuple(lists.pop("exclude", ()))
    k, slot = values.pop("k", DEFAULT_K), values.pop("slot", GOES_WITH)
    return Query(k, slot, excluded, Rules(**{**values, **lists}))


_usual = lru_cache(2_000)(_parsed)


def body(raw: bytes, kind: type[_Body]) -> _Body:
    """The JSON of a body.

    Raises:
        ApiError: it is not JSON, or not of this form.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(422, f"The body does not fit: {error}.", "invalid_body") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(422, f"The body must be JSON: {error}.", "invalid_body") from error
