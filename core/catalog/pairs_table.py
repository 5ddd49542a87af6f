"""A team's own table of product pairs into the catalogue's relationships table.

Belongs here: what the columns ``product1, product2[, relationship][, weight]`` of a table hold. Does not belong here:
what the pairs are used for, how a table's rows are found (``core.catalog.tabular``). Ids are text: whole numbers of a
Parquet file are written out, floats are refused, as nobody means ``12.0``. Everything works on whole columns, as there
may be tens of millions of rows. A row that pairs a product with itself says nothing and is counted apart: a self join
has one for every product.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalog import columns
from core.catalog.containers import UnreadableError
from core.catalog.numbers import TextNumbers
from core.catalog.tables import Quarantine, relationships_table, shared_codes
from core.catalog.tabular import Batch, TableFile, as_utf8, id_faults, id_text, is_number, is_textual
from core.errors import InputError
from core.progress import Progress
from core.relationships import ADD, UNNAMED, unify_names

MAX_RELATIONSHIPS = 60

_BATCH_ROWS = 1 << 19


class PairsReader:
    """Fills the relationships table from a pairs table.

    Attributes:
        lines: lines (of a text file) or rows read, without the header and blank lines.
        bad_lines: of these, the ones in quarantine.
        self_pairs: rows that pair a product with itself.
        records_over_lines: good rows that go over several lines.
        columns: which columns were ``read`` as what, and which are ``unread``.
    """

    def __init__(self, quarantine: Quarantine) -> None:
        self.lines = self.bad_lines = self.self_pairs = self.records_over_lines = 0
        self.columns: dict[str, Any] = {}
        self._quarantine = quarantine
        self._ids: tuple[list[pa.DictionaryArray], list[pa.DictionaryArray]] = ([], [])
        self._relationships: list[pa.DictionaryArray] = []
        self._weights: list[np.ndarray] = []
        self._doubts: list[np.ndarray] = []
        self._numbers = TextNumbers()
        self._weighted = False

    def read(self, path: Path, name: str, max_bad_share: float, progress: Progress) -> str:
        """Read all of ``path``; returns its fingerprint (SHA-256 of its bytes).

        Raises:
            UnreadableError: this is no pairs table; the message does not name the file.
        """
        table = TableFile(path, columns.PAIRS, progress, "read pairs", _BATCH_ROWS)
        self.columns = {"read": table.read, "unread": table.unread}
        for batch in table.batches():
            self.lines += len(batch.broken)
            for line, reason, raw in batch.broken:
                self._bad(name, line, 1, reason, raw)
            self._add(batch, name)
            self._quarantine.stop_if_hopeless(name, self.lines, self.bad_lines, max_bad_share)
        return table.fingerprint

    def table(self) -> pa.Table:
        """The rows read so far as a table of schema ``RELATIONSHIPS``."""
        codes, dictionary = shared_codes(self._ids[0] + self._ids[1])
        kinds, written = shared_codes(self._relationships)
        kinds, names = unify_names(kinds, written.to_pylist())
        if len(names) > MAX_RELATIONSHIPS:
            raise InputError(
                f"column relationship holds {len(names):,} different names ({names[0]}, {names[1]}, ...); "
                f"it names the kind of a pair, at most {MAX_RELATIONSHIPS} kinds are supported"
            )
        half = len(codes) // 2
        weight = None
        if self._weighted:
            weight = self._numbers.decided(np.concatenate(self._weights), np.concatenate(self._doubts))
        return relationships_table(dictionary, codes[:half], codes[half:], kinds.astype(np.int8), names, weight, ADD)

    def _bad(self, name: str, number: int, lines: int, reason: str, raw: str | bytes) -> None:
        self.bad_lines += lines
        self._quarantine.add(name, number, reason, raw)

    def _add(self, batch: Batch, name: str) -> None:
        n = len(batch.lines)
        if not n:
            return
        self.lines += int(batch.spans.sum())
        labels = ("product1", "product2")
        reasons, ids = _checked_ids([id_text(batch.columns[label], label) for label in labels], labels)
        good_ids = ~np.logical_or.reduce([mask for mask, _ in reasons])
        same = good_ids & (ids[0].indices.to_numpy() == ids[1].indices.to_numpy())
        weight = None
        if "weight" in batch.columns:
            column = batch.columns["weight"]
            if not is_textual(column.type) and not is_number(column.type):
                raise UnreadableError(f"column weight holds {column.type}; write numbers")
            weight, doubts = _numbers(column, self._numbers, reasons)
        if "relationship" in batch.columns:
            column = batch.columns["relationship"]
            if not is_textual(column.type):
                raise UnreadableError(f"column relationship holds {column.type}; write names as text")
            relationship = _text(column, reasons, "relationship")
            reasons.append((_mask(pc.equal(relationship, "")), "relationship is missing"))
        else:
            relationship = pa.array([UNNAMED] * n)

        good = ~same
        for mask, reason in reasons:
            for row in np.flatnonzero(mask & good):
                values = [column[row].as_py() for column in batch.columns.values()]
                raw = ", ".join(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
                self._bad(name, int(batch.lines[row]), int(batch.spans[row]), reason, raw)
            good &= ~mask
        self.self_pairs += int(same.sum())
        self.records_over_lines += int(np.count_nonzero(batch.spans[good] > 1))
        keep = pa.array(good)
        for chunks, text in zip(self._ids, ids, strict=True):
            chunks.append(text.filter(keep))
        self._relationships.append(relationship.filter(keep).dictionary_encode())
        if weight is not None:
            self._weighted = True
            self._weights.append(weight[good])
            self._doubts.append(doubts[good])


_Reasons = list[tuple[np.ndarray, str]]


def _checked_ids(columns: list[pa.Array], labels: tuple[str, str]) -> tuple[_Reasons, list[pa.DictionaryArray]]:
    """Both columns as codes of one dictionary of trimmed ids, and which rows are bad.

    All work is done on the dictionary: a product stands in many pairs.
    """
    if columns[0].type != columns[1].type:
        columns = [column.cast(pa.binary()) for column in columns]
    coded = pa.chunked_array([column.fill_null("").dictionary_encode() for column in columns])
    chunks = coded.unify_dictionaries().chunks
    texts, invalid = as_utf8(chunks[0].dictionary)
    trimmed = pc.utf8_trim_whitespace(texts).dictionary_encode()  # what differs by blanks only becomes one
    code_of = trimmed.indices.to_numpy()
    codes = [chunk.indices.to_numpy() for chunk in chunks]
    reasons: _Reasons = []
    for label, code in zip(labels, codes, strict=True):
        if invalid is not None:
            reasons.append((invalid[code], f"{label} is not valid UTF-8"))
        faults = [(mask[code_of], reason) for mask, reason in id_faults(trimmed.dictionary, label)]
        reasons += [(mask[code], reason) for mask, reason in faults if mask.any()]
    if not reasons:
        reasons.append((np.zeros(len(codes[0]), bool), ""))
    return reasons, [pa.DictionaryArray.from_arrays(pa.array(code_of[code]), trimmed.dictionary) for code in codes]


def _mask(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False)


def _text(column: pa.Array, reasons: _Reasons, label: str) -> pa.Array:
    """Trimmed text, empty for null; bytes that are no UTF-8 are noted in ``reasons`` and come out as empty."""
    text, invalid = as_utf8(column)
    if invalid is not None:
        reasons.append((invalid, f"{label} is not valid UTF-8"))
    return pc.utf8_trim_whitespace(text)


def _numbers(column: pa.Array, numbers: TextNumbers, reasons: _Reasons) -> tuple[np.ndarray, np.ndarray]:
    """float32 weights and int8 doubts (see ``TextNumbers``); rows whose weight is none are noted in ``reasons``."""
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        values, doubts = numbers.read(_text(column, reasons, "weight"))
        reasons.append((np.isnan(values), "weight is no number"))
    else:
        reasons.append((_mask(column.is_null()), "weight is missing"))
        values = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        doubts = np.zeros(len(values), np.int8)
    with np.errstate(over="ignore", under="ignore"):
        weight = values.astype(np.float32)
    reasons.append((~np.isfinite(weight), "weight is not finite"))
    reasons.append((weight <= 0, "weight is not positive"))
    return weight, doubts
