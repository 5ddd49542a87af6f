"""Reads a team's own table of product pairs into the catalogue's relationships table.

Ids are text: whole numbers of a Parquet file are written out, floats are refused, as nobody means ``12.0``. Everything
works on whole columns, as there may be tens of millions of rows. A row that pairs a product with itself says nothing
and is counted separately: a self join has one for every product.
"""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalog import column_names
from core.catalog.clean import UNREAD
from core.catalog.containers import UnreadableError
from core.catalog.field_notes import FieldNotes
from core.catalog.file_kind import SourceFile
from core.catalog.formats import Contents
from core.catalog.numbers import TextNumbers
from core.catalog.quarantine import FileReport
from core.catalog.tables import refuse_float_ids, relationships_table, shared_codes
from core.catalog.tabular import (
    Batch,
    TableReader,
    as_utf8,
    has_columns,
    id_faults,
    id_text,
    is_number,
    is_textual,
    mask_of,
)
from core.relationships import ADD, UNNAMED, unify_names
from core.typing import BoolArray, Float32Array, Int8Array, Int32Array

MAX_RELATIONSHIPS = 60
_LARGEST_PLACE = 1_000_000_000
_PLACE = r"^[0-9]{1,10}(\.0*)?$"

_BATCH_ROWS = 1 << 18


def recognise(file: SourceFile) -> bool:
    """Whether a file is a table of pairs."""
    return has_columns(file, column_names.PAIRS_TABLE)


class PairsReader(TableReader):
    """Fills the relationships table from a table of pairs (a :class:`core.catalog.formats.Reader`)."""

    def __init__(self) -> None:
        super().__init__(column_names.PAIRS_TABLE, "read pairs", _BATCH_ROWS)
        self._self_pairs = 0
        self._ids: list[pa.DictionaryArray] = []  # of each batch: all of product1, then all of product2
        self._relationships: list[pa.DictionaryArray] = []
        self._weights: list[Float32Array] = []
        self._doubts: list[Int8Array] = []
        self._numbers = TextNumbers()
        self._weighted = False
        self._places: list[Int32Array] = []
        self._notes = FieldNotes()

    def contents(self) -> Contents:
        """The relationships, and how many rows pair a product with itself."""
        table = self._table()
        for column in ("product1", "product2"):
            ids = table[column].combine_chunks()
            refuse_float_ids(ids.dictionary.take(pc.unique(ids.indices)), f"column {column}: ids")
        return Contents(relationships=table, fields=self._notes.facts(), facts={"self_pairs": self._self_pairs})

    def _table(self) -> pa.Table:
        """The rows read so far as a table of schema ``RELATIONSHIPS``."""
        codes, dictionary = shared_codes(self._ids)
        starts = np.cumsum([0, *(len(chunk) for chunk in self._ids)])
        batches = [np.split(codes[start:end], 2) for start, end in itertools.pairwise(starts)]
        product1, product2 = (np.concatenate([np.empty(0, np.int32), *(batch[i] for batch in batches)]) for i in (0, 1))
        spellings, written = shared_codes(self._relationships)
        kinds, names = unify_names(spellings, written.to_pylist())
        if len(names) > MAX_RELATIONSHIPS:
            raise UnreadableError(
                f"column relationship holds {len(names):,} different names ({names[0]}, {names[1]}, ...); "
                f"it names the kind of a pair, and at most {MAX_RELATIONSHIPS} kinds are supported. Rename the column "
                "if it means something else"
            )
        weight = None
        if self._weighted:
            weight = self._numbers.decided(np.concatenate(self._weights), np.concatenate(self._doubts))
        place = np.concatenate(self._places) + 1 if self._places else None
        if place is not None and not (place == 1).any():  # the places of the source count from 1 and not from 0
            place = np.maximum(place - 1, 0)
        return relationships_table(dictionary, product1, product2, kinds.astype(np.int8), names, weight, ADD, place)

    def _add(self, batch: Batch, report: FileReport) -> None:
        labels = ("product1", "product2")
        reasons, ids = _checked_ids([id_text(batch.columns[label], label) for label in labels], labels)
        first, second = np.split(ids.indices.to_numpy(), 2)
        same = first == second
        for mask, _ in reasons:
            same &= ~mask
        weight = None
        if "weight" in batch.columns:
            column = batch.columns["weight"]
            if not is_textual(column.type) and not is_number(column.type):
                raise UnreadableError(f"column weight holds {column.type}; write numbers")
            weight, doubts = _numbers(column, self._numbers, reasons)
        place = _places_in(batch.columns["place"], self._notes) if "place" in batch.columns else None
        if "relationship" in batch.columns:
            column = batch.columns["relationship"]
            if not is_textual(column.type):
                raise UnreadableError(f"column relationship holds {column.type}; write names as text")
            relationship = _text(column, reasons, "relationship")
            reasons.append((mask_of(pc.equal(relationship, "")), "relationship is missing"))
        else:
            relationship = pa.array([UNNAMED] * len(batch.lines))

        good = ~same
        for mask, reason in reasons:
            for row in np.flatnonzero(mask & good):
                values = [column[row].as_py() for column in batch.columns.values()]
                raw = ", ".join(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
                report.bad(int(batch.lines[row]), reason, raw, int(batch.spans[row]))
            good &= ~mask
        self._self_pairs += int(same.sum())
        report.records_over_lines += int(np.count_nonzero(batch.spans[good] > 1))
        keep = pa.array(good)
        self._ids.append(ids.filter(pa.concat_arrays([keep, keep])))
        self._relationships.append(relationship.filter(keep).dictionary_encode())
        if weight is not None:
            self._weighted = True
            self._weights.append(weight[good])
            self._doubts.append(doubts[good])
        if place is not None:
            self._places.append(place[good])


_Reasons = list[tuple[BoolArray, str]]


def _checked_ids(columns: list[pa.Array], labels: tuple[str, str]) -> tuple[_Reasons, pa.DictionaryArray]:
    """Trimmed ids of both columns after each other as codes of one dictionary, and which rows are bad.

    All work is done on the dictionary: a product stands in many pairs.
    """
    if columns[0].type != columns[1].type:
        columns = [column.cast(pa.binary()) for column in columns]
    coded = pa.concat_arrays([column.fill_null("") for column in columns]).dictionary_encode()
    written, invalid = as_utf8(coded.dictionary)
    texts = pc.utf8_trim_whitespace(written)
    codes = coded.indices.to_numpy()
    faults = [] if invalid is None else [(invalid, "is not valid UTF-8")]
    faults += [(mask, reason) for mask, reason in id_faults(texts) if mask.any()]
    halves = np.split(codes, 2)
    reasons = [
        (mask[half], f"{label} {why}") for label, half in zip(labels, halves, strict=True) for mask, why in faults
    ]
    if invalid is not None or pc.sum(pc.binary_length(texts)) != pc.sum(pc.binary_length(written)):
        merged = texts.dictionary_encode()  # what differs by blanks only becomes one
        codes, texts = merged.indices.to_numpy()[codes], merged.dictionary
    return reasons, pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), texts)


