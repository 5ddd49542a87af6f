"""Tables as CSV files in which spreadsheets find no formulas."""

import io

import pyarrow as pa
import pyarrow.csv as pa_csv

from explorer.shared.formatting import for_spreadsheet


def to_csv(rows: pa.Table) -> bytes:
    """The table as UTF-8 CSV with a header. Text that a spreadsheet would run as a formula is marked as text."""
    for position, column in enumerate(rows.schema):
        text_type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_string(text_type) or pa.types.is_large_string(text_type):
            safe = [None if text is None else for_spreadsheet(text) for text in rows.column(position).to_pylist()]
            rows = rows.set_column(position, column.name, pa.array(safe, text_type))
    out = io.BytesIO()
    pa_csv.write_csv(rows, out)
    return out.getvalue()


def with_constants(rows: pa.Table, **values: str) -> pa.Table:
    """The table preceded by columns that hold the same value in every row."""
    for position, (name, value) in enumerate(values.items()):
        rows = rows.add_column(position, name, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
    return rows
