"""What the listings between products are called, and what it means when a table repeats one."""

import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.typing import AnyArray, Int64Array

KINDS = ("bought_together", "also_bought", "also_viewed")
"""The relationships of the article; a team's own pairs table may name others."""
UNNAMED = "pair"
"""The relationship of all pairs in a table without a relationship column."""

REPEATS = b"repeats"
"""Key in the metadata of a ``raw_relationships`` table's schema, so that the rule is stored with the rows it is for."""
ADD = b"add"
"""Rows of the same pair and relationship are events, or counts of them: they add up, in either direction."""
ONCE = b"once"
"""A row is a place in a product's list: the same listing repeated by the same product counts once."""

_SYNONYMS = {
    "alsobought": "also_bought",
    "alsobuy": "also_bought",
    "customersalsobought": "also_bought",
    "alsoviewed": "also_viewed",
    "alsoview": "also_viewed",
    "customersalsoviewed": "also_viewed",
    "boughttogether": "bought_together",
    "buytogether": "bought_together",
    "frequentlyboughttogether": "bought_together",
}
_BETWEEN = re.compile(r"[\s_-]+")


def plain_name(name: str) -> str:
    """The name without case, white space, ``-`` and ``_``, by which names are compared."""
    return _BETWEEN.sub("", name).casefold()


def known_name(name: str) -> str | None:
    """The one of :data:`KINDS` that is meant, None for any other name.

    >>> known_name("Also-Viewed"), known_name("also_buy"), known_name("__doc__")
    ('also_viewed', 'also_bought', None)
    """
    return _SYNONYMS.get(plain_name(name))


def unify_names(codes: AnyArray, names: Iterable[str]) -> tuple[Int64Array, list[str]]:
    """Give names that are the same but for their spelling one code; a name that is not known keeps its first spelling.

    Args:
        codes: integers ``[m]``, positions in ``names``.
        names: the names as written.

    Returns:
        int64 ``[m]`` positions in the names returned, which are distinct.
    """
    positions: dict[str, int] = {}
    unified: list[str] = []
    lookup = []
    for name in names:
        known = known_name(name)
        key = plain_name(known or name) or name  # a name of nothing but blanks and dashes is still a name
        if key not in positions:
            positions[key] = len(unified)
            unified.append(known or name)
        lookup.append(positions[key])
    return np.array(lookup, np.int64)[codes] if lookup else codes.astype(np.int64), unified


def repeats_add(relationships: pa.Table) -> bool:
    """Whether repeated rows of a ``raw_relationships`` table add up (:data:`ADD`) or count once (:data:`ONCE`).

    A table that does not say, as versions before this one wrote them, is taken for lists of Amazon's metadata if it
    has nothing but their names and no weight, and for a team's own pairs otherwise.
    """
    rule = (relationships.schema.metadata or {}).get(REPEATS)
    if rule is not None:
        return bool(rule == ADD)
    if relationships["weight"].null_count < relationships.num_rows:
        return True
    return any(name not in KINDS for name in relationship_counts(relationships))


def relationship_counts(relationships: pa.Table) -> dict[str, int]:
    """Number of rows by relationship name."""
    counts = pc.value_counts(relationships["relationship"].combine_chunks()).to_pylist()
    return {str(c["values"]): int(c["counts"]) for c in counts}


def unknown_counts(relationships: pa.Table) -> dict[str, int]:
    """Number of rows by name, for the names that are not in :data:`KINDS`, the most frequent first."""
    counts = {
        name: n for name, n in relationship_counts(relationships).items() if name != UNNAMED and not known_name(name)
    }
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
