"""Undirected weighted product pairs from listed relationships, and the numbering of products."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import run_starts
from core.errors import InputError
from core.pairs.listings import FLOAT32, Listings, as_pair_weights, counted_places
from core.relationships import known_name, repeats_add, unify_names
from core.settings import setting
from core.store.manifest import ADDED_LATER

VERSION = "3"
"""Raised whenever the same relationships and settings give different pairs."""

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

_MAX_NAMES = 64
"""Maximum number of different relationship names."""
_LISTINGS = 2 * _MAX_NAMES
"""Number of different listings of a pair: a relationship and a direction each."""


@dataclass(frozen=True)
class PairsConfig:
    """How much each listing counts. The article (Yan 2020) has 1.2, 1.0 and 0.5, and places do not count."""

    bought_together: float = setting(1.2, "Weight of a bought_together listing.", ge=0, le=1000)
    also_bought: float = setting(1.0, "Weight of an also_bought listing.", ge=0, le=1000)
    also_viewed: float = setting(0.5, "Weight of an also_viewed listing.", ge=0, le=1000)
    other: float = setting(1.0, "Weight of a relationship that has another name or no name.", ge=0, le=1000)

    place_halving: float = setting(
        20.0,
        "Place in a list at which a listing counts half: at place p, its weight is multiplied by "
        "1 / (1 + p / place_halving). 0 makes every place count the same. Listings without a place keep their weight.",
        ge=0,
        le=1_000_000,
    )

    def weight_of(self, name: str) -> float:
        """The weight of the relationship that a source calls ``name``, in whatever spelling."""
        weights = {
            "bought_together": self.bought_together,
            "also_bought": self.also_bought,
            "also_viewed": self.also_viewed,
        }
        return weights.get(known_name(name) or "", self.other)


@dataclass(frozen=True)
class ProductPairs:
    """Undirected weighted pairs over numbered products.

    Attributes:
        products: table with :data:`PRODUCT_COLUMNS`, sorted by product_id; row i describes node i. Products that
            only appear in lists of others have no metadata (nulls, ``has_metadata`` false).
        source, target: int32 ``[m]``, source < target, sorted by (source, target), unique.
        weight: float32 ``[m]``, positive and finite: the sum of the rows' weights in both directions.
        info: numbers of ``rows``; of the rows left out, ``self_pairs`` and ``rows_without_weight`` (their own weight or
            that of their relationship is 0); of ``repeated_rows`` of a list that counted once; and of ``merged_rows``
            that were added to another row of their pair. ``rows`` minus all of these is the number of pairs.
            ``paired_products`` is the number of products in pairs, ``paired_with_metadata`` of those with metadata.
        listings: which product lists which, under which relationship and at which place; None if no listing has a
            place. Their places and lengths count all listings, so they know what a split holds out. What learns from a
            split uses those of :func:`core.pairs.split.training_pairs` instead.
        later_source, later_target: int32, sorted likewise: the pairs of what is held out in time, with those among them
            that are pairs already. None if nothing is.
    """

    products: pa.Table
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    info: dict[str, int] = field(default_factory=dict)
    listings: Listings | None = field(default=None, metadata=ADDED_LATER)
    later_source: np.ndarray | None = field(default=None, metadata=ADDED_LATER)
    later_target: np.ndarray | None = field(default=None, metadata=ADDED_LATER)

    def only(self, chosen: np.ndarray) -> "ProductPairs":
        """The pairs that there would be if the source had no listings of the others: places are counted again.

        Products keep their numbers, and ``info`` is empty.

        Args:
            chosen: bool ``[m]``: which pairs stay; at least one.
        """
        listings, weight = self.listings, self.weight[chosen]
        if listings is not None:
            listings = listings.of_pairs(self.source, self.target, chosen)
            weight = as_pair_weights(listings.pair_weights())
        return replace(
            self, source=self.source[chosen], target=self.target[chosen], weight=weight, listings=listings, info={}
        )


def build_pairs(
    products: pa.Table,
    relationships: pa.Table,
    config: PairsConfig | None = None,
    later: pa.Table | None = None,
    more_ids: pa.Array | None = None,
) -> ProductPairs:
    """Number all products and add up the weights of the rows of each pair.

    A row counts its own weight (1 if it has none) times the weight of its relationship, and less the further down its
    list it is (:func:`core.pairs.listings.listing_weights`). The table knows what repeated rows mean
    (``core.relationships.repeats_add``): all rows of a pairs table count, in either direction; of a listing that the
    same product repeats, the first counts. A product that lists itself is ignored. Only rows that count have a place:
    what is left out makes no gap. The sums do not depend on the order of the rows, to the last bit.

    Args:
        products: raw_products table (see ``core.catalog``).
        relationships: raw_relationships table: product1, product2, relationship dictionary arrays, weight, place. The
            table of an earlier version has no place.
        config: weight of each relationship, 0 drops it; and how much places count.
        later: relationships that are held out in time; their products are numbered with the others.
        more_ids: ids of further products that are numbered although they may have neither metadata nor pairs.

    Raises:
        InputError: no pair is left, the weights are too large to be added up, or the relationships have too many names.
    """
    config = config or PairsConfig()
    tables = [relationships] if later is None else [relationships, later]
    ids = _all_ids(products, tables, more_ids)
    rows = _weighted_rows(relationships, ids, config)
    if not len(rows.keys):
        raise InputError(
            "no product pair is left: no line lists a related product with a weight above 0. "
            "Check the source's relationship fields and the pairs settings"
        )
    listings, keys = _listings(rows, repeats_add(relationships), len(ids), config)
    source, target, weight = _sum_by_pair(listings, keys, ids)
    later_source, later_target = _later_pairs(later, ids, config)
    aligned = _align(products, ids)
    paired = np.zeros(len(ids), bool)
    paired[source] = paired[target] = True
    return ProductPairs(
        products=aligned,
        source=source,
        target=target,
        weight=weight,
        info={
            "rows": rows.total,
            "self_pairs": rows.self_pairs,
            "rows_without_weight": rows.total - rows.self_pairs - len(rows.keys),
            "repeated_rows": len(rows.keys) - len(listings.pair),
            "merged_rows": len(listings.pair) - len(source),
            "paired_products": int(np.count_nonzero(paired)),
            "paired_with_metadata": int(np.count_nonzero(paired & aligned["has_metadata"].to_numpy())),
        },
        listings=listings if rows.places is not None else None,
        later_source=later_source,
        later_target=later_target,
    )


@dataclass(frozen=True)
class _WeightedRows:
    """The rows of a table that name two different products and have a weight.

    Attributes:
        keys: int64 ``[m]``: (low node, high node, relationship, direction) of each row packed into one integer, so that
            finding repeated rows and summing take a single sort. 2^27 nodes squared times 128 still fit into int64.
        own_weights: float32 ``[m]``, or None if no row of the table has a weight of its own.
        places: int32 ``[m]``, 0 where there is none; None if no row of the table has a place.
        names: names of the relationships.
        relationship_weights: float64 ``[r]``: the weight of each relationship.
        total: number of all rows of the table.
        self_pairs: number of rows that were left out because a product lists itself.
    """

    keys: np.ndarray
    own_weights: np.ndarray | None
    places: np.ndarray | None
    names: list[str]
    relationship_weights: np.ndarray
    total: int
    self_pairs: int


def _weighted_rows(relationships: pa.Table, ids: pa.Array, config: PairsConfig) -> _WeightedRows:
    first = _nodes(relationships["product1"], ids)
    second = _nodes(relationships["product2"], ids)
    relationship, names, relationship_weights = _relationships(relationships, config)
    own_weights = places = None
    if relationships["weight"].null_count < len(first):
        own_weights = relationships["weight"].fill_null(1.0).to_numpy()
    if "place" in relationships.column_names and relationships["place"].null_count < len(first):
        places = relationships["place"].fill_null(0).to_numpy()
    differs = first != second
    keep = differs & (relationship_weights > 0)[relationship]
    if own_weights is not None:
        keep &= own_weights > 0
        own_weights = own_weights[keep]
    if places is not None:
        places = places[keep]
    total, self_pairs = len(first), len(first) - int(np.count_nonzero(differs))
    first, second, relationship = first[keep], second[keep], relationship[keep]
    pairs = np.minimum(first, second) * len(ids) + np.maximum(first, second)
    keys = pairs * _LISTINGS + relationship * 2 + (first > second)
    return _WeightedRows(keys, own_weights, places, names, relationship_weights, total, self_pairs)


def _listings(rows: _WeightedRows, add: bool, n_nodes: int, config: PairsConfig) -> tuple[Listings, np.ndarray]:
    """The rows that count, sorted by pair, and int64 keys ``low node * n_nodes + high node`` of the pairs.

    Args:
        rows: all rows with a weight.
        add: whether repeated rows add up, in either direction; else the first of them counts.
    """
    keys = rows.keys
    if add and rows.places is not None:
        own = np.zeros(len(keys), np.float32) if rows.own_weights is None else rows.own_weights
        order = np.lexsort((own, rows.places, keys))
    else:
        keys = keys & ~1 if add else keys  # without places, the direction does not matter to what adds up
        order = np.argsort(keys, kind="stable")
    keys = keys[order]
    if not add:
        first = run_starts(keys)
        keys, order = keys[first], order[first]
    pairs, relationship, backwards = keys // _LISTINGS, keys % _LISTINGS // 2, (keys & 1).astype(bool)
    starts = run_starts(pairs)
    place = length = np.zeros(len(keys), np.int32)
    if rows.places is not None:
        owner = np.where(backwards, pairs % n_nodes, pairs // n_nodes)
        place, length = counted_places(owner * len(rows.names) + relationship, rows.places[order])
    listings = Listings(
        pair=(np.cumsum(starts) - 1).astype(np.int32),
        relationship=relationship.astype(np.int8),
        backwards=backwards,
        place=place,
        length=length,
        own_weight=None if rows.own_weights is None else rows.own_weights[order],
        names=rows.names,
        relationship_weights=rows.relationship_weights,
        place_halving=config.place_halving,
        any_order=add,
    )
    return listings, pairs[starts]


def _sum_by_pair(listings: Listings, keys: np.ndarray, ids: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int32 source, int32 target and float32 weight of each pair, sorted by (source, target)."""
    sums = listings.pair_weights()
    source, target = (keys // len(ids)).astype(np.int32), (keys % len(ids)).astype(np.int32)
    _check_sums(sums, source, target, ids)
    return source, target, as_pair_weights(sums)


def _relationships(relationships: pa.Table, config: PairsConfig) -> tuple[np.ndarray, list[str], np.ndarray]:
    """int64 ``[m]`` code of each row's relationship, and the name and float64 weight of each code.

    Codes follow the order of the names and not of the file, so that sums over several relationships do not depend on
    the file either.
    """
    column = relationships["relationship"].combine_chunks()
    spellings = column.dictionary.to_pylist()
    code = column.indices.fill_null(len(spellings)).to_numpy(zero_copy_only=False)
    code, names = unify_names(code, [*spellings, ""])
    if len(names) > _MAX_NAMES:
        raise InputError(
            f"the source has {len(names) - 1} different relationship names, but at most {_MAX_NAMES - 1} are "
            "supported; map them to fewer names"
        )
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    names = [names[i] for i in order]
    return rank[code], names, np.array([config.weight_of(name) for name in names], dtype=np.float64)


def _check_sums(sums: np.ndarray, source: np.ndarray, target: np.ndarray, ids: pa.Array) -> None:
    """Raise InputError if the weights of a product's pairs, or of all pairs, may add up to more than float32 holds."""
    total = float(np.sum(sums))
    if 2 * total < float(FLOAT32.max):
        return
    largest = int(np.argmax(sums))
    first, second = (ids[int(nodes[largest])].as_py() for nodes in (source, target))
    raise InputError(
        f"the weights of all pairs add up to {total:.3g}, those of {first!r} and {second!r} alone to "
        f"{sums[largest]:.3g}; together they must stay below {FLOAT32.max / 2:.3g}. Divide all weights of the source "
        "by the same large number, because only their ratios matter"
    )


def product_hashes(products: pa.Table) -> np.ndarray:
    """uint64 ``[n]``: a hash of each product id (SipHash, by pandas), which does not depend on its row."""
    from pandas.util import hash_array  # importing this module stays cheap without pandas

    return hash_array(products["product_id"].to_numpy(), categorize=False)


def _later_pairs(
    later: pa.Table | None, ids: pa.Array, config: PairsConfig
) -> tuple[np.ndarray | None, np.ndarray | None]:
    if later is None:
        return None, None
    rows = _weighted_rows(later, ids, config)
    if not len(rows.keys):
        return np.empty(0, np.int32), np.empty(0, np.int32)
    source, target, _ = _sum_by_pair(*_listings(rows, repeats_add(later), len(ids), config), ids)
    return source, target


def _all_ids(products: pa.Table, relationships: Sequence[pa.Table], more_ids: pa.Array | None) -> pa.Array:
    """All product ids, unique and sorted."""
    # Together the three columns may exceed the 2^31 bytes of one string array.
    parts = [chunk.cast(pa.large_string()) for chunk in products["product_id"].chunks]
    parts += [] if more_ids is None else [more_ids.cast(pa.large_string())]
    for listed in (table[column] for table in relationships for column in ("product1", "product2")):
        chunk = listed.combine_chunks()
        used = pc.unique(chunk.indices)
        parts.append(chunk.dictionary.cast(pa.large_string()).take(used))
    ids = pc.unique(pa.concat_arrays(parts))
    return ids.take(pc.sort_indices(ids)).cast(pa.string())


def _nodes(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    """int64 node ids of a dictionary column; only its dictionary is looked up, not every row."""
    chunk = column.combine_chunks()
    lookup = pc.index_in(chunk.dictionary.cast(pa.string()), value_set=ids)
    # Dictionary entries that no row refers to may be missing from ids.
    node_of_entry = lookup.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    nodes: np.ndarray = node_of_entry[chunk.indices.to_numpy(zero_copy_only=False)]
    return nodes


def _align(products: pa.Table, ids: pa.Array) -> pa.Table:
    """Metadata in node order; products without metadata get nulls."""
    row = pc.index_in(ids, value_set=products["product_id"].combine_chunks().cast(pa.string()))
    aligned = products.take(row).set_column(products.schema.get_field_index("product_id"), "product_id", ids)
    empty = pa.scalar([], type=aligned["categories"].type)
    aligned = aligned.set_column(
        aligned.schema.get_field_index("categories"), "categories", aligned["categories"].fill_null(empty)
    )
    return aligned.append_column("has_metadata", row.is_valid()).select(list(PRODUCT_COLUMNS)).combine_chunks()
