"""From listed relationships to undirected weighted product pairs, and the numbering of products."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import InputError
from core.relationships import known_name, repeats_add, unify_names
from core.settings import setting

VERSION = "2"
"""Raised whenever the same relationships and settings give other pairs."""

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

_MOST_NAMES = 64
"""Relationship names that can be told apart, so that a code and a direction fit into :data:`_LISTINGS`."""
_LISTINGS = 2 * _MOST_NAMES
_FLOAT32 = np.finfo(np.float32)


@dataclass(frozen=True)
class PairsConfig:
    """How much each relationship counts (the article's weights, Yan 2020)."""

    bought_together: float = setting(1.2, "Weight of a bought_together listing.", ge=0, le=1000)
    also_bought: float = setting(1.0, "Weight of an also_bought listing.", ge=0, le=1000)
    also_viewed: float = setting(0.5, "Weight of an also_viewed listing.", ge=0, le=1000)
    other: float = setting(1.0, "Weight of a relationship with any other name, or none.", ge=0, le=1000)

    def weight_of(self, name: str) -> float:
        """The weight of the relationship that is called ``name`` in a source, however it is spelled there."""
        own = {
            "bought_together": self.bought_together,
            "also_bought": self.also_bought,
            "also_viewed": self.also_viewed,
        }
        return own.get(known_name(name) or "", self.other)


@dataclass(frozen=True)
class ProductPairs:
    """Undirected weighted pairs over numbered products.

    Attributes:
        products: table with :data:`PRODUCT_COLUMNS`, sorted by product_id; row i describes node i. Products that
            are only listed by others have no metadata (nulls, ``has_metadata`` false).
        source, target: int32 ``[m]``, source < target, sorted by (source, target), unique.
        weight: float32 ``[m]``, positive and finite: the rows' weights summed over both directions.
        info: what became of the rows: ``rows``, ``self_pairs`` and ``rows_without_weight`` (their relationship's
            weight is 0) that were left out, ``repeated_rows`` of a list that counted once, and ``merged_rows`` that
            were added to another row of their pair; ``rows`` less all of these is the number of pairs; and how many
            ``paired_products`` there are, at most as many as products, and of these ``paired_with_metadata``.
    """

    products: pa.Table
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    info: dict[str, int] = field(default_factory=dict)


def build_pairs(products: pa.Table, relationships: pa.Table, config: PairsConfig | None = None) -> ProductPairs:
    """Number all products and add up what the rows say about each pair.

    A row counts its own weight (1 where there is none) times its relationship's weight. What repeated rows mean is
    known to the table (``core.relationships.repeats_add``): rows of a pairs table all count, in either direction; the
    same listing repeated by the same product counts once. A product listed by itself is ignored. The sums do not
    depend on the order of the rows, to the last bit.

    Args:
        products: raw_products table (see ``core.catalog``).
        relationships: raw_relationships table: product1, product2, relationship dictionary arrays, weight.
        config: weight of each relationship; a weight of 0 drops it.

    Raises:
        InputError: no pair is left, the weights are too large to be added up, or the relationships have too many names.
    """
    config = config or PairsConfig()
    ids = _all_ids(products, relationships)
    n = len(ids)
    a = _nodes(relationships["product1"], ids)
    b = _nodes(relationships["product2"], ids)
    code, per_kind = _kinds(relationships, config)
    rows = len(a)
    differs = a != b
    keep = differs & (per_kind > 0)[code]
    weighted = relationships["weight"].null_count < rows
    own = relationships["weight"].fill_null(1.0).to_numpy().astype(np.float64) if weighted else None
    if own is not None:
        keep &= own > 0
    if not keep.any():
        raise InputError(
            "no product pair is left: no line lists a related product with a weight above 0. "
            "Check the source's relationship fields and the pairs settings"
        )
    a, b, code = a[keep], b[keep], code[keep]
    add = repeats_add(relationships)
    # One listing is (low node, high node, relationship, direction), packed into one integer so that finding repeats
    # and summing are a single sort: 2^27 nodes squared times 128 still fit into int64. Rows that add up do so in
    # either direction.
    listing = (np.minimum(a, b) * n + np.maximum(a, b)) * _LISTINGS + code * 2
    if not add:
        listing += a > b
    del a, b, code
    order = np.argsort(listing, kind="stable")
    listing = listing[order]
    own = None if own is None else own[keep][order]
    repeated = 0
    if not add:
        first = np.r_[True, listing[1:] != listing[:-1]]
        repeated = len(first) - int(np.count_nonzero(first))
        listing, own = listing[first], None if own is None else own[first]
    elif own is not None:
        own = _sorted_within(own, listing)
    weight = per_kind[listing % _LISTINGS // 2]
    if own is not None:
        weight *= own
    pair = listing // _LISTINGS
    starts = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]])
    sums = np.add.reduceat(weight, starts)
    pair = pair[starts]
    source, target = (pair // n).astype(np.int32), (pair % n).astype(np.int32)
    _check_sums(sums, source, target, ids)
    self_pairs = rows - int(np.count_nonzero(differs))
    aligned = _align(products, ids)
    paired = np.zeros(n, bool)
    paired[source] = paired[target] = True
    return ProductPairs(
        products=aligned,
        source=source,
        target=target,
        # A sum too small for a 32-bit number is a pair all the same.
        weight=np.maximum(sums.astype(np.float32), _FLOAT32.smallest_subnormal),
        info={
            "rows": rows,
            "self_pairs": self_pairs,
            "rows_without_weight": rows - self_pairs - len(order),
            "repeated_rows": repeated,
            "merged_rows": len(listing) - len(pair),
            "paired_products": int(np.count_nonzero(paired)),
            "paired_with_metadata": int(np.count_nonzero(paired & aligned["has_metadata"].to_numpy())),
        },
    )


def _kinds(relationships: pa.Table, config: PairsConfig) -> tuple[np.ndarray, np.ndarray]:
    """int64 ``[m]`` codes of the relationships and float64 weight of each code, in the order of their names.

    The order is not that of the file, so that sums of several relationships do not depend on it either.
    """
    kind = relationships["relationship"].combine_chunks()
    written = kind.dictionary.to_pylist()
    code = kind.indices.fill_null(len(written)).to_numpy(zero_copy_only=False)
    code, names = unify_names(code, [*written, ""])
    if len(names) > _MOST_NAMES:
        raise InputError(
            f"{len(names) - 1} different relationship names in the source, at most {_MOST_NAMES - 1} are supported; "
            "map them to fewer names"
        )
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    return place[code], np.array([config.weight_of(names[i]) for i in order], dtype=np.float64)


def _sorted_within(values: np.ndarray, key: np.ndarray) -> np.ndarray:
    """``values`` with those of the same key (``key`` is sorted) in rising order; float addition is not associative."""
    same = key[1:] == key[:-1]
    among = np.flatnonzero(np.r_[False, same] | np.r_[same, False])
    if len(among):
        values = values.copy()
        values[among] = values[among][np.lexsort((values[among], key[among]))]
    return values


def _check_sums(sums: np.ndarray, source: np.ndarray, target: np.ndarray, ids: pa.Array) -> None:
    """Raise InputError if sums of the weights, of a product's pairs or of all, may not fit into float32."""
    total = float(np.sum(sums))
    if 2 * total < float(_FLOAT32.max):
        return
    top = int(np.argmax(sums))
    one, other = (ids[int(nodes[top])].as_py() for nodes in (source, target))
    raise InputError(
        f"the weights of all pairs add up to {total:.3g}, those of {one!r} and {other!r} alone to {sums[top]:.3g}; "
        f"together they must stay below {_FLOAT32.max / 2:.3g}. Divide all weights of the source by the same large "
        "number: only their ratios matter"
    )


def product_hashes(products: pa.Table) -> np.ndarray:
    """uint64 ``[n]``: a hash of each product id, the same wherever the product stands (SipHash, as pandas has it)."""
    from pandas.util import hash_array  # this module stays light

    return hash_array(products["product_id"].to_numpy(), categorize=False)


def _all_ids(products: pa.Table, relationships: pa.Table) -> pa.Array:
    """Every product id, of metadata and of listings, unique and sorted."""
    # Side by side the three may exceed the 2^31 bytes of one string array.
    parts = [chunk.cast(pa.large_string()) for chunk in products["product_id"].chunks]
    for column in ("product1", "product2"):
        chunk = relationships[column].combine_chunks()
        used = pc.unique(chunk.indices)
        parts.append(chunk.dictionary.cast(pa.large_string()).take(used))
    ids = pc.unique(pa.concat_arrays(parts))
    return ids.take(pc.sort_indices(ids)).cast(pa.string())


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
