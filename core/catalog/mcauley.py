"""Amazon metadata as McAuley's group publishes it, one product a line, into the catalogue's tables.

The article uses ``also_bought``, ``also_viewed`` and ``bought_together``; ``buy_after_viewing`` is no part of it and
is ignored, like any other name under ``related``; how many lines had such a list is counted. A line goes to quarantine
whole if it has no usable ``asin`` or if one of its lists is broken, because half a product's relationships would bias
its neighbours unnoticed. Any other field of a wrong type becomes null: a product without a price is still a product.

A product that comes again adds what the first line of it did not have: fields that were missing, categories, and
listings (``core.catalog.tables``).
"""

from collections import Counter
from pathlib import Path
from typing import Any

from core.catalog import clean
from core.catalog.lines import LineBlocks
from core.catalog.literals import LiteralError, parse_literal
from core.catalog.tables import BadRecordError, IdList, ListedPairs, ProductRows, Quarantine, check_id, check_ids
from core.progress import Progress
from core.relationships import KINDS, known_name, plain_name

_IGNORED = plain_name("buy_after_viewing")
_PREFIXES = ("related.", "related_", "related-", "related/", "related:")


_MOST_NAMES = 100
"""Names of ignored lists that are counted."""


class _Names(dict[Any, "int | str | None"]):
    """Key of a record → position in ``KINDS``, or a name if it is a list that is ignored, or None for any other field.

    Filled as keys come up: files have few different ones.
    """

    def __missing__(self, key: Any) -> int | str | None:
        name = key if type(key) is str else ""
        under_related = name.lower().startswith(_PREFIXES)
        name = name[len(_PREFIXES[0]) :] if under_related else name
        known = known_name(name)
        meant: int | str | None = None
        if known is not None:
            meant = KINDS.index(known)
        elif under_related or plain_name(name) == _IGNORED:
            meant = name
        if len(self) < 10_000:
            self[key] = meant
        return meant


class McAuleyReader:
    """Fills the tables line by line; memory grows with the columns kept, not with the file.

    Attributes:
        products, pairs: builders of the two tables.
        lines: lines read that are not blank.
        bad_lines: of these, the ones that could not be used.
        repeated: of these, the ones whose product came before; they are quarantined too, but published files are
            full of them (some percent in 2018) and nothing is lost, so they do not count as bad.
        ignored_lists: name of a list that is none of ``KINDS`` → lines that have it.
    """

    def __init__(self, quarantine: Quarantine) -> None:
        self.products = ProductRows()
        self.pairs = ListedPairs()
        self.lines = self.bad_lines = self.repeated = 0
        self.ignored_lists: Counter[str] = Counter()
        self._quarantine = quarantine
        self._seen: set[str] = set()
        self._records = 0
        self._names = _Names()

    def read(self, path: Path, name: str, max_bad_share: float, progress: Progress) -> str:
        """Read all of ``path``, called ``name`` in the quarantine; returns its fingerprint (SHA-256 of its bytes)."""
        reader = LineBlocks(path, progress, "read products")
        number = 0
        for block in reader.blocks():
            lines = block.split(b"\n")
            if not lines[-1]:
                lines.pop()
            for line in lines:
                number += 1
                if line and not line.isspace():
                    self._read_line(name, number, line)
            self._quarantine.stop_if_hopeless(name, self.lines, self.bad_lines + self.repeated, max_bad_share)
        for fault in reader.faults:
            self.lines += 1
            self._bad(name, fault.line, fault.reason, fault.excerpt)
        return reader.fingerprint

    def _read_line(self, name: str, number: int, line: bytes) -> None:
        self.lines += 1
        try:
            if self._add(parse_literal(line)):
                return
        except (LiteralError, BadRecordError) as error:
            self._bad(name, number, str(error), line)
        else:
            self.repeated += 1
            self._quarantine.add(name, number, "product appeared before (what is new here was added to it)", line)

    def _bad(self, name: str, number: int, reason: str, raw: str | bytes) -> None:
        self.bad_lines += 1
        self._quarantine.add(name, number, reason, raw)

    def _add(self, record: Any) -> bool:
        """Add a product, or to a product; False if it was there already."""
        if type(record) is not dict:
            raise BadRecordError(f"no dict but {type(record).__name__}")
        if "asin" not in record:
            raise BadRecordError("no asin")
        asin = check_id(record["asin"])
        lists: list[tuple[int, IdList]] = []
        ignored: list[str] = []
        names = self._names
        for name, value in record.items():
            if (kind := names[name]) is not None:
                self._take(kind, name, value, lists, ignored)
        related = record.get("related")
        if related is not None and related == related:
            if type(related) is not dict:
                raise BadRecordError(f"related is no dict but {type(related).__name__}")
            for name, value in related.items():
                kind = names[name]
                self._take(str(name)[:100] if kind is None else kind, name, value, lists, ignored)
        for kind, listed in lists:
            self.pairs.add(self._records, kind, listed)
        if ignored:
            self.ignored_lists.update(name for name in ignored if name in self.ignored_lists or self._room_for_names())
        repeated = asin in self._seen
        get = record.get
        self.products.add(
            asin,
            title=get("title"),
            brand=get("brand"),
            price=get("price"),
            categories=get("categories", get("category")),
            sales_rank=get("salesRank", get("rank")),
            image_url=get("imUrl", get("imageURL")),
            repeated=repeated,
        )
        self._records += 1
        self._seen.add(asin)
        return not repeated

    def _room_for_names(self) -> bool:
        return len(self.ignored_lists) < _MOST_NAMES

    @staticmethod
    def _take(kind: int | str, name: str, value: Any, lists: list[tuple[int, IdList]], ignored: list[str]) -> None:
        """Add a list to ``lists``, or its name to ``ignored`` if it is none of ``KINDS``."""
        if type(kind) is int:
            if (listed := _ids(name, value)) is not None:
                lists.append((kind, listed))
        elif value and value == value:
            ignored.append(str(kind))


def _ids(name: str, listed: Any) -> IdList | None:
    """The ids of a list; None where there is none."""
    if type(listed) is str:
        listed = clean.list_in(listed) or listed
    if not listed and listed in (None, "", []):  # no list is no error
        return None
    if type(listed) is float and listed != listed:  # pandas' way to say so
        return None
    if type(listed) is not list:
        raise BadRecordError(f"{name} is no list but {type(listed).__name__}")
    try:
        return check_ids(listed)
    except BadRecordError as error:
        raise BadRecordError(f"{name}: {error}") from None
