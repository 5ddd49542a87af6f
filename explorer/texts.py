"""Small conversions from values to text for people.

Belongs here: shortening, escaping and formatting. Does not belong here: Streamlit calls and anything that reads.
"""

import re
import string
import time
from urllib.parse import urlsplit

_WORD_JOINER = "\u2060"
_LINKS = re.compile(r"(?<=www)(?=\.)|(?<=:/)(?=/)|(?=@)", re.IGNORECASE)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a cell begins with that spreadsheets take for a formula (OWASP, CSV injection), or drop before one."""
_LONGEST_ADDRESS = 2_000
_ESCAPED = str.maketrans({c: "\\" + c for c in string.punctuation})


def plain(text: str) -> str:
    """Escape text from data for a place that renders Markdown: every sign stands for itself.

    CommonMark (section 2.4) lets every ASCII punctuation sign be escaped by a backslash; Streamlit's own
    extensions (colours, icons, LaTeX) start with such a sign too. HTML is never rendered by Streamlit unless
    asked to. Addresses become links after escapes are resolved, so an invisible word joiner breaks them up.
    """
    return _LINKS.sub(_WORD_JOINER, " ".join(text.split())).translate(_ESCAPED)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a cell of this text instead of showing it."""
    return text.startswith(_FORMULA)


def for_spreadsheet(text: str) -> str:
    """The text for a CSV cell: an apostrophe, the spreadsheets' own sign for "text", stands before a formula."""
    return "'" + text if is_formula(text) else text


def for_grid(text: str) -> str:
    """The text for a grid on the page, whose own copy and export know no protection: an invisible sign instead."""
    return _WORD_JOINER + text if is_formula(text) else text


def web_image(address: object) -> str | None:
    """An address that a browser may be asked to load, or None: never a path, which a server would open itself."""
    if not isinstance(address, str) or len(address) > _LONGEST_ADDRESS:
        return None
    try:
        parts = urlsplit(address)
        return address if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def shorten(text: str, limit: int) -> str:
    """One line of at most ``limit`` characters, cut with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def ago(seconds: float) -> str:
    """A time span as "3 h ago", rounded down to its largest unit."""
    for unit, length in (("day", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


def when(created: float, now: float | None = None) -> str:
    """How long ago a moment (seconds since the epoch) was."""
    return ago((time.time() if now is None else now) - created)


def size(count: float) -> str:
    """Bytes as "12.3 MB" (decimal units)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
