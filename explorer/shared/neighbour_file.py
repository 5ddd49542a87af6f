"""Look up the neighbours of one product in a Parquet file of any size."""

from collections.abc import Sequence
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
        return self._lists([product_id], scoring, LIST_COLUMNS).sort_by("rank").slice(0, k)

    def lookup_many(self, product_ids: Sequence[str], scoring: str, k: int) -> list[list[str]]:
        """The first ``k`` neighbours of each product, best first; empty for a product without a list.

        Every part of the file that holds one of the lists is read once.
        """
        rows = self._lists(list(dict.fromkeys(product_ids)), scoring, ("product", "rank", "neighbour")).sort_by(
            [("product", "ascending"), ("rank", "ascending")]
        )
        lists: dict[str, list[str]] = {}
        for product, neighbour in zip(rows["product"].to_pylist(), rows["neighbour"].to_pylist(), strict=True):
            lists.setdefault(product, []).append(neighbour)
        return [lists.get(product_id, [])[:k] for product_id in product_ids]

    def _lists(self, product_ids: list[str], scoring: str, columns: tuple[str, ...]) -> pa.Table:
        """These columns of the lists of some products; ids as plain text."""
        groups = [
            group
            for group, (scorings, products) in enumerate(self._spans)
            if scorings[0] <= scoring <= scorings[1] and any(products[0] <= i <= products[1] for i in product_ids)
        ]
        # Decoding the neighbours takes most of the time, and a group in which two scorings meet spans all products, so
        # first check which groups really hold the list.
        with pq.ParquetFile(
            self._path, metadata=self._footer, memory_map=True, pre_buffer=False, page_checksum_verification=True
        ) as file:
            rows = {group: _rows(file, group, product_ids, scoring) for group in groups}
            parts = [_read(file, group, columns).take(where) for group, where in rows.items() if len(where)]
            parts = parts or [file.schema_arrow.empty_table().select(list(columns))]
        table = pa.concat_tables(parts, promote_options="permissive")
        for place, name in enumerate(columns):
            if name in ("product", "neighbour"):
                table = table.set_column(place, name, table[name].cast(pa.string()))
        return table


def _rows(file: pq.ParquetFile, group: int, product_ids: list[str], scoring: str) -> pa.Array:
    """Row numbers of some products' lists within a row group."""
    keys = _read(file, group, ("product", "scoring"))
    wanted = pc.is_in(keys["product"].cast(pa.string()), value_set=pa.array(product_ids, pa.string()))
    return pc.indices_nonzero(pc.and_(wanted, pc.equal(keys["scoring"].cast(pa.string()), scoring)))


def _read(file: pq.ParquetFile, group: int, columns: tuple[str, ...]) -> pa.Table:
    return file.read_row_group(group, columns=list(columns), use_threads=False).select(list(columns))


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
