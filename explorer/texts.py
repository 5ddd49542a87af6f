"""Small conversions from values to text for people.

Belongs here: shortening, escaping and formatting. Does not belong here: Streamlit calls and anything that reads.
"""

import re
import string
import time

_WORD_JOINER = "\u2060"
_LINKS = re.compile(r"(?<=www)(?=\.)|(?<=:/)(?=/)|(?=@)", re.IGNORECASE)
_ESCAPED = str.maketrans({c: "\\" + c for c in string.punctuation})


def plain(text: str) -> str:
    """Escape text from data for a place that renders Markdown: every sign stands for itself.

    CommonMark (section 2.4) lets every ASCII punctuation sign be escaped by a backslash; Streamlit's own
    extensions (colours, icons, LaTeX) start with such a sign too. HTML is never rendered by Streamlit unless
    asked to. Addresses become links after escapes are resolved, so an invisible word joiner breaks them up.
    """
    return _LINKS.sub(_WORD_JOINER, " ".join(text.split())).translate(_ESCAPED)


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
