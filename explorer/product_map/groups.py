"""The groups by which the points of the map are coloured."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_GROUPS = 8
"""Number of groups with a colour of their own, which is how many distinguishable colours the palette has."""
OTHER, UNKNOWN = "Other", "Not known"


@dataclass(frozen=True)
class Grouping:
    """The groups by which points are coloured.

    Attributes:
        names: the largest groups in descending order, then :data:`OTHER`, then :data:`UNKNOWN`.
        of: int8 ``[m]``, index into ``names`` for each point.
    """

    names: list[str]
    of: np.ndarray

    @property
    def sizes(self) -> list[int]:
        return np.bincount(self.of, minlength=len(self.names)).tolist()


def group_products(products: pa.Table, nodes: np.ndarray, field: str) -> Grouping:
    """Group products by ``brand``, or by the level of the ``category`` path that distinguishes most of them.

    Args:
        products: one row per node, with the columns of ``core.pairs.PRODUCT_COLUMNS``.
        nodes: int ``[m]``, the nodes to group.
    """
    if field == "brand":
        values = products["brand"].combine_chunks().take(pa.array(nodes))
    else:
        values = _category(products["categories"].combine_chunks().take(pa.array(nodes)))
    counts = pc.value_counts(values.drop_null())
    order = np.argsort(-counts.field("counts").to_numpy(), kind="stable")[:MAX_GROUPS]
    largest = counts.field("values").take(pa.array(order))
    index = pc.index_in(values, value_set=largest) if len(largest) else pa.nulls(len(values), pa.int32())
    rest = pc.if_else(pc.is_null(values), len(largest) + 1, len(largest))
    of = pc.coalesce(index, pc.cast(rest, pa.int32())).to_numpy(zero_copy_only=False).astype(np.int8)
    return Grouping([*largest.to_pylist(), OTHER, UNKNOWN], of)


def _category(paths: pa.ListArray) -> pa.Array:
    """The values at the first level of the category paths where no single value covers 90 % of the products."""
    depth = pc.max(pc.list_value_length(paths)).as_py() or 0
    chosen = pa.nulls(len(paths), pa.string())
    for level in range(depth):
        values = _level(paths, level)
        known = len(values) - values.null_count
        if level and known < (len(chosen) - chosen.null_count) / 2:
            break  # at deeper levels, too many paths have already ended
        chosen = values
        if known and pc.max(pc.value_counts(values.drop_null()).field("counts")).as_py() < 0.9 * known:
            break
    return chosen


def _level(paths: pa.ListArray, level: int) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(paths), 0).to_numpy(zero_copy_only=False)
    start = paths.offsets.to_numpy()[:-1].astype(np.int64)
    positions = pa.array(start + level, mask=lengths <= level)
    return paths.values.take(positions).cast(pa.string())
