"""Single field values, cleaned: text, brand, price, sales rank, categories, image address.

Belongs here: what one raw value of a catalogue means; every function takes any value and returns None (or an empty
list) for one it cannot use, never an error. Does not belong here: which key of which format holds the value.
"""

import html
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

_NO_VALUE = {"-", "--", ".", "?", "na", "n/a", "n.a.", "nan", "none", "null", "not applicable", "not available"}
_NO_BRAND = {"unknown", "unspecified", "generic", "unbranded", "no brand", "no name", "does not apply"}
PLACEHOLDER_BRANDS = frozenset(_NO_VALUE | _NO_BRAND)
"""Lower-case spellings of "there is no brand"."""

_MAX_FLOAT32 = float(np.finfo(np.float32).max)
_MAX_RANK = 2**62
_NUMBER = r"[$£€¥]?\s*(\d[\d,]*(?:\.\d+)?|\.\d+)"
_PRICE = re.compile(rf"\s*{_NUMBER}(?:\s*[-–]\s*{_NUMBER})?\s*")
_RANK = re.compile(r"[>#\s]*(\d[\d,]{0,24})(?:\s+in\s|\s*\(|\s*$)")


def clean_text(value: Any) -> str | None:
    """One line of printable text: HTML entities resolved (once), whitespace and control characters as one space."""
    if type(value) is not str:
        return None
    if "&" in value:
        value = html.unescape(value)
    text = " ".join(value.split())
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else _replacement(c) for c in text).split())
    return text or None


def _replacement(character: str) -> str:
    # Joiners and marks of direction belong to words; only controls and broken surrogates become spaces.
    return (
        " " if character < "\x20" or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff" else character
    )


@lru_cache(maxsize=1 << 16)
def _clean_label(value: str) -> str | None:
    return clean_text(value)


def clean_brand(value: Any) -> str | None:
    """Like :func:`clean_text`; placeholders such as "Unknown" are no brand."""
    return _clean_brand(value) if type(value) is str else None


@lru_cache(maxsize=1 << 16)
def _clean_brand(value: str) -> str | None:
    brand = clean_text(value)
    return None if brand is None or brand.casefold() in PLACEHOLDER_BRANDS else brand


def clean_price(value: Any) -> float | None:
    """A number, or text such as "$12.99" or "$5.00 - $10.00" (the lower end counts); None unless finite and >= 0."""
    if type(value) is str:
        match = _PRICE.fullmatch(value) if len(value) < 64 else None
        if match is None:
            return None
        price = min(float(group.replace(",", "")) for group in match.groups() if group)
    elif type(value) is float or type(value) is int:
        if not 0 <= value <= _MAX_FLOAT32:  # written so that NaN fails too, and before a huge int becomes a float
            return None
        price = float(value)
    else:
        return None
    return price if math.isfinite(price) and price <= _MAX_FLOAT32 else None


def clean_rank(value: Any) -> int | None:
    """The best (smallest) positive sales rank in a number, "2,345 in Beauty (", a list of those or {category: rank}."""
    return min(_ranks(value), default=None)


def _ranks(value: Any) -> Iterator[int]:
    if type(value) is int:
        if 0 < value <= _MAX_RANK:
            yield value
    elif type(value) is float:
        if value.is_integer() and 0 < value <= _MAX_RANK:
            yield int(value)
    elif type(value) is str:
        if match := _RANK.match(value):
            yield from _ranks(int(match[1].replace(",", "")))
    elif type(value) is list or type(value) is dict:
        for item in value.values() if type(value) is dict else value:
            if type(item) is not list and type(item) is not dict:
                yield from _ranks(item)


def clean_categories(value: Any) -> list[str]:
    """The distinct labels of one label, a list of labels or a list of such lists, in order of appearance."""
    if type(value) is str:
        value = [value]
    elif type(value) is not list:
        return []
    labels: dict[str, None] = {}
    for item in value:
        for label in item if type(item) is list else (item,):
            text = _clean_label(label) if type(label) is str else None
            if text is not None:
                labels[text] = None
    return list(labels)


def clean_image(value: Any) -> str | None:
    """The first http(s) address of an address or a list of them."""
    if type(value) is list:
        value = next((item for item in value if type(item) is str and item.strip()), None)
    if type(value) is not str:
        return None
    url = value.strip()
    return url if url.startswith(("http://", "https://")) and url.isprintable() and " " not in url else None


def excerpt(value: str | bytes) -> str:
    """At most 200 printable characters that show a user what stood there."""
    text = value[:800].decode("utf-8", "replace") if isinstance(value, bytes) else value[:200]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.strip()[:200])
