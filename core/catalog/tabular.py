"""What the team's own tables have in common: CSV headers, Parquet columns as text.

Belongs here: helpers of ``core.catalog.pairs_table`` and ``core.catalog.products_table``. Does not belong here: which
columns a table has.
"""

import csv
from pathlib import Path

import pyarrow as pa

from core.errors import InputError

_PARQUET_MAGIC = b"PAR1"
_DELIMITERS = ",;\t"


def is_parquet(path: Path) -> bool:
    """Whether the file starts like a Parquet file."""
    with path.open("rb") as file:
        return file.read(4) == _PARQUET_MAGIC


def csv_header(line: bytes, needed: tuple[str, ...]) -> tuple[list[str], str] | None:
    """Column names in lower case and the delimiter, None if ``needed`` are not among them."""
    text = line.decode("utf-8", "replace").strip("\r\n")
    for delimiter in _DELIMITERS:
        names = [name.strip().lower() for name in next(csv.reader([text], delimiter=delimiter), [])]
        if all(name in names for name in needed):
            return names, delimiter
    return None


def no_column(name: str, found: list[str], needed: str) -> InputError:
    return InputError(
        f"{name}: no column {needed!r} among {', '.join(found[:20]) or 'none'}. The first line of a CSV file must name "
        "the columns, separated by comma, semicolon or tab"
    )


def is_textual(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        test(kind)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )


def is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def as_text(column: pa.Array) -> pa.Array:
    return column.cast(pa.binary()) if pa.types.is_large_binary(column.type) else column.cast(pa.string())


def id_text(column: pa.Array, name: str, label: str) -> pa.Array:
    if pa.types.is_integer(column.type) or is_textual(column.type):
        return as_text(column)
    raise InputError(
        f"{name}: column {label} holds {column.type}; write product ids as text or whole numbers "
        "(pandas turns whole numbers into floats when values are missing)"
    )
