"""Times as shops write them: ISO 8601, seconds or milliseconds since the epoch, or a form that the category names."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import InputError

NO_TIME = np.iinfo(np.int64).min
"""Stands for a time that is missing or could not be read."""

_EPOCH_UNITS = ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (np.inf, 1e-6))
"""Absolute value below which a number is in seconds, milliseconds, microseconds or nanoseconds → milliseconds per unit.

In seconds 1e11 is the year 5138, in milliseconds it is 1973: no shop's orders are taken for another unit."""
_NUMBER = r"^\s*[+-]?\d+(\.\d*)?\s*$"


@dataclass
class TimeReader:
    """Reads a column of times, batch by batch.

    Attributes:
        form: strptime format, or None for ISO 8601 and epoch numbers, which are told apart by themselves.
        zone: name of the time zone of times that do not state theirs, such as ``Europe/Berlin``; UTC if None.
        kind: what the column holds: ``text`` or ``number``; empty until the first value was read.
        example: a value of that kind.
    """

    form: str | None = None
    zone: str | None = None
    kind: str = ""
    example: str = ""

    def read(self, column: pa.Array) -> np.ndarray:
        """int64 ``[n]`` milliseconds since the epoch (UTC); :data:`NO_TIME` where there is none.

        Args:
            column: timestamps, dates, numbers, or UTF-8 text as strings or bytes.

        Raises:
            InputError: numbers and text are mixed, or none of the values of this batch could be read.
        """
        if pa.types.is_temporal(column.type):
            return self._from_timestamps(column)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return _from_numbers(column.cast(pa.float64()))
        text = _as_text(column)
        numeric = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False)
        empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(text), ""), True)
        if self.form is None:
            self._check_kind(text, numeric, empty)
        if self.kind == "number":
            return _from_numbers(pc.if_else(numeric, text, None).cast(pa.float64()))
        times = self._from_text(text)
        unread = (times == NO_TIME) & ~np.asarray(empty)
        if unread.all() and len(unread):
            raise InputError(self._advice(text[int(np.argmax(unread))].as_py()))
        return times

    def _check_kind(self, text: pa.Array, numeric: pa.Array, empty: pa.Array) -> None:
        for kind, mask in (("number", numeric), ("text", pc.and_not(pc.invert(numeric), empty))):
            if not pc.any(mask).as_py():
                continue
            example = str(text.filter(mask)[0].as_py()).strip()[:60]
            if self.kind and self.kind != kind:
                raise InputError(
                    f"the times are in two forms, such as {self.example!r} and {example!r}; "
                    "write all of them in one form, best as ISO 8601 (2026-01-31T12:00:00Z)"
                )
            self.kind, self.example = kind, example

    def _from_timestamps(self, column: pa.Array) -> np.ndarray:
        stamps = column.cast(pa.timestamp("ms", getattr(column.type, "tz", None)), safe=False)
        if self.zone and getattr(column.type, "tz", None) is None:
            stamps = pc.assume_timezone(stamps, self.zone, ambiguous="earliest", nonexistent="latest")
        return np.asarray(stamps.cast(pa.int64()).fill_null(NO_TIME))

    def _from_text(self, text: pa.Array) -> np.ndarray:
        import pandas as pd

        series = pd.Series(text.to_numpy(zero_copy_only=False), dtype=object).str.strip()
        parsed = pd.to_datetime(series, format=self.form or "ISO8601", utc=True, errors="coerce")
        if self.zone is not None:
            parsed = _localized(series, parsed, self.zone)
        stamps = parsed.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
        return np.where(np.asarray(parsed.isna()), NO_TIME, stamps)

    def _advice(self, example: str) -> str:
        shown = str(example).strip()[:60]
        if self.form is not None:
            return f"no time could be read with time_format {self.form!r}; one of them is {shown!r}"
        return (
            f"times such as {shown!r} are not in a form that says by itself which part is the month; "
            "name it in categories.yaml, e.g. `time_format: '%d/%m/%Y %H:%M'`"
        )


def check_zone(name: str) -> None:
    """Raise InputError if there is no time zone of this name."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"{name[:60]!r} is not a time zone; name one such as 'Europe/Berlin' or 'UTC'") from error


def _localized(series: Any, parsed: Any, zone: str) -> Any:
    """Times that were read as UTC although they do not state a zone are those of ``zone``."""
    stated = series.str.contains(r"(?:[zZ]|[+-]\d{2}:?\d{2}|[+-]\d{2})$", na=False, regex=True)
    stated &= series.str.contains(":", na=False, regex=False) | series.str.contains("[zZ]$", na=False, regex=True)
    # A clock that is set back shows an hour twice, of which the first is taken; one that is set forward skips an hour.
    first = [True] * len(series)
    local = parsed.dt.tz_localize(None).dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC").where(~stated, parsed)


def _from_numbers(values: pa.Array) -> np.ndarray:
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    known = np.isfinite(numbers)
    size = np.abs(np.where(known, numbers, 0.0))
    factor = np.select([size < limit for limit, _ in _EPOCH_UNITS], [unit for _, unit in _EPOCH_UNITS])
    return np.where(known, np.round(np.where(known, numbers, 0.0) * factor), NO_TIME).astype(np.int64)


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_string())
