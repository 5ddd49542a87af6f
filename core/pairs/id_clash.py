"""Why the ids of two files about the same products never meet.

Nothing is mended: two ids that look alike may be two products.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_Change = Callable[[pa.Array], pa.Array]


def _without(pattern: str) -> _Change:
    return lambda ids: pc.replace_substring_regex(ids, pattern, "")


# Where several explain as much, the first one is named: the narrow ones come first.
_CHANGES: Mapping[str, _Change] = {
    "one side writes capital letters where the other has small ones": pc.utf8_lower,
    "one side has floating-point numbers, such as 1000.0 for 1000": _without(r"\.0*$"),
    "one side has lost leading zeros": _without(r"^0+"),
    "one side has white space or invisible marks inside its ids": _without(r"[\s\p{Z}\p{Cf}]+"),
    "one side has quotes or an equals sign around its ids": _without(r"""^[="'`]+|["'`]+$"""),
    "one side writes dashes, points or underscores where the other does not": _without(r"[-_./ ]+"),
    "one side has something before the last colon, slash or bar": _without(r"^.*[:/|#]"),
    "one side has something behind a colon, slash, bar or at sign": _without(r"[:/|#@].*$"),
    "the two sides write the same characters in different ways (Unicode)": lambda ids: pc.utf8_normalize(ids, "NFKC"),
    "one side has something before the number": _without(r"^[^0-9]+"),
}
_ENOUGH = 0.1
"""Share of the smaller side's ids that must meet once both sides are changed alike, for this to be a likely reason."""
_LOOKED_AT = 200_000
"""Ids of the pairs that are looked at; all of the metadata's are."""


@dataclass(frozen=True)
class Clash:
    """An id of each side, and why they do not meet.

    Attributes:
        sentence: for people, with the likely reason and the remedy.
        facts: ``paired_id``, ``metadata_id`` and ``reason`` (None if none was found); JSON-able.
    """

    sentence: str
    facts: Mapping[str, Any]


def likely_clash(paired: pa.Array, known: pa.Array) -> Clash:
    """Find the change that makes most of the ids meet.

    Args:
        paired: string ``[n]``, ids of products that have pairs but no metadata; at least one.
        known: string ``[m]``, ids of products that have metadata and no pairs.
    """
    if not len(known):
        text = "the metadata is only about these; more of it would help the models that use it"
        return Clash(text, {"reason": None})
    looked_at = paired.slice(0, _LOOKED_AT)
    best, reason, example = 0, None, (paired[0].as_py(), known[0].as_py())
    for name, change in _CHANGES.items():
        mine, theirs = change(looked_at), change(known)
        place = pc.index_in(mine, value_set=theirs)
        meets = place.is_valid().to_numpy(zero_copy_only=False) & pc.greater(pc.binary_length(mine), 0).to_numpy(
            zero_copy_only=False
        )
        count = int(np.count_nonzero(meets))
        if count > best:
            best, reason = count, name
            first = int(np.argmax(meets))
            example = (looked_at[first].as_py(), known[place[first].as_py()].as_py())
    if best < _ENOUGH * min(len(looked_at), len(known)):
        reason, example = None, (paired[0].as_py(), known[0].as_py())
    text = f"a product of the pairs is called {example[0]!r}, one of the metadata {example[1]!r}"
    text += f"; probably {reason}" if reason else ""
    facts = {"paired_id": example[0], "metadata_id": example[1], "reason": reason}
    return Clash(f"{text}. Write the ids alike in both files", facts)
