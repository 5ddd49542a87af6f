"""Tables as CSV files that no spreadsheet runs as formulas."""

import io

import pyarrow as pa
import pyarrow.csv as pa_csv

from explorer.shared.formatting import for_spreadsheet


def to_csv(rows: pa.Table) -> bytes:
    """UTF-8 CSV with a header. Text that a spreadsheet would run as a formula is marked as text."""
    for place, column in enumerate(rows.schema):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            safe = [None if text is None else for_spreadsheet(text) for text in rows.column(place).to_pylist()]
            rows = rows.set_column(place, column.name, pa.array(safe, kind))
    out = io.BytesIO()
    pa_csv.write_csv(rows, out)
    return out.getvalue()


def with_constants(rows: pa.Table, **values: str) -> pa.Table:
    """The table with leading columns that hold the same value in every row."""
    for place, (name, value) in enumerate(values.items()):
        rows = rows.add_column(place, name, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
    return rows
