"""Numbers as shops write them: prices, sales ranks and weights given as text.

A text is read twice: with the point as the decimal mark (``12.99``, ``1,299.00``) and with the comma (``12,99``,
``1.299,00``). Most texts make sense in one of the two, or mean the same in both. Where both make sense and differ
(``1,299`` is 1299 or 1.299), the column decides, once and from all of its values: each text that makes sense in only
one way is a vote. Without votes, a mark that no currency would need for its cents (``€ 1.299``) is taken for one of
thousands; and if nothing decides, the point is the decimal mark, as in every program's output.

Marks of thousands may also be blanks (of any width) and apostrophes; Indian groups (``1,23,456``) are read too.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.typing import AnyArray, Float32Array, Float64Array, Int8Array

_LONGEST = 64
"""Characters of the longest text that is taken for a number."""

_CODES = (
    "AED|AFN|ALL|AMD|ARS|AUD|AZN|BAM|BDT|BGN|BHD|BND|BOB|BRL|BWP|BYN|CAD|CHF|CLP|CNY|COP|CRC|CZK|DKK|DOP|DZD|EGP|"
    "ETB|EUR|GBP|GEL|GHS|GTQ|HKD|HNL|HRK|HUF|IDR|ILS|INR|IQD|IRR|ISK|JMD|JOD|JPY|KES|KGS|KHR|KRW|KWD|KZT|LAK|LBP|"
    "LKR|LYD|MAD|MDL|MKD|MMK|MNT|MOP|MUR|MXN|MYR|NAD|NGN|NIO|NOK|NPR|NZD|OMR|PAB|PEN|PHP|PKR|PLN|PYG|QAR|RMB|RON|"
    "RSD|RUB|SAR|SEK|SGD|SYP|THB|TND|TRY|TTD|TWD|TZS|UAH|UGX|USD|UYU|UZS|VES|VND|XAF|XOF|YER|ZAR|ZMW"
)
_WORDS = (
    r"euros?|dollars?|pounds?|rs\.?|kr\.?|s?fr\.?|r\$|rp\.?|rm|tl|z\u0142|zl|k\u010d|kc|ft|lei|din\.?|dhs?\.?|dm|s/\.?|bs\.?"
    r"|\u043b\u0432\.?|\u0440\u0443\u0431\.?|\u0440\.?|\u0433\u0440\u043d\.?|\u5143|\u5186|\uc6d0|\u0111"
    r"|[a-z]{1,3} ?\$|\$ ?(?:us|ca|au|nz|hk)"
)
_SIGNS = "[$\u00a3\u00a4\u00a5\u0192\u0e3f\u17db\u20a0-\u20cf\ufdfc]"
_CURRENCY = f"(?:{_WORDS}|{_CODES}|{_SIGNS})"
_NO_CENTS = re.compile("KWD|BHD|OMR|TND|JOD|IQD|LYD", re.IGNORECASE)  # three decimals are usual there
_DIGITS = r"(?:[0-9]|[.,][0-9])(?:[0-9.,']| (?=[0-9]))*"
_PART = rf"(?:{_CURRENCY} ?)?({_DIGITS})(?: ?{_CURRENCY})?"
_USUAL = re.compile(r"(\$?)([0-9]{1,9}\.[0-9]{1,2})")
_PRICE = re.compile(rf"{_PART}(?: ?(?:-|to|bis) ?{_PART})?", re.IGNORECASE)
_NO_FRACTION = re.compile(rf"(?<=[0-9])(?: ?[.,])? ?-{{1,2}}(?= ?{_CURRENCY}?$)", re.IGNORECASE)
_USUAL_RANK = re.compile(r"(?:>#)?([1-9][0-9]{0,2}(?:,[0-9]{3}){0,4}+)(?<!,000)(?: in | \(|$)")
_RANK = re.compile(rf"[>#\s]*+({_DIGITS})(?:\s+in\s|\s*\(|\s*$)")

_GROUPED = "|".join(
    (
        "[1-9][0-9]{0,2}(?:,[0-9]{3})+",
        "[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}",
        "[1-9][0-9]{0,2}(?: [0-9]{3})+",
        "[1-9][0-9]{0,2}(?:'[0-9]{3})+",
    )
)
_POINT = re.compile(rf"({_GROUPED}|[0-9]+|(?=\.[0-9]))(?:\.([0-9]*))?")
_EXPONENT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]{1,3}")
_MARKS = str.maketrans("", "", ", '")
_EXCHANGED = str.maketrans(",.", ".,")
_ALIKE = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc\u2032\u00b4`", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212~\u301c", "-")
)


class Number(NamedTuple):
    """What a text means.

    Attributes:
        point: with the point as the decimal mark; None if that makes no sense.
        comma: with the comma as the decimal mark; None if that makes no sense.
        cents: whether the text names a currency that is written with two decimals at most.
    """

    point: float | None
    comma: float | None
    cents: bool = False

    @property
    def usual(self) -> float | None:
        """The meaning in a column that does not decide: the point is the decimal mark wherever that makes sense."""
        return self.comma if self.point is None else self.point


NO_NUMBER = Number(None, None)


def read_price(text: str) -> Number:
    """A price with or without a currency, or the lower end of a range: ``12,99 €``, ``$12.99 to $15.99``, ``129,-``."""
    return _price(text) if len(text) <= 4 * _LONGEST else NO_NUMBER


@lru_cache(maxsize=1 << 14)
def _price(text: str) -> Number:
    if usual := _USUAL.fullmatch(text):
        return Number(float(usual[2]), None, bool(usual[1]))
    text = _plain(text)
    if len(text) > _LONGEST:
        return NO_NUMBER
    if _EXPONENT.fullmatch(text):
        return Number(float(text), float(text))
    match = _PRICE.fullmatch(_NO_FRACTION.sub("", text))
    if match is None:
        return NO_NUMBER
    tokens = [token for token in match.groups() if token]
    points = [_decimal(token) for token in tokens]
    commas = [_decimal(token.translate(_EXCHANGED)) for token in tokens]
    named = any(c == "$" or not c.isascii() or c.isalpha() for c in text)
    return Number(_lowest(points), _lowest(commas), named and not _NO_CENTS.search(text))


def read_rank(text: str) -> Number:
    """A whole number, alone or as Amazon writes a place: ``2,345 in Beauty (``, ``>#154 in Kitchen``, ``123.0``."""
    if usual := _USUAL_RANK.match(text):
        rank = int(usual[1].replace(",", ""))
        return Number(rank, None if "," in usual[1] else rank)
    match = _RANK.match(_plain(text[:_LONGEST]) if len(text) <= _LONGEST else text[:_LONGEST].translate(_ALIKE))
    if match is None:
        return NO_NUMBER
    return Number(_whole(match[1]), _whole(match[1].translate(_EXCHANGED)))


def read_number(text: str) -> Number:
    """A bare number, such as a weight: ``0,5``, ``1 299``, ``1e-3``; a sign is read, a currency is not."""
    text = _plain(text)
    if len(text) > _LONGEST:
        return NO_NUMBER
    if _EXPONENT.fullmatch(text):
        return Number(float(text), float(text))
    sign = -1.0 if text[:1] == "-" else 1.0
    text = text[1:] if text[:1] in ("-", "+") else text
    point, comma = _decimal(text), _decimal(text.translate(_EXCHANGED))
    return Number(None if point is None else sign * point, None if comma is None else sign * comma)


def _plain(text: str) -> str:
    """With plain blanks, apostrophes and dashes in place of their many relatives, and without invisible marks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_ALIKE)).translate(_ALIKE)
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(text.split())


def _decimal(token: str) -> float | None:
    match = _POINT.fullmatch(token)
    return None if match is None else float(f"{match[1].translate(_MARKS) or 0}.{match[2] or 0}")


def _whole(token: str) -> int | None:
    match = _POINT.fullmatch(token)
    return None if match is None or (match[2] or "").strip("0") else int(match[1].translate(_MARKS) or 0)


def _lowest(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if len(known) == len(values) else None


class Votes:
    """What the texts of one column say about its decimal mark."""

    def __init__(self) -> None:
        self.point = self.comma = 0
        self._cents_point = self._cents_comma = 0

    def add(self, number: Number) -> bool:
        """Count a text's vote; True if it is ambiguous."""
        point, comma = number.point, number.comma
        if point is None:
            self.comma += comma is not None
            return False
        if comma is None:
            self.point += 1
            return False
        if point == comma:
            return False
        if number.cents:  # of the two meanings, the larger one takes the mark for one of thousands
            self._cents_point += point > comma
            self._cents_comma += comma > point
        return True

    @property
    def for_comma(self) -> bool:
        """Whether the comma is the column's decimal mark."""
        if self.point != self.comma:
            return self.comma > self.point
        return self._cents_comma > self._cents_point


class NumberColumn:
    """One column of a table that is built row by row.

    Values go into the table as :meth:`add` returns them; :meth:`decided` mends the ambiguous ones at the end. Kept are
    only these: 16 bytes each.

    Args:
        whole: whether the values are int64 instead of float64.
    """

    def __init__(self, whole: bool = False) -> None:
        self.votes = Votes()
        self._rows = array("q")
        self._commas = array("q" if whole else "d")

    def add(self, row: int, numbers: Iterable[Number]) -> float | None:
        """The smallest of a cell's numbers, None if it has none."""
        point: float | None = None
        comma: float | None = None
        doubtful = False
        for number in numbers:
            if number.usual is None:
                continue
            doubtful |= self.votes.add(number)
            point = number.usual if point is None else min(point, number.usual)
            other = number.usual if number.comma is None else number.comma
            comma = other if comma is None else min(comma, other)
        if doubtful and comma is not None and point != comma:
            self._rows.append(row)
            self._commas.append(comma)  # type: ignore[arg-type]
        return point

    def decided(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """The column of all rows, with the ambiguous ones as the column means them."""
        if not self._rows or not self.votes.for_comma:
            return column
        rows = np.frombuffer(self._rows, np.int64)
        found = np.full(len(column), -1, np.int64)
        found[rows] = np.arange(len(rows))
        values = pa.array(np.frombuffer(self._commas, self._commas.typecode)).cast(column.type)
        meant = values.take(pa.array(found, mask=found < 0))
        return pa.chunked_array([pc.coalesce(meant, column.combine_chunks())])


_PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_POINTED = r"^[+-]?[0-9]*\.[0-9]*$"
_DOUBTFUL = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"


class TextNumbers:
    """A column of bare numbers as text, read in batches of whole Arrow arrays."""

    def __init__(self) -> None:
        self.votes = Votes()

    def read(self, text: pa.Array) -> tuple[Float64Array, Int8Array]:
        """Values and doubts of a batch.

        Args:
            text: string ``[n]``, trimmed, without nulls.

        Returns:
            float64 ``[n]``, NaN for what is not a number (spelled-out "nan" and "inf" too), and int8 ``[n]`` for
            :meth:`decided`: 1 or -1 where the value is 1,000 times larger or smaller if the comma is the decimal mark.
        """
        encoded = text.dictionary_encode()  # there are few distinct texts, above all where they are counts
        codes, texts = encoded.indices.to_numpy(), encoded.dictionary
        plain = pc.match_substring_regex(texts, _PLAIN)
        values = _array(pc.if_else(plain, texts, "nan").cast(pa.float64())).copy()
        doubts = _array(pc.match_substring_regex(texts, _DOUBTFUL)).astype(np.int8)
        votes = _array(pc.match_substring_regex(texts, _POINTED)) & (doubts == 0)
        counts = np.bincount(codes, minlength=len(texts))
        self.votes.point += int(counts[votes].sum())
        for place in np.flatnonzero(~_array(plain)).tolist():
            number = read_number(texts[place].as_py())
            values[place] = np.nan if number.usual is None else number.usual
            doubts[place] = _doubt(number)
            if number.usual is not None and not doubts[place]:
                self.votes.point += int(counts[place]) * (number.comma is None)
                self.votes.comma += int(counts[place]) * (number.point is None)
        return values[codes], doubts[codes]

    def decided(self, values: Float32Array, doubts: Int8Array) -> Float32Array:
        """float32 values of all batches as the column means them.

        Args:
            values: float32 ``[n]``, as :meth:`read` gave them.
            doubts: int8 ``[n]``.
        """
        if not self.votes.for_comma:
            return values
        values = values.copy()
        up, down = doubts > 0, doubts < 0
        values[up] = np.rint(values[up].astype(np.float64) * 1000)  # the thousandths are whole numbers of six digits
        values[down] = values[down].astype(np.float64) / 1000
        return values


def _doubt(number: Number) -> int:
    if number.point is None or number.comma is None or number.point == number.comma:
        return 0
    return 1 if abs(number.comma) > abs(number.point) else -1


def _array(column: pa.Array) -> AnyArray:
    array: AnyArray = column.to_numpy(zero_copy_only=False)
    return array
