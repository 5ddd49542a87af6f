"""Single field values, cleaned: text, brand, price, sales rank, categories, image address.

Crawled catalogues hold leftovers of the pages they were taken from: tags, scripts, ``by`` and line ends before a
brand, and many spellings of "nothing". A tag is removed and what it encloses stays; a text that is nothing but
leftovers, or that holds script or style rules, is dropped. ``<`` alone is not a tag: ``Hot <3`` and ``A < B`` stay.

The work on a value grows linearly with its length, whatever it holds.
"""

import html
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from core.catalog.literals import LiteralError, parse_literal
from core.catalog.numbers import NO_NUMBER, Number, read_price, read_rank

UNREAD = "unread"
"""Fault: there is a value, and it cannot be read."""
LEFTOVER = "leftover"
"""Fault: nothing but markup or script."""
CLEANED = "cleaned"
"""Fault: markup was removed from it."""
PLACEHOLDER = "placeholder"
"""Fault: a word that only says that there is no value."""
CUT = "cut"
"""Fault: longer than :data:`MAX_CHARACTERS`."""

Note = Callable[[str, Any], None]
"""Called with the fault of a value and the value."""

MAX_CHARACTERS = 10_000
"""Longest text that is kept of a field; what is longer is cut."""
_MAX_RAW = 10 * MAX_CHARACTERS  # white space and markup of a text that is worth the work
_CACHED = 256  # characters of a text that is remembered: the cache must not hold more than the file does

_NO_VALUE = {
    "-", "--", "---", ".", "?", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "<na>", "<n/a>", "(na)", "(n/a)",
    "nan", "-nan", "<nan>", "(nan)", "nat", "none", "<none>", "(none)", "[none]", "null", "<null>", "(null)", "[null]",
    "\\n", "\\\\n", "undefined", "(undefined)", "[object object]", "[]", "{}", "()", '""', "''", "(blank)", "(empty)",
    "(not set)", "not applicable", "not available", "#null!", "#ref!", "#value!", "#name?", "#div/0!", "#num!",
}  # fmt: skip
_NO_BRAND = {"unknown", "unspecified", "generic", "unbranded", "no brand", "no name", "does not apply"}
PLACEHOLDER_BRANDS = frozenset(_NO_VALUE | _NO_BRAND)
"""Lower-case spellings of "there is no brand"."""
_LONGEST_PLACEHOLDER = max(map(len, PLACEHOLDER_BRANDS))

_MAX_FLOAT32 = float(np.finfo(np.float32).max)
_MAX_RANK = 2**62


def _ignore(fault: str, value: Any) -> None:
    """The default: notes nothing."""


def _present(value: Any) -> bool:
    """Whether there is anything: not None, NaN, white space or an empty container."""
    if type(value) is str:
        return bool(value) and not value.isspace()
    return bool(value == value and value is not None and value not in ([], {}, ()))


def clean_text(value: Any, note: Note = _ignore) -> str | None:
    """One line of printable text: HTML entities resolved (once), markup and control characters gone, blanks single."""
    if type(value) is not str:
        if _present(value):
            note(UNREAD, value)
        return None
    text, fault = _clean_text(value, _NO_VALUE)
    if fault:
        note(fault, value)
    return text


def _clean_text(value: str, no_value: set[str] | frozenset[str]) -> tuple[str | None, str | None]:
    """The text and its fault."""
    fault = None
    if len(value) > _MAX_RAW:
        value, fault = value[:_MAX_RAW], CUT
    if "&" in value:
        value = _unescaped(value)
    text = " ".join(value.split())
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else _replacement(c) for c in text).split())
    if any(map(text.__contains__, _SUSPICIOUS)):
        cleaned = _without_leftovers(text)
        if cleaned != text:
            text, fault = cleaned, CLEANED if cleaned else LEFTOVER
    if len(text) <= _LONGEST_PLACEHOLDER and text.casefold() in no_value:
        return None, PLACEHOLDER
    if len(text) > MAX_CHARACTERS:
        text, fault = text[:MAX_CHARACTERS].rstrip(), CUT
    return text or None, fault


_SUSPICIOUS = ("<", "{", ";", "/>", '="', "()", ").", "$(", "var ")
_LONG_REFERENCE = re.compile(r"&#0*+([0-9]*+);?")


def _unescaped(value: str) -> str:
    try:
        return html.unescape(value)
    except ValueError:  # a number of more digits than Python reads
        return html.unescape(_LONG_REFERENCE.sub(_short_reference, value))


def _short_reference(match: re.Match[str]) -> str:
    return f"&#{match[1] or 0};" if len(match[1]) < 8 else "\N{REPLACEMENT CHARACTER}"


def _replacement(character: str) -> str:
    # Joiners and marks of direction belong to words; only controls and broken surrogates become spaces.
    return (
        " " if character < "\x20" or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff" else character
    )


