"""Reading a few rows by a value, against a scan of the whole table."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from core.store import Store
from explorer.shared.table_rows import rows_where


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("statistics", [True, False])
def test_rows_are_those_of_a_scan(tmp_path, kind, statistics):
    rng = np.random.default_rng(0)
    names = [None if i == 0 else f"k{i}" for i in rng.integers(0, 30, 500).tolist()]
    whole = pa.table({"number": np.arange(500), "key": pa.array(names).cast(kind), "same": pa.array(names).cast(kind)})
    path = tmp_path / "rows.parquet"
    pq.write_table(whole, path, row_group_size=37, write_statistics=statistics)
    for value in ("k1", "k29", "k3", "nobody", ""):
        read = rows_where(path, "key", value, ["same", "number"])
        expected = whole.filter(pc.equal(whole["key"].cast(pa.string()), value))
        assert read.column_names == ["same", "number"] and read["number"].to_pylist() == expected["number"].to_pylist()
        assert read.schema.field("same").type == pa.string() and set(read["same"].to_pylist()) <= {value}


def test_only_row_groups_with_the_value_are_read_whole(tmp_path, monkeypatch):
    store = Store(tmp_path)
    keys = pa.array(np.repeat(np.arange(200_000), 1).astype(str)).cast(pa.string())
    store.write("a", "alpha", pa.table({"key": pc.utf8_lpad(keys, 6, "0"), "number": np.arange(200_000)}))
    read = []
    original = pq.ParquetFile.read_row_group

    def counted(self, group, columns=None, **more):
        read.append((group, tuple(columns)))
        return original(self, group, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    assert rows_where(store.file("a", "alpha", "value"), "key", "070000", ["number"])["number"].to_pylist() == [70_000]
    assert read == [(1, ("key",)), (1, ("number",))]
