"""What could not be read of a source's files, and when a file is refused for it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from core.catalog.clean import excerpt
from core.catalog.tables import QUARANTINE
from core.errors import InputError

HIDDEN = "(not kept: customers are hashed)"
"""Stands in place of a line's excerpt where it may say who a customer is."""
_HOPELESS = 10_000
"""Useless lines from which on a file may be given up before its end."""
_KEPT = ("lines", "bad_lines", "repeated", "records_over_lines", "columns")
"""What a report of a file is restored from, besides its quarantined lines."""
_KEPT_ROWS = 100_000
"""Rows that are kept of one file."""


class Quarantine:
    """Collects what could not be read. Of a file that is full of it, the first rows and the number of all others."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, str, str]] = []
        self._kept: Counter[str] = Counter()
        self._left_out: dict[tuple[str, str], tuple[int, int]] = {}
        self._reasons: dict[str, Counter[str]] = {}

    def __len__(self) -> int:
        return len(self._rows) + len(self._left_out)

    def add(self, file: str, line: int, reason: str, raw: str | bytes) -> None:
        """Add a row; of ``raw``, what stood in the line, an excerpt is kept."""
        self._reasons.setdefault(file, Counter())[reason] += 1
        if self._kept[file] < _KEPT_ROWS:
            self._kept[file] += 1
            self._rows.append((file, line, reason, excerpt(raw)))
        else:
            first, count = self._left_out.get((file, reason), (line, 0))
            self._left_out[file, reason] = min(first, line), count + 1

    def first_of(self, file: str) -> tuple[int, str, str]:
        """Line, reason and excerpt of the first row of ``file``."""
        return min(row[1:] for row in self._rows if row[0] == file)

    def rows_of(self, file: str) -> list[tuple[int, str, str]]:
        """Line, reason and excerpt of the rows that are kept of ``file``."""
        return [row[1:] for row in self._rows if row[0] == file]

    def reasons(self, file: str) -> list[tuple[str, int]]:
        """The reasons of ``file`` and how often each was given, the most frequent first."""
        return self._reasons.get(file, Counter()).most_common()

    def table(self) -> pa.Table:
        """The rows as a table of schema ``QUARANTINE``, in order of file and line."""
        left_out = [
            (file, line, reason, f"and {count - 1:,} more of this kind, of which only the number is kept")
            for (file, reason), (line, count) in self._left_out.items()
        ]
        rows = sorted(self._rows + left_out)
        columns = zip(*rows, strict=True) if rows else [()] * len(QUARANTINE)
        return pa.table([pa.array(c, f.type) for c, f in zip(columns, QUARANTINE, strict=True)], schema=QUARANTINE)


class FileReport:
    """What a reader says of the lines of one file: it counts them here, and reports those that it cannot use.

    Attributes:
        name: the file as people are shown it.
        lines: lines (of a text file) or rows read, without the header and blank lines. Readers count them.
        bad_lines: of these, the ones that cannot be used.
        repeated: records of a product that came before. They are quarantined too, but nothing is lost, so they do not
            count as bad.
        records_over_lines: good records that go over several lines.
        columns: of a table, which columns were ``read`` as what, and which are ``unread``.
        keeps_excerpts: whether what stands in a bad line is kept; False where it may say who a customer is.

    Args:
        name: of the file.
        quarantine: where reported lines go.
        max_bad_share: largest tolerated share (0..1) of bad lines.
    """

    def __init__(self, name: str, quarantine: Quarantine, max_bad_share: float) -> None:
        self.name = name
        self.lines = self.bad_lines = self.repeated = self.records_over_lines = 0
        self.columns: dict[str, Any] = {}
        self._quarantine = quarantine
        self._max_bad_share = max_bad_share
        self.keeps_excerpts = True

    def bad(self, line: int, reason: str, raw: str | bytes, lines: int = 1) -> None:
        """Report a bad record: its 1-based first line, what is wrong, what stands there, and how many lines it takes.

        ``lines`` of the report does not grow by it.
        """
        self.bad_lines += lines
        self._quarantine.add(self.name, line, reason, raw if self.keeps_excerpts else HIDDEN)

    def repeat(self, line: int, raw: str | bytes) -> None:
        """Report a record of a product that came before."""
        self.repeated += 1
        self._quarantine.add(self.name, line, "product appeared before (what is new here was added to it)", raw)

    def kept(self) -> dict[str, Any]:
        """All that is known of the file, JSON-able, for :meth:`restore`."""
        rows = self._quarantine.rows_of(self.name)
        return {name: getattr(self, name) for name in _KEPT} | {"rows": rows}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Report the same again as when the file was read."""
        for name in _KEPT:
            setattr(self, name, kept[name])
        for line, reason, text in kept["rows"]:
            self._quarantine.add(self.name, int(line), str(reason), str(text))

    def stop_if_hopeless(self, repeats_are_useless: bool = False) -> None:
        """Give up a file that is mostly useless, before its quarantine fills the memory.

        Raises:
            InputError: more than ``_HOPELESS`` of the lines so far, and most of them, are of no use.
        """
        useless = self.bad_lines + (self.repeated if repeats_are_useless else 0)
        if useless > _HOPELESS and useless > self.lines * max(0.5, self._max_bad_share):
            line, reason, text = self._quarantine.first_of(self.name)
            raise InputError(
                f"{self.name}: {useless:,} of the first {self.lines:,} lines are of no use; the first is line "
                f"{line:,}: {reason} (“{text[:80]}”). This is probably not the right file (a file of reviews, for "
                "instance, repeats each product); correct the category's source in categories.yaml"
            )

    def check(self) -> None:
        """Raise InputError if too many lines of the file, which was read to its end, are bad."""
        lines, bad = self.lines, self.bad_lines
        if not bad or bad <= self._max_bad_share * lines:
            return
        line, reason, text = self._quarantine.first_of(self.name)
        first = f"the first is line {line:,}: {reason} (“{text[:80]}”)"
        usual, count = self._quarantine.reasons(self.name)[0]
        if usual.endswith("UTF-8"):
            share = f"{bad:,} of {lines:,}" if bad < lines else f"all {lines:,}"
            raise InputError(
                f"{self.name}: {share} lines cannot be used, {count:,} because their text is not UTF-8; {first}. The "
                "text is probably in code page 1252, as Windows and Excel write it: save the file as UTF-8"
            )
        if bad == lines:
            raise InputError(
                f"{self.name}: none of its {lines:,} lines can be used; {first}. Correct the file, or the category's "
                "source in categories.yaml"
            )
        several = count < len(self._quarantine) or usual != reason
        most = f", {count:,} for the reason “{usual}”" if several else ""
        raise InputError(
            f"{self.name}: {bad:,} of {lines:,} lines are bad ({bad / lines:.2%}, allowed are "
            f"{self._max_bad_share:.2%}){most}; {first}. Correct the file, or raise catalog.max_bad_share for this "
            "category"
        )
