"""One product's neighbours out of a Parquet file of any size.

Belongs here: finding the row groups that can hold a product and reading only those. Does not belong here: titles and
marks (``explorer.display``, ``explorer.relations``) and where the file lies (``explorer.data``).
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COLUMNS = ("product", "rank", "neighbour", "score", "scoring")


class NeighbourFile:
    """The table of ``core.neighbours.Neighbours``: sorted by scoring, product and rank.

    Opening reads the file's footer; the smallest and largest product of every row group stay in memory.

    Args:
        path: a local Parquet file with at least the columns :data:`COLUMNS`.
    """

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path, memory_map=True)
        meta = self._file.metadata
        names = self._file.schema_arrow.names
        self._ranges = [
            tuple(_range(meta.row_group(group).column(names.index(name))) for name in ("scoring", "product"))
            for group in range(meta.num_row_groups)
        ]

    def lookup(self, product_id: str, scoring: str, k: int) -> pa.Table:
        """The first ``k`` neighbours, best first; no rows if the file has none for this product and scoring.

        Returns:
            table with columns neighbour string, rank int16, score float32.
        """
        groups = [
            group
            for group, (scorings, products) in enumerate(self._ranges)
            if _may_hold(scorings, scoring) and _may_hold(products, product_id)
        ]
        table = self._file.read_row_groups(groups, columns=list(COLUMNS), use_threads=False)
        wanted = pc.and_(_equal(table["product"], product_id), _equal(table["scoring"], scoring))
        table = table.filter(wanted).select(["neighbour", "rank", "score"])
        return table.set_column(0, "neighbour", table["neighbour"].cast(pa.string())).sort_by("rank").slice(0, k)


def _equal(column: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    return pc.equal(column.cast(pa.string()), value)


def _range(column: pq.ColumnChunkMetaData) -> tuple[str, str] | None:
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max:
        return None
    return str(statistics.min), str(statistics.max)


def _may_hold(span: tuple[str, str] | None, value: str) -> bool:
    return span is None or span[0] <= value <= span[1]


def share_in_common(lists: list[np.ndarray]) -> list[int]:
    """For every list of nodes, how many of its entries stand in all the other lists too."""
    if len(lists) < 2:
        return [0] * len(lists)
    common = set(lists[0].tolist()).intersection(*(other.tolist() for other in lists[1:])) - {-1}
    return [sum(1 for node in nodes.tolist() if node in common) for nodes in lists]