_INSIDE_WORDS = re.compile("b|big|em|font|i|s|small|strong|sub|sup|tt|u")
_ELEMENTS = re.compile(
    "a|abbr|acronym|address|applet|area|article|aside|audio|base|basefont|bdi|bdo|blockquote|body|br|button|"
    "canvas|caption|center|cite|code|col|colgroup|data|datalist|dd|del|details|dfn|dialog|dir|div|dl|dt|embed|"
    "fieldset|figcaption|figure|footer|form|frame|frameset|h1|h2|h3|h4|h5|h6|head|header|hr|html|iframe|img|input|"
    "ins|kbd|label|legend|li|link|main|map|mark|meta|meter|nav|noframes|noscript|object|ol|optgroup|option|output|"
    "p|param|picture|pre|progress|q|rp|rt|ruby|samp|script|section|select|source|span|strike|style|summary|svg|"
    "table|tbody|td|template|textarea|tfoot|th|thead|time|title|tr|track|ul|var|video|wbr"
)
# All of these are possessive, or end at the next angle bracket, so that a text is passed over once.
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<(script|style)\b.*?(?:</\1[^<>]*+>|\Z)|<[!?][a-z][^<>]*+>?",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)([^<>]*+)(>?)")
_BRACKET = re.compile("[<>]")
_TAIL_OF_TAG = re.compile(r"""["']?\s?/>""")
_HEAD_OF_TAG = re.compile(r"""=(?:"[^"<>]*+"|'[^'<>]*+') ?/?>""")
_STYLED = "background|border|bottom|color|cursor|display|float|font|height|left|line|margin|max|min|opacity|overflow|"
_STYLED += "padding|position|right|text|top|vertical|visibility|white|width|z"
_SCRIPT = re.compile(
    r"\bvar [\w$]++ ?=|\( ?new Date\b|\.getTime ?\(|\bfunction ?\w*+ ?\([^()]*+\) ?\{|\btypeof \w"
    r"|\$\((?:document|function)|\b(?:document|window)\.\w++ ?[(=.]|\bjQuery ?\(|\bP\.when ?\(|\bue_t0\b"
    rf"|[^\s{{]\{{(?:{_STYLED})[a-z-]*+:[^{{}}\s]|\{{ ?(?:{_STYLED})[a-z-]*+ ?:[^{{}};]++;"
)


def _without_leftovers(text: str) -> str:
    """``text`` (of single blanks) without markup; empty if script or style rules stand in it."""
    cleaned = text
    if "<" in cleaned:
        cleaned = _TAG.sub(_without_tag, _HIDDEN.sub(" ", cleaned))
    if ">" in cleaned:  # the text may have been cut out of the middle of a tag
        first = _HEAD_OF_TAG.search(cleaned)
        if first and not _BRACKET.search(cleaned, 0, first.end() - 1):
            cleaned = cleaned[first.end() :]
        cleaned = _TAIL_OF_TAG.sub(" ", cleaned)
    return "" if _SCRIPT.search(cleaned) else " ".join(cleaned.split())


def _without_tag(match: re.Match[str]) -> str:
    """What stays of a tag, or of something that only looks like one: one that is whole, or surely begins as one."""
    closing, name, rest, end = match.groups()
    name = name.lower()
    bare = not rest.strip(" /")
    if end:
        is_tag = bare or "=" in rest or (len(name) > 1 and rest[0] in " /")
    else:
        is_tag = bool(closing) or "=" in rest or (bare and len(name) > 1)
    if is_tag and _INSIDE_WORDS.fullmatch(name):
        return ""
    return " " if is_tag and _ELEMENTS.fullmatch(name) else match[0]


@lru_cache(maxsize=1 << 16)
def _known_label(value: str) -> tuple[str | None, str | None]:
    return _clean_text(value, _NO_VALUE)


_BY = re.compile(r"\s*+by(?=[^\S\r\n]*+[\r\n])\s*+", re.IGNORECASE)  # a line end tells it from the brand "By Terry"
_STORE = re.compile(r"Visit the (.{1,200}) Store|Brand: (.{1,200})")


def clean_brand(value: Any, note: Note = _ignore) -> str | None:
    """Like :func:`clean_text`; "by" on a line of its own goes, and placeholders such as "Unknown" are no brand."""
    if type(value) is not str:
        return clean_text(value, note)
    brand, fault = _known_brand(value) if len(value) <= _CACHED else _clean_brand(value)
    if fault:
        note(fault, value)
    return brand


@lru_cache(maxsize=1 << 16)
def _known_brand(value: str) -> tuple[str | None, str | None]:
    return _clean_brand(value)


def _clean_brand(value: str) -> tuple[str | None, str | None]:
    by = _BY.match(value)
    brand, fault = _clean_text(value[by.end() :] if by else value, PLACEHOLDER_BRANDS)
    if brand and (store := _STORE.fullmatch(brand)):
        brand, fault = _clean_text(store[1] or store[2], PLACEHOLDER_BRANDS)[0], CLEANED
    return brand, fault or (CLEANED if by and brand else LEFTOVER if by else None)


