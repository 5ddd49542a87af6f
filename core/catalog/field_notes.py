"""What was wrong with single values of a table, counted by column.

A line whose values are noted here is read all the same; lines that are not are the quarantine's.
"""

from collections.abc import Mapping
from typing import Any

from core.catalog.clean import CLEANED, CUT, LEFTOVER, PLACEHOLDER, UNREAD, excerpt

_COLUMNS = {
    "title": "titles",
    "brand": "brands",
    "price": "prices",
    "categories": "categories",
    "sales_rank": "sales ranks",
    "image_url": "image addresses",
    "place": "places in a list",
}
_SENTENCES = {
    UNREAD: "{column} present but unread: {count:,}, e.g. {example!r}",
    LEFTOVER: "{column} that were markup or script and were dropped: {count:,}, e.g. {example!r}",
    CLEANED: "{column} from which markup was removed: {count:,}, e.g. {example!r}",
    PLACEHOLDER: "{column} that only say there is none and were dropped: {count:,}, e.g. {example!r}",
    CUT: "{column} that were too long and were cut: {count:,}, e.g. {example!r}",
}


class FieldNotes:
    """Counts of faults by column, with the first value that had each."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, dict[str, Any]]] = {}

    def add(self, column: str, fault: str, value: Any, count: int = 1) -> None:
        """Count ``count`` values of ``column``, of which ``value`` is the first."""
        faults = self._found.setdefault(column, {})
        if fault in faults:
            faults[fault]["count"] += count
        else:
            faults[fault] = {"count": count, "example": excerpt(_short(value))[:80]}

    def facts(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Column → fault → ``count`` and ``example``; JSON-able."""
        return {column: self._found[column] for column in _COLUMNS if column in self._found}


def _short(value: Any) -> str:
    """A beginning of the value's text, without writing out all of a large one."""
    while isinstance(value, list | tuple | dict) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    if isinstance(value, str):
        return value.strip()[:200] or " "
    if isinstance(value, int) and value.bit_length() > 600:  # Python refuses to write very large ones
        return f"a number of {value.bit_length():,} bits"
    return str(value)[:200]


def sentences(facts: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """What :meth:`FieldNotes.facts` says, a sentence for each column and fault."""
    return [
        _SENTENCES[fault].format(column=_COLUMNS[column], **entry)
        for column, faults in facts.items()
        for fault, entry in faults.items()
    ]
