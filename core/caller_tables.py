"""Tables and product ids as a caller of ``core.recommender`` has them: DataFrames, Arrow tables, files, lists."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core import paths
from core.catalog import Catalog, Source, read_catalog
from core.errors import InputError
from core.progress import Progress


def read_tables(pairs: Any, products: Any, max_bad_share: float, progress: Progress) -> Catalog:
    """Read tables as if they were files: columns, ids and cleaning are then those of every other source.

    Args:
        pairs, products: see :meth:`core.recommender.Recommender.fit`; ``products`` may be None.
        max_bad_share: see :func:`core.catalog.read_catalog`.
        progress: told of reading.

    Raises:
        InputError: a table or file that cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="alsobought-") as folder:
        source = Source(
            _file_of(pairs, "pairs", Path(folder)),
            products=None if products is None else _file_of(products, "products", Path(folder)),
        )
        return read_catalog(source, Path(folder), paths.download_dir(), max_bad_share, progress)


def _file_of(table: Any, name: str, folder: Path) -> str:
    """The path of a file, or a table written into ``folder`` and called by its argument's name in errors."""
    if isinstance(table, str | Path):
        if "://" in str(table):
            return str(table)
        path = Path(table).expanduser().absolute()
        if not path.is_file():
            what = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise InputError(f"{name}: {path} {what}; give the path of a file, a URL or a table")
        return str(path)
    rows = _arrow(table, name)
    if not rows.num_rows:
        raise InputError(f"{name}: the table has no rows")
    pq.write_table(rows, folder / name)
    return name


def _arrow(table: Any, name: str) -> pa.Table:
    """Any table as Arrow's. Raises InputError for anything else."""
    try:
        if isinstance(table, pa.Table):
            return table
        if hasattr(table, "iloc"):
            return pa.Table.from_pandas(table, preserve_index=False)
        if hasattr(table, "__arrow_c_stream__"):
            return _without_views(pa.table(table))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{name}: the table cannot be read ({error}); give each column one type") from error
    raise InputError(
        f"{name}: expected a pandas or polars DataFrame, a pyarrow Table or a file's path, not {type(table).__name__}"
    )


def _without_views(table: pa.Table) -> pa.Table:
    """Dictionaries of string views, which polars makes of categories, as dictionaries of strings: Parquet has none."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            chunks = [
                pa.DictionaryArray.from_arrays(chunk.indices.cast(pa.int32()), chunk.dictionary.cast(pa.large_string()))
                for chunk in table.column(place).chunks
            ]
            kind = pa.dictionary(pa.int32(), pa.large_string())
            table = table.set_column(place, field.name, pa.chunked_array(chunks, kind))
    return table


def id_texts(ids: Any) -> list[str]:
    """Product ids as text: one, or each of several. Raises InputError for what is neither text nor a whole number."""
    values: Iterable[Any]
    if isinstance(ids, str | int | np.integer):
        values = [ids]
    elif isinstance(ids, pa.Array | pa.ChunkedArray):
        values = ids.to_pylist()
    else:
        try:
            values = list(ids)
        except TypeError:
            values = [ids]
    texts = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | np.integer):
            raise InputError(f"a product id is text or a whole number, not {value!r}")
        texts.append(str(value))
    return texts


def two_columns(pairs: Any) -> tuple[list[Any], list[Any]]:
    """The two ids of every pair of a table or an iterable. Raises InputError for anything else."""
    if isinstance(pairs, pa.Table) or hasattr(pairs, "__arrow_c_stream__") or hasattr(pairs, "iloc"):
        table = _arrow(pairs, "pairs")
        named = {"product1", "product2"} <= set(table.column_names)
        if table.num_columns < 2:
            raise InputError("pairs: expected two columns of product ids, product1 and product2")
        first, second = (table[c] for c in (("product1", "product2") if named else (0, 1)))
        return first.to_pylist(), second.to_pylist()
    rows = [tuple(pair) if not isinstance(pair, str) else (pair,) for pair in pairs]
    if wrong := next((row for row in rows if len(row) != 2), None):
        raise InputError(f"pairs: expected pairs of product ids, not {wrong!r}")
    return [a for a, _ in rows], [b for _, b in rows]