def _text(column: pa.Array, reasons: _Reasons, label: str) -> pa.Array:
    """Trimmed text, empty for null; bytes that are not UTF-8 are noted in ``reasons`` and come out as empty."""
    text, invalid = as_utf8(column)
    if invalid is not None:
        reasons.append((invalid, f"{label} is not valid UTF-8"))
    return pc.utf8_trim_whitespace(text)


def _numbers(column: pa.Array, numbers: TextNumbers, reasons: _Reasons) -> tuple[Float32Array, Int8Array]:
    """float32 weights and int8 doubts (see ``TextNumbers``); rows without a usable weight are noted in ``reasons``."""
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        values, doubts = numbers.read(_text(column, reasons, "weight"))
        reasons.append((np.isnan(values), "weight is not a number"))
    else:
        reasons.append((mask_of(column.is_null()), "weight is missing"))
        values = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        doubts = np.zeros(len(values), np.int8)
    with np.errstate(over="ignore", under="ignore"):
        weight = values.astype(np.float32)
    reasons.append((~np.isfinite(weight), "weight is not finite"))
    reasons.append((weight <= 0, "weight is not positive"))
    return weight, doubts


def _places_in(column: pa.Array, notes: FieldNotes) -> Int32Array:
    """int32 places as written, -1 where there is none; a value that is not a place is noted and counts as none."""
    if is_textual(column.type):
        text = pc.utf8_trim_whitespace(as_utf8(column)[0])
        usable = mask_of(pc.match_substring_regex(text, _PLACE))
        column = pc.if_else(pa.array(usable), pc.replace_substring_regex(text, r"\.0*$", ""), None).cast(pa.float64())
        empty = mask_of(pc.equal(text, ""))
    else:
        text = column
        empty = mask_of(column.is_null(nan_is_null=True))
        column = column.cast(pa.float64()) if is_number(column.type) else pa.nulls(len(column), pa.float64())
    values = column.fill_null(-1.0).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        usable = (values >= 0) & (values <= _LARGEST_PLACE) & (values == np.floor(values))
    if (faulty := np.flatnonzero(~usable & ~empty)).size:
        notes.add("place", UNREAD, text[int(faulty[0])].as_py(), len(faulty))
    return np.where(usable, values, -1).astype(np.int32)
