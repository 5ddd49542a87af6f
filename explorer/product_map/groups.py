"""The groups by which the points of the map are coloured."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_GROUPS = 8
"""Groups that get a colour of their own; the palette has as many that can be told apart."""
OTHER, UNKNOWN = "Other", "Not known"


@dataclass(frozen=True)
class Grouping:
    """What the points are coloured by.

    Attributes:
        names: the largest groups first, then :data:`OTHER`, then :data:`UNKNOWN`.
        of: int8 ``[m]``: index into ``names`` of each point.
    """

    names: list[str]
    of: np.ndarray

    @property
    def sizes(self) -> list[int]:
        return np.bincount(self.of, minlength=len(self.names)).tolist()


def group_products(products: pa.Table, nodes: np.ndarray, field: str) -> Grouping:
    """Group products by ``brand`` or by the part of the ``category`` path that tells most of them apart.

    Args:
        products: node-aligned, columns of ``core.pairs.PRODUCT_COLUMNS``.
        nodes: int ``[m]``.
    """
    if field == "brand":
        values = products["brand"].combine_chunks().take(pa.array(nodes))
    else:
        values = _category(products["categories"].combine_chunks().take(pa.array(nodes)))
    counts = pc.value_counts(values.drop_null())
    order = np.argsort(-counts.field("counts").to_numpy(), kind="stable")[:MAX_GROUPS]
    largest = counts.field("values").take(pa.array(order))
    place = pc.index_in(values, value_set=largest) if len(largest) else pa.nulls(len(values), pa.int32())
    rest = pc.if_else(pc.is_null(values), len(largest) + 1, len(largest))
    of = pc.coalesce(place, pc.cast(rest, pa.int32())).to_numpy(zero_copy_only=False).astype(np.int8)
    return Grouping([*largest.to_pylist(), OTHER, UNKNOWN], of)


def _category(paths: pa.ListArray) -> pa.Array:
    """The first level of the category paths at which no single value covers nine tenths of the products."""
    depth = pc.max(pc.list_value_length(paths)).as_py() or 0
    chosen = pa.nulls(len(paths), pa.string())
    for level in range(depth):
        found = _level(paths, level)
        known = len(found) - found.null_count
        if level and known < (len(chosen) - chosen.null_count) / 2:
            break  # deeper down, too many products have no path left
        chosen = found
        if known and pc.max(pc.value_counts(found.drop_null()).field("counts")).as_py() < 0.9 * known:
            break
    return chosen


def _level(paths: pa.ListArray, level: int) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(paths), 0).to_numpy(zero_copy_only=False)
    start = paths.offsets.to_numpy()[:-1].astype(np.int64)
    place = pa.array(start + level, mask=lengths <= level)
    return paths.values.take(place).cast(pa.string())
