"""Look up the neighbours of one product in a Parquet file of any size."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import streamlit as st

from core.store import Store
from explorer.shared.store_reader import current_manifest, installed_store

LIST_COLUMNS = ("neighbour", "rank", "score")
_ALL_TEXTS = ("", "\U0010ffff")


class NeighbourFile:
    """A file with the table of ``core.scoring.neighbours.Neighbours``, sorted by scoring, product and rank.

    Opening it reads the footer, which stays in memory together with the smallest and largest scoring and product of
    every row group. Lookups may run in several threads: Arrow's readers must not be shared between threads, so every
    lookup makes its own over the same footer.

    Args:
        path: a local Parquet file with at least the columns of ``core.scoring.neighbours.NEIGHBOURS``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
        self._footer = file.metadata
        self._spans = row_group_spans(file.metadata)

    def lookup(self, product_id: str, scoring: str, k: int) -> pa.Table:
        """The first ``k`` neighbours, best first; no rows if the file has no list for this product and scoring.

        Returns:
            table with the columns neighbour (string), rank (int16) and score (float32).
        """
        groups = [
            group
            for group, (scorings, products) in enumerate(self._spans)
            if scorings[0] <= scoring <= scorings[1] and products[0] <= product_id <= products[1]
        ]
        # Decoding the neighbours takes most of the time, and a group in which two scorings meet spans all products, so
        # first check which groups really hold the list.
        with pq.ParquetFile(
            self._path, metadata=self._footer, memory_map=True, pre_buffer=False, page_checksum_verification=True
        ) as file:
            rows = {group: _rows(file, group, product_id, scoring) for group in groups}
            parts = [_read(file, group, LIST_COLUMNS).take(where) for group, where in rows.items() if len(where)]
            parts = parts or [file.schema_arrow.empty_table().select(list(LIST_COLUMNS))]
        table = pa.concat_tables(parts)
        table = table.set_column(0, "neighbour", table["neighbour"].cast(pa.string()))
        return table.sort_by("rank").slice(0, k)


def _rows(file: pq.ParquetFile, group: int, product_id: str, scoring: str) -> pa.Array:
    """Row numbers of a list within a row group."""
    keys = _read(file, group, ("product", "scoring"))
    return pc.indices_nonzero(pc.and_(_equal(keys["product"], product_id), _equal(keys["scoring"], scoring)))


def _read(file: pq.ParquetFile, group: int, columns: tuple[str, ...]) -> pa.Table:
    return file.read_row_group(group, columns=list(columns), use_threads=False).select(list(columns))


def _equal(column: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    return pc.equal(column.cast(pa.string()), value)


def row_group_spans(footer: pq.FileMetaData) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """The smallest and largest scoring, and the smallest and largest product, of every row group.

    A column without statistics spans all texts.
    """
    return [_spans(footer.row_group(group)) for group in range(footer.num_row_groups)]


def _spans(group: pq.RowGroupMetaData) -> tuple[tuple[str, str], tuple[str, str]]:
    statistics = {group.column(i).path_in_schema: group.column(i).statistics for i in range(group.num_columns)}
    scoring, product = (
        (str(s.min), str(s.max)) if s is not None and s.has_min_max else _ALL_TEXTS
        for s in (statistics["scoring"], statistics["product"])
    )
    return scoring, product


def read_neighbour_file(model: str, category: str) -> NeighbourFile | None:
    """The neighbours of a model, or None if they are not materialized."""
    current = current_manifest(f"neighbours/{model}", category)
    return _neighbour_file(str(installed_store().root), model, category, current.version) if current else None


@st.cache_resource(max_entries=32, show_spinner=False)
def _neighbour_file(root: str, model: str, category: str, version: str) -> NeighbourFile:
    return NeighbourFile(Store(root).file(f"neighbours/{model}", category, "table"))
