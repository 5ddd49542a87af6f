"""Read a few rows of a Parquet file of any size by the value of one column."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def rows_where(path: Path, column: str, value: str, columns: list[str]) -> pa.Table:
    """The rows in which a column of text has this value, in the file's order.

    Of each row group the column is read first, and the others only if the value is there.

    Args:
        path: a local Parquet file without nested columns.
        column: name of the column that is compared.
        value: its value.
        columns: the columns that are returned; those with a dictionary as plain text.
    """
    with pq.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
        position = file.schema_arrow.get_field_index(column)
        parts = [_decoded(file.schema_arrow.empty_table().select(columns))]
        for group in range(file.num_row_groups):
            statistics = file.metadata.row_group(group).column(position).statistics
            bounded = statistics is not None and statistics.has_min_max
            if bounded and not statistics.min <= value <= statistics.max:
                continue
            rows = _rows(file.read_row_group(group, columns=[column], use_threads=False)[column], value)
            if len(rows):
                part = file.read_row_group(group, columns=columns, use_threads=False).select(columns)
                parts.append(_decoded(part.take(rows)))
    return pa.concat_tables(parts).combine_chunks()


def _rows(column: pa.ChunkedArray, value: str) -> pa.Array:
    """Positions of a value."""
    values = column.combine_chunks()
    if isinstance(values, pa.DictionaryArray):
        code = pc.index(values.dictionary, pa.scalar(value, values.dictionary.type))
        return pc.indices_nonzero(pc.equal(values.indices, code.cast(values.indices.type)))
    return pc.indices_nonzero(pc.equal(values, value))


def _decoded(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
    return table