def price_number(value: Any, note: Note = _ignore) -> Number:
    """The price that a number or a text (``core.catalog.numbers.read_price``) says; none unless finite and >= 0."""
    price = NO_NUMBER
    if type(value) is str:
        price = read_price(value)
        if price.usual is not None and not all(v is None or v <= _MAX_FLOAT32 for v in price[:2]):
            price = NO_NUMBER
    elif (type(value) is float or type(value) is int) and 0 <= value <= _MAX_FLOAT32:
        # Written so that NaN fails too, and before a huge int becomes a float.
        price = Number(float(value), float(value))
    if price.usual is None:
        _note_unread(value, note)
    return price


def clean_price(value: Any, note: Note = _ignore) -> float | None:
    """The price by itself: where only its column tells what ``1.299`` means, the point is the decimal mark."""
    return price_number(value, note).usual


def _note_unread(value: Any, note: Note) -> None:
    if _present(value):
        empty = type(value) is str and len(value) <= 100 and value.strip().casefold() in _NO_VALUE
        if not empty:
            note(UNREAD, value)


def rank_numbers(value: Any, note: Note = _ignore) -> list[Number]:
    """The positive sales ranks in a number, "2,345 in Beauty (", a list of those or {category: rank}."""
    items: Any = [value]
    if type(value) is list or type(value) is dict:
        items = value.values() if type(value) is dict else value
    ranks = [rank for item in items if (rank := _rank(item)) is not NO_NUMBER]
    if not ranks:
        _note_unread(value, note)
    return ranks


def _rank(value: Any) -> Number:
    if type(value) is str:
        point, comma, _ = read_rank(value)
        point = point if point is not None and 0 < point <= _MAX_RANK else None
        comma = comma if comma is not None and 0 < comma <= _MAX_RANK else None
        return NO_NUMBER if point is None and comma is None else Number(point, comma)
    if type(value) is int or (type(value) is float and value.is_integer()):
        return Number(int(value), int(value)) if 0 < value <= _MAX_RANK else NO_NUMBER
    return NO_NUMBER


def clean_rank(value: Any, note: Note = _ignore) -> int | None:
    """The best (smallest) of :func:`rank_numbers` by itself."""
    ranks = [rank.usual for rank in rank_numbers(value, note) if rank.usual is not None]
    return int(min(ranks)) if ranks else None


def clean_categories(value: Any, note: Note = _ignore) -> list[str]:
    """The distinct labels of one label, a list of labels or a list of such lists, in order of appearance.

    A list that was written out as text (``['Beauty', 'Hair']``, as Python, JSON or NumPy do) is a list.
    """
    if type(value) is str:
        value = list_in(value) or [value]
    elif type(value) is not list:
        if _present(value):
            note(UNREAD, value)
        return []
    labels: dict[str, None] = {}
    for item in value:
        for label in item if type(item) is list else (item,):
            if type(label) is str:
                text, fault = _known_label(label) if len(label) <= _CACHED else _clean_text(label, _NO_VALUE)
                if fault:
                    note(fault, label)
                if text is not None:
                    labels[text] = None
            elif _present(label):
                note(UNREAD, label)
    return list(labels)


def split_categories(value: Any) -> Any:
    """What a cell of a team's own table holds: ``a|b|c`` as a list, a list written out as text, or ``value`` itself."""
    if type(value) is not str:
        return value
    items = list_in(value)
    return value.split("|") if items is None else items


_LIST_MARKS = re.compile(r"[\s,\[\]()]*+")
_LIST_ITEM = re.compile(r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|None\b|null\b|nan\b|NaN\b""", re.DOTALL)


def list_in(text: str) -> list[str] | None:
    """The texts of a list that was written out as text, nested or not; None if it is not such a list.

    Items are taken one by one, because what NumPy writes (``['a' 'b']``) is one joined text in Python.
    """
    text = text.strip()
    if not (text.startswith(("[", "(")) and text.endswith(("]", ")"))) or len(text) > _MAX_RAW:
        return None
    items, place = [], 0
    while place < len(text):
        if marks := _LIST_MARKS.match(text, place):
            place = marks.end()
        if place == len(text):
            break
        item = _LIST_ITEM.match(text, place)
        if item is None:
            return None
        place = item.end()
        if item[0][0] in "'\"":
            try:
                items.append(parse_literal(item[0].encode("utf-8", "surrogatepass")))
            except LiteralError:
                return None
    return items


def clean_image(value: Any, note: Note = _ignore) -> str | None:
    """The first http(s) address of an address or a list of them."""
    raw = value
    if type(value) is list:
        value = next((item for item in value if type(item) is str and item.strip()), None)
    url = value.strip() if type(value) is str else ""
    if url.startswith(("http://", "https://")) and url.isprintable() and " " not in url and len(url) <= MAX_CHARACTERS:
        return url
    _note_unread(raw, note)
    return None


def excerpt(value: str | bytes) -> str:
    """At most 200 printable characters that show a user what stood there."""
    text = value[:800].decode("utf-8", "replace") if isinstance(value, bytes) else value[:200]
    text = text.strip()[:200]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
