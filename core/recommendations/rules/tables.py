"""Reading the small tables that a shop keeps for its lists: stock and pins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.catalog.column_names import PRODUCT_ID_NAMES, MappedColumns, shown_columns
from core.catalog.containers import UnreadableError
from core.catalog.file_kind import look_at
from core.catalog.tabular import TableFile, as_utf8, is_textual
from core.errors import InputError
from core.progress import silent

_BATCH_ROWS = 1 << 16

ID_NAMES = PRODUCT_ID_NAMES
"""What a column of product ids may be called."""


@dataclass(frozen=True)
class SmallTable:
    """The rows of a table.

    Attributes:
        columns: documented name → string ``[n]`` without outer white space; null where there is nothing.
        lines: int64 ``[n]``: 1-based line of each row (of a text file, the header counts), or its number.
        spans: int64 ``[n]``: number of lines of each row.
        broken: line → why it is not a row.
    """

    columns: Mapping[str, pa.Array]
    lines: np.ndarray
    spans: np.ndarray
    broken: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class TableColumns(MappedColumns):
    """A table of which some columns have to be there, and of others one of several.

    Attributes:
        required: documented names that have to be there.
        one_of: documented names of which at least one has to be there, if there are any.
    """

    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, what: str, roles: Mapping[str, tuple[str, ...]], required: tuple[str, ...], one_of: tuple[str, ...] = ()
    ) -> "TableColumns":
        """The columns of a table that is called ``what``; ``roles`` are as in :class:`MappedColumns`."""
        needed = (*required, " or ".join(one_of)) if one_of else required
        return cls(what, needed, roles, {}, "", required, one_of)

    def _is_complete(self, found: Mapping[str, int]) -> bool:
        return set(self.required) <= set(found) and (not self.one_of or bool(set(self.one_of) & set(found)))

    def missing(self, names: Sequence[str]) -> UnreadableError:
        """Like :meth:`core.catalog.column_names.Needs.missing`."""
        return UnreadableError(
            f"this is a table with the columns {shown_columns(names)}; a {self.what} needs {' and '.join(self.needed)}"
        )


def read_small_table(path: Path, name: str, needs: TableColumns) -> SmallTable:
    """Read a table, CSV (in any form that a source may have), Parquet or Feather; every value becomes text.

    Args:
        path: the file.
        name: what messages call it.
        needs: its columns.

    Raises:
        InputError: the file cannot be read or lacks a column; names the file and the remedy.
    """
    try:
        table = TableFile(look_at(path), needs, silent, f"read {needs.what}", _BATCH_ROWS)
        parts: dict[str, list[pa.Array]] = {role: [] for role in table.read}
        lines: list[np.ndarray] = [np.empty(0, np.int64)]
        spans: list[np.ndarray] = [np.empty(0, np.int64)]
        broken: dict[int, str] = {}
        for batch in table.batches():
            broken |= {line: reason for line, reason, _ in batch.broken}
            lines.append(batch.lines)
            spans.append(batch.spans)
            for role, column in batch.columns.items():
                parts[role].append(_texts(column, role))
    except UnreadableError as error:
        raise InputError(f"{name}: {error}") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: the file cannot be read as a table ({said}); export it again") from error
    columns = {role: pa.concat_arrays([pa.array([], pa.string()), *arrays]) for role, arrays in parts.items()}
    lines_of_rows, lines_per_row = (np.concatenate(parts).astype(np.int64) for parts in (lines, spans))
    return SmallTable(columns, lines_of_rows, lines_per_row, broken)


def _texts(column: pa.Array, role: str) -> pa.Array:
    """The column as text without outer white space; null for what is empty or not UTF-8."""
    if is_textual(column.type):
        column, _ = as_utf8(column)
    elif pa.types.is_floating(column.type) and role.endswith("id"):
        # pandas turns whole numbers into floats where values are missing; here the digits are still certain.
        whole = pc.and_(pc.is_finite(column), pc.equal(pc.floor(column), column)).fill_null(False)
        exact = pc.and_(whole, pc.less(pc.abs(column), 2.0**53)).fill_null(False)
        digits = pc.if_else(exact, column, 0.0).cast(pa.int64()).cast(pa.string())
        column = pc.if_else(exact, digits, column.cast(pa.string()))
    else:
        column = column.cast(pa.string())
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def nodes_of_ids(ids: pa.Array, product_ids: pa.Array) -> np.ndarray:
    """int64 ``[m]``: the node of each id, -1 for an id that is unknown or null.

    ``1000.0`` stands for the product ``1000`` if no product is called ``1000.0``: spreadsheets write whole numbers so.
    """
    known = product_ids.cast(pa.string())
    nodes = pc.index_in(ids, value_set=known)
    if nodes.null_count:
        digits = pc.replace_substring_regex(ids, r"^([0-9]+)\.0*$", r"\1")
        nodes = pc.coalesce(nodes, pc.index_in(digits, value_set=known))
    missing = pc.is_null(ids)
    found: np.ndarray = np.asarray(pc.if_else(missing, pa.scalar(None, pa.int32()), nodes).fill_null(-1), np.int64)
    return found
