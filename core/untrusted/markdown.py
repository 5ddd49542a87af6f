"""Text from data in places that render Markdown: the explorer and the tables of the Dagster UI."""

import re
import string

WORD_JOINER = "\u2060"
_LINKS = re.compile(r"(?<=www)(?=\.)|(?<=:/)(?=/)|(?=@)", re.IGNORECASE)
_ESCAPED = str.maketrans({c: "\\" + c for c in string.punctuation})


def plain(text: str) -> str:
    """Escape text from data for a place that renders Markdown: every character stands for itself, on one line.

    CommonMark (section 2.4) lets every ASCII punctuation character be escaped by a backslash; Streamlit's own
    extensions (colours, icons, LaTeX), tables and HTML start with such a character too. Addresses become links after
    escapes are resolved, so an invisible word joiner breaks them up.
    """
    return _LINKS.sub(WORD_JOINER, " ".join(text.split())).translate(_ESCAPED)
