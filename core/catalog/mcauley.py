"""Reads Amazon metadata as McAuley's group publishes it, one product a line, into the catalogue's tables.

The article uses ``also_bought``, ``also_viewed`` and ``bought_together``. Any other list, such as
``buy_after_viewing``, is ignored; the lines that have one are counted. A line goes to quarantine whole if it has no
usable ``asin`` or if one of its lists is broken, because half of a product's relationships would bias its neighbours
unnoticed. Any other field of a wrong type becomes null: a product without a price is still a product.

A product that comes again adds what the first line of it did not have: fields that were missing, categories, and
listings (``core.catalog.tables``).
"""

from collections import Counter
from typing import Any

from core.catalog import clean, formats
from core.catalog.column_names import shown_columns
from core.catalog.file_kind import ARROW, TEXT, SourceFile, check_json, is_json
from core.catalog.formats import Contents
from core.catalog.lines import LineBlocks
from core.catalog.literals import LiteralError, parse_literal
from core.catalog.quarantine import FileReport
from core.catalog.records import likely_names
from core.catalog.tables import BadRecordError, IdList, ListedPairs, ProductRows, check_id, check_ids
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


def recognise(file: SourceFile) -> bool:
    """Whether a file is Amazon metadata: one JSON object or Python dict a line, or nothing at all.

    Raises:
        UnreadableError: the file is JSON from which certainly no product with relationships can be read.
    """
    if file.is_blank:
        return True
    if file.kind != TEXT or not is_json(file.head):
        return False
    check_json(file.head)
    return True


class McAuleyReader:
    """Fills the tables line by line (a :class:`core.catalog.formats.Reader`).

    Memory grows with the columns kept, not with the file. Published files repeat some percent of their products (2018).
    """

    def __init__(self) -> None:
        self._products = ProductRows()
        self._pairs = ListedPairs()
        self._ignored_lists: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._records = 0
        self._names = _Names()

    def read(self, file: SourceFile, report: FileReport, progress: Progress) -> str:
        """Read all of a file; see :meth:`core.catalog.formats.Reader.read`."""
        if not recognise(file):
            raise formats.FORMATS["mcauley"].refusal(_described(file))
        reader = LineBlocks(file.path, progress, "read products")
        number = 0
        for block in reader.blocks():
            lines = block.split(b"\n")
            if not lines[-1]:
                lines.pop()
            for line in lines:
                number += 1
                if line and not line.isspace():
                    self._read_line(report, number, line)
            report.stop_if_hopeless(repeats_are_useless=True)
        for fault in reader.faults:
            report.lines += 1
            report.bad(fault.line, fault.reason, fault.excerpt)
        return reader.fingerprint

    def contents(self) -> Contents:
        """Products and relationships."""
        products = self._products.table()
        return Contents(
            products,
            self._pairs.table(self._products.owners()),
            fields=self._products.notes(),
            ignored_lists=dict(self._ignored_lists),
        )

    def _read_line(self, report: FileReport, number: int, line: bytes) -> None:
        report.lines += 1
        try:
            if not self._add(parse_literal(line)):
                report.repeat(number, line)
        except (LiteralError, BadRecordError) as error:
            report.bad(number, str(error), line)

    def _add(self, record: Any) -> bool:
        """Add a product, or to a product; False if it was there already."""
        if type(record) is not dict:
            raise BadRecordError(f"not a dict but a {type(record).__name__}")
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
                raise BadRecordError(f"related is not a dict but a {type(related).__name__}")
            for name, value in related.items():
                kind = names[name]
                self._take(str(name)[:100] if kind is None else kind, name, value, lists, ignored)
        for kind, listed in lists:
            self._pairs.add(self._records, kind, listed)
        if ignored:
            counts = self._ignored_lists
            counts.update(name for name in ignored if name in counts or len(counts) < _MOST_NAMES)
        repeated = asin in self._seen
        get = record.get
        self._products.add(
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

    @staticmethod
    def _take(kind: int | str, name: str, value: Any, lists: list[tuple[int, IdList]], ignored: list[str]) -> None:
        """Add a list to ``lists``, or its name to ``ignored`` if it is not one of ``KINDS``."""
        if type(kind) is int:
            if (listed := _ids(name, value)) is not None:
                lists.append((kind, listed))
        elif value and value == value:
            ignored.append(str(kind))


def _described(file: SourceFile) -> str:
    if file.kind != TEXT:
        return f"a{'n' if file.kind == ARROW else ''} {file.kind.title()} file"
    return f"a table with the columns {shown_columns(likely_names(file.head))}"


def _ids(name: str, listed: Any) -> IdList | None:
    """The ids of a list; None if there is no list."""
    if type(listed) is str:
        listed = clean.list_in(listed) or listed
    if not listed and listed in (None, "", []):  # a missing list is not an error
        return None
    if type(listed) is float and listed != listed:  # pandas' way to say so
        return None
    if type(listed) is not list:
        raise BadRecordError(f"{name} is not a list but a {type(listed).__name__}")
    try:
        return check_ids(listed)
    except BadRecordError as error:
        raise BadRecordError(f"{name}: {error}") from None
