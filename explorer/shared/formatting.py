"""Small conversions from values to text for people."""

import re
import time
from urllib.parse import urlsplit

from core.untrusted.hosts import is_public
from core.untrusted.markdown import WORD_JOINER, plain
from core.untrusted.urls import scrubbed

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a cell begins with that spreadsheets take for a formula (OWASP, CSV injection), or drop before one."""
_LONGEST_ADDRESS = 2_000
_STRAY = re.compile(r"[\s\x00-\x1f\x7f\\]")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a cell of this text instead of showing it."""
    return text.startswith(_FORMULA)


def for_spreadsheet(text: str) -> str:
    """The text for a CSV cell: an apostrophe, the spreadsheets' own sign for "text", stands before a formula."""
    return "'" + text if is_formula(text) else text


def for_grid(text: str) -> str:
    """The text for a grid on the page, whose own copy and export know no protection: an invisible sign instead."""
    return WORD_JOINER + text if is_formula(text) else text


def web_image(address: object) -> str | None:
    """An address that a browser may be asked to load, or None.

    Never a path, which a server would open itself, and nothing that reaches into the network of who looks at it,
    however the host is spelled. Signs that browsers read otherwise than ``urlsplit`` (white space, backslashes) are
    refused.
    """
    if not isinstance(address, str) or len(address) > _LONGEST_ADDRESS or _STRAY.search(address):
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is none
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not parts.hostname:
        return None
    return address if is_public(parts.hostname) else None


def error_text(error: object) -> str:
    """What an error says, for a place that renders Markdown, and without what may be secret in a URL."""
    return plain(scrubbed(str(error)))


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


def counted(number: int, thing: str) -> str:
    """A number of things, in the singular where it is one."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
