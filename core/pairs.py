"""From listed relationships to undirected weighted product pairs, and the numbering of products.

Belongs here: which products a category has, their node ids, and how relationships become weights. Does not belong
here: reading files (``core.catalog``) and the graph itself (``core.graph``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import InputError
from core.settings import setting

PRODUCT_COLUMNS = (
    "product_id",
    "title",
    "brand",
    "price",
    "categories",
    "sales_rank",
    "image_url",
    "has_metadata",
)
"""Columns of the node-aligned products table; row i describes node i."""


_LISTINGS = 128
"""Twice the number of relationship names that can be told apart: one code per relationship and direction."""


@dataclass(frozen=True)
class PairsConfig:
    """How much each relationship counts (the article's weights, Yan 2020)."""

    bought_together: float = setting(1.2, "Weight of a bought_together listing.", ge=0, le=1000)
    also_bought: float = setting(1.0, "Weight of an also_bought listing.", ge=0, le=1000)
    also_viewed: float = setting(0.5, "Weight of an also_viewed listing.", ge=0, le=1000)
    other: float = setting(1.0, "Weight of a relationship with any other name, or none.", ge=0, le=1000)


@dataclass(frozen=True)
class ProductPairs:
    """Undirected weighted pairs over numbered products.

    Attributes:
        products: table with :data:`PRODUCT_COLUMNS`, sorted by product_id; row i describes node i. Products that
            are only listed by others have no metadata (nulls, ``has_metadata`` false).
        source, target: int32 ``[m]``, source < target, sorted by (source, target), unique.
        weight: float32 ``[m]``, positive: the listings' weights summed over both directions.
    """

    products: pa.Table
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray


def build_pairs(products: pa.Table, relationships: pa.Table, config: PairsConfig | None = None) -> ProductPairs:
    """Number all products and add up what both directions list about each pair.

    The same relationship listed twice by the same product counts once; a product listing itself is ignored; a
    team's own weight is multiplied by its relationship's weight.

    Args:
        products: raw_products table (see ``core.catalog``).
        relationships: raw_relationships table: product1, product2, relationship dictionary arrays, weight.
        config: weight of each relationship; a weight of 0 drops it.

    Raises:
        InputError: when no pair is left.
    """
    config = config or PairsConfig()
    ids = _all_ids(products, relationships)
    n = len(ids)
    a = _nodes(relationships["product1"], ids)
    b = _nodes(relationships["product2"], ids)
    kind = relationships["relationship"].combine_chunks()
    names = kind.dictionary.to_pylist()
    if len(names) >= _LISTINGS // 2:
        raise InputError(
            f"{len(names)} different relationship names in the source, at most {_LISTINGS // 2 - 1} are supported; "
            "map them to fewer names"
        )
    weights = {name: getattr(config, name, config.other) for name in names}
    per_kind = np.array([*weights.values(), config.other], dtype=np.float64)
    code = kind.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    own = relationships["weight"].fill_null(1.0).to_numpy().astype(np.float64)
    weight = per_kind[code] * own

    keep = (a != b) & (weight > 0)
    a, b, code, weight = a[keep], b[keep], code[keep], weight[keep]
    if not len(a):
        raise InputError(
            "no product pair is left: no line lists a related product with a weight above 0. "
            "Check the source's relationship fields and the pairs settings"
        )
    # One listing is (low node, high node, relationship, direction), packed into one integer so that dropping
    # repeats and summing are a single sort: 2^27 nodes squared times 128 still fit into int64.
    pair = np.minimum(a, b) * n + np.maximum(a, b)
    listing = pair * _LISTINGS + code * 2 + (a > b)
    order = np.argsort(listing, kind="stable")
    listing, weight = listing[order], weight[order]
    first = np.r_[True, listing[1:] != listing[:-1]]
    pair, weight = listing[first] // _LISTINGS, weight[first]
    starts = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])
    pair = pair[starts]
    return ProductPairs(
        products=_align(products, ids),
        source=(pair // n).astype(np.int32),
        target=(pair % n).astype(np.int32),
        weight=np.add.reduceat(weight, starts).astype(np.float32),
    )


def product_hashes(products: pa.Table) -> np.ndarray:
    """uint64 ``[n]``: a hash of each product id, the same wherever the product stands (SipHash, as pandas has it)."""
    from pandas.util import hash_array  # this module stays light

    return hash_array(products["product_id"].to_numpy(), categorize=False)


def relationship_counts(relationships: pa.Table) -> Mapping[str, int]:
    """Number of listings by relationship name."""
    counts = pc.value_counts(relationships["relationship"].combine_chunks()).to_pylist()
    return {str(c["values"]): int(c["counts"]) for c in counts}


def _all_ids(products: pa.Table, relationships: pa.Table) -> pa.Array:
    """Every product id, of metadata and of listings, unique and sorted."""
    parts = [products["product_id"].combine_chunks().cast(pa.string())]
    for column in ("product1", "product2"):
        chunk = relationships[column].combine_chunks()
        used = pc.unique(chunk.indices)
        parts.append(chunk.dictionary.take(used).cast(pa.string()))
    ids = pc.unique(pa.concat_arrays(parts))
    return ids.take(pc.sort_indices(ids))


def _nodes(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    """int64 node ids of a dictionary column: only its dictionary is looked up, not every row."""
    chunk = column.combine_chunks()
    lookup = pc.index_in(chunk.dictionary.cast(pa.string()), value_set=ids)
    # Unused dictionary entries may be missing from ids; no row refers to them.
    table = lookup.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return table[chunk.indices.to_numpy(zero_copy_only=False)]


def _align(products: pa.Table, ids: pa.Array) -> pa.Table:
    """Metadata in node order; products without a line of their own get nulls."""
    row = pc.index_in(ids, value_set=products["product_id"].combine_chunks().cast(pa.string()))
    aligned = products.take(row).set_column(products.schema.get_field_index("product_id"), "product_id", ids)
    empty = pa.scalar([], type=aligned["categories"].type)
    aligned = aligned.set_column(
        aligned.schema.get_field_index("categories"), "categories", aligned["categories"].fill_null(empty)
    )
    return aligned.append_column("has_metadata", row.is_valid()).select(list(PRODUCT_COLUMNS)).combine_chunks()
