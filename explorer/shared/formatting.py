"""Conversions from values to text for people."""

import math
import re
import time
from urllib.parse import urlsplit

from core.untrusted.hosts import is_public
from core.untrusted.markdown import WORD_JOINER, plain
from core.untrusted.urls import scrubbed

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How cells begin that spreadsheets take for formulas (OWASP, CSV injection), or that they skip before a formula."""
_MAX_ADDRESS = 2_000
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_STRAY = re.compile(r"[\s\x00-\x1f\x7f\\]")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a cell with this text instead of showing it."""
    return text.startswith(_FORMULA)


def for_spreadsheet(text: str) -> str:
    """The text for a CSV cell: a formula is preceded by an apostrophe, which marks text in spreadsheets."""
    return "'" + text if is_formula(text) else text


def for_grid(text: str) -> str:
    """The text for a grid on the page, which people can copy or export: a formula is preceded by an invisible sign."""
    return WORD_JOINER + text if is_formula(text) else text


def web_image(address: object) -> str | None:
    """An address that a browser may be asked to load, or None.

    Refused are paths, which the server would open itself, addresses in the private network of the viewer, however the
    host is spelled, and characters that browsers read differently from ``urlsplit`` (white space, backslashes).
    """
    if not isinstance(address, str) or len(address) > _MAX_ADDRESS or _STRAY.search(address):
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError if it is not a port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not parts.hostname:
        return None
    return address if is_public(parts.hostname) else None


def error_text(error: object) -> str:
    """The message of an error, escaped for Markdown and without possible secrets in URLs."""
    return plain(scrubbed(str(error)))


def shorten(text: str, limit: int) -> str:
    """The text as one line of at most ``limit`` characters; a longer text ends with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def ago(seconds: float) -> str:
    """A time span in seconds as "3 h ago", rounded down to its largest unit."""
    for unit, length in (("day", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


def when(created: float, now: float | None = None) -> str:
    """How long ago a time (seconds since the epoch) was."""
    return ago((time.time() if now is None else now) - created)


def duration(seconds: float) -> str:
    """A length of time as "7 s", "3 min 20 s" or "1 h 5 min"."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(count: float) -> str:
    """A number of bytes as "12.3 MB" (decimal units)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def counted(number: int, thing: str) -> str:
    """A number of things, such as "1 pair" or "2 pairs"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def significant(number: float, digits: int = 2) -> str:
    """A number with this many significant digits: "0.0042", "1.2", "120,000"; a tiny one as "4.2 × 10⁻⁷"."""
    if not number or not math.isfinite(number):
        return "0" if number == 0 else "–"
    mantissa, _, power = f"{number:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if exponent < -5:
        return f"{mantissa} × 10{str(exponent).translate(_RAISED)}"
    return f"{float(f'{mantissa}e{exponent}'):,.{max(0, digits - 1 - exponent)}f}"


def percent(share: float) -> str:
    """A share as a percentage with two significant digits; one of less than a hundredth of a percent in words."""
    return "under 0.01 %" if 0 < share < 0.0001 else f"{significant(100 * share)} %"
