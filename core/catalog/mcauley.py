"""Amazon metadata as McAuley's group publishes it, one product a line, into the catalogue's tables.

Belongs here: the 2014 form (Python literals or JSON: ``related``, ``categories``, ``salesRank``, ``imUrl``) and the
2018 form (JSON: ``also_buy``, ``also_view``, ``category``, ``rank``, ``imageURL``). Does not belong here: parsing a
line (``core.catalog.literals``), cleaning a value (``core.catalog.clean``).

The article uses ``also_bought``, ``also_viewed`` and ``bought_together``; ``buy_after_viewing`` is no part of it and
is ignored. A line goes to quarantine whole if it has no usable ``asin`` or if one of its lists is broken, because half
a product's relationships would bias its neighbours unnoticed. Any other field of a wrong type becomes null: a product
without a price is still a product.
"""

from pathlib import Path
from typing import Any

from core.catalog.lines import LineBlocks
from core.catalog.literals import LiteralError, parse_literal
from core.catalog.tables import KINDS, BadRecordError, IdList, ListedPairs, ProductRows, Quarantine, check_id, check_ids
from core.progress import Progress

_LISTS_2014 = tuple((name, kind) for kind, name in enumerate(KINDS))
_LISTS_2018 = (("also_buy", KINDS.index("also_bought")), ("also_view", KINDS.index("also_viewed")))


class McAuleyReader:
    """Fills the tables line by line; memory grows with the columns kept, not with the file.

    Attributes:
        products, pairs: builders of the two tables.
        lines: lines read that are not blank.
        bad_lines: of these, the ones that could not be used.
        repeated: of these, the ones whose product came before; they are quarantined too, but published files are
            full of them (some percent in 2018) and nothing is lost, so they do not count as bad.
    """

    def __init__(self, quarantine: Quarantine) -> None:
        self.products = ProductRows()
        self.pairs = ListedPairs()
        self.lines = self.bad_lines = self.repeated = 0
        self._quarantine = quarantine
        self._seen: set[str] = set()

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
            self._quarantine.add(name, number, "product appeared before (the first one counts)", line)

    def _bad(self, name: str, number: int, reason: str, raw: str | bytes) -> None:
        self.bad_lines += 1
        self._quarantine.add(name, number, reason, raw)

    def _add(self, record: Any) -> bool:
        """Add a product; False if it was there already."""
        if type(record) is not dict:
            raise BadRecordError(f"no dict but {type(record).__name__}")
        if "asin" not in record:
            raise BadRecordError("no asin")
        asin = check_id(record["asin"])
        if asin in self._seen:
            return False
        lists = []
        related = record.get("related")
        if related is not None:
            if type(related) is not dict:
                raise BadRecordError(f"related is no dict but {type(related).__name__}")
            lists += _lists(related, _LISTS_2014)
        if "also_buy" in record or "also_view" in record:
            lists += _lists(record, _LISTS_2018)
        for kind, listed in lists:
            self.pairs.add(len(self._seen), kind, listed)
        get = record.get
        self.products.add(
            asin,
            title=get("title"),
            brand=get("brand"),
            price=get("price"),
            categories=get("categories", get("category")),
            sales_rank=get("salesRank", get("rank")),
            image_url=get("imUrl", get("imageURL")),
        )
        self._seen.add(asin)
        return True


def _lists(source: dict[Any, Any], names: tuple[tuple[str, int], ...]) -> list[tuple[int, IdList]]:
    lists = []
    for name, kind in names:
        listed = source.get(name)
        if not listed and listed in (None, "", []):  # no list is no error
            continue
        if type(listed) is not list:
            raise BadRecordError(f"{name} is no list but {type(listed).__name__}")
        try:
            lists.append((kind, check_ids(listed)))
        except BadRecordError as error:
            raise BadRecordError(f"{name}: {error}") from None
    return lists
