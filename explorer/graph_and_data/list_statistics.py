"""Statistics of whole sets of lists: popularity bias, and agreement of two models.

Node ids and the rows of a neighbours file are both in the order of product ids, so a range of products lies in few row
groups. The same ranges are read for every model, which makes their numbers comparable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from explorer.shared.neighbour_file import row_group_spans

LIST_DEPTH = 10
"""Number of neighbours of each list that are looked at."""
_COLUMNS = ["product", "rank", "neighbour"]
_RANGES = 16
_SAMPLE = 4_000


@dataclass(frozen=True)
class ListSample:
    """The first neighbours of some products.

    Attributes:
        products: int64 nodes, ascending.
        neighbours: int64 ``[len(products), K]`` nodes, -1 after the end of a shorter list.
    """

    products: np.ndarray
    neighbours: np.ndarray


def sample_ranges(n: int, sample: int = _SAMPLE) -> list[tuple[int, int]]:
    """Evenly spread half-open node ranges that hold about ``sample`` products; all products if there are fewer."""
    if n <= sample:
        return [(0, n)] if n else []
    width = sample // _RANGES
    return [(start, start + width) for start in np.linspace(0, n - width, _RANGES).astype(int).tolist()]


def load_list_sample(path: Path, scoring: str, ids: pa.Array, ranges: Sequence[tuple[int, int]]) -> ListSample:
    """Read the lists of the products in ``ranges`` from a file of schema ``core.scoring.neighbours.NEIGHBOURS``.

    Args:
        path: a local Parquet file.
        scoring: the scoring whose lists are read.
        ids: string ``[n]``, ascending, the product id of every node.
        ranges: half-open node ranges.
    """
    file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    spans = row_group_spans(file.metadata)
    parts = []
    for start, stop in ranges:
        low, high = ids[start].as_py(), ids[stop - 1].as_py()
        groups = [
            group
            for group, (scorings, products) in enumerate(spans)
            if scorings[0] <= scoring <= scorings[1] and products[0] <= high and low <= products[1]
        ]
        table = file.read_row_groups(groups, columns=["product", "rank", "neighbour", "scoring"])
        table = table.filter(
            pc.and_(pc.less_equal(table["rank"], LIST_DEPTH), pc.equal(_text(table["scoring"]), scoring))
        )
        product = _text(table["product"])
        inside = pc.and_(pc.greater_equal(product, low), pc.less_equal(product, high))
        parts.append(pa.table([product, table["rank"], _text(table["neighbour"])], _COLUMNS).filter(inside))
    table = pa.concat_tables(parts) if parts else pa.table([[], [], []], _COLUMNS)
    # One look-up for all ranges, because it hashes every id of the category.
    product, neighbour = (_nodes(table[name], ids) for name in ("product", "neighbour"))
    known = product >= 0
    product, neighbour = product[known], neighbour[known]
    rank = table["rank"].cast(pa.int64()).to_numpy()[known]
    products, row = np.unique(product, return_inverse=True)
    lists = np.full((len(products), LIST_DEPTH), -1, dtype=np.int64)
    lists[row, rank - 1] = neighbour
    return ListSample(products, lists)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _nodes(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    """int64 node of every entry; -1 for products that no longer exist."""
    nodes = pc.index_in(column.cast(ids.type), value_set=ids)
    return pc.fill_null(nodes, -1).to_numpy().astype(np.int64)


def popularity_shares(lists: ListSample, degree: np.ndarray) -> np.ndarray:
    """float64 ``[10]``: share of list entries that go to each tenth of the products, least popular first.

    Only products with a training pair count. Equally popular products are ordered by a fixed random permutation, so
    that ties are spread evenly over the tenths.
    """
    shuffled = np.random.default_rng(0).permutation(np.flatnonzero(degree > 0))
    order = shuffled[np.argsort(degree[shuffled], kind="stable")]
    tenth = np.full(len(degree), -1, dtype=np.int64)
    tenth[order] = np.arange(len(order)) * 10 // max(len(order), 1)
    listed = lists.neighbours[(lists.neighbours >= 0) & (lists.neighbours < len(degree))]
    tenths = tenth[listed]
    counts = np.bincount(tenths[tenths >= 0], minlength=10)
    return counts / max(int(counts.sum()), 1)


def shared_neighbours(a: ListSample, b: ListSample) -> tuple[np.ndarray, np.ndarray]:
    """Products for which both models have a list, and how many neighbours the two lists share; int64 ``[s]`` each."""
    products, in_a, in_b = np.intersect1d(a.products, b.products, assume_unique=True, return_indices=True)
    left, right = a.neighbours[in_a], b.neighbours[in_b]
    shared = (left[:, :, None] == right[:, None, :]) & (left >= 0)[:, :, None]
    return products, shared.any(axis=2).sum(axis=1)


def agreement_extremes(
    products: np.ndarray, shared: np.ndarray, popularity: np.ndarray, count: int = 10
) -> pd.DataFrame:
    """The products with the least and the most agreement, more popular ones first among equals.

    Returns:
        frame with columns which ("least agreed" or "most agreed"), node and shared.
    """
    popular = popularity[products]
    rows = []
    for which, key in (("least agreed", shared), ("most agreed", -shared)):
        chosen = np.lexsort((-popular, key))[:count]
        rows.append(pd.DataFrame({"which": which, "node": products[chosen], "shared": shared[chosen]}))
    return pd.concat(rows, ignore_index=True)
