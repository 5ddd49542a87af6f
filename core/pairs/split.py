"""The split of pairs into training and validation, the negatives, and the products that are held out whole.

Pairs that were counted from orders can be split in time: what first occurs later validates, and products that first
occur later are cold. All other pairs are split at random: a hash of the two products decides the side of a pair, and a
hash of the product decides whether it is cold. A pair therefore keeps its side when other pairs come or go, and a
training that starts from the vectors of the last rebuild has never seen the pairs that validate it. There are two
exceptions: a product that had no metadata and gets some can become cold, with its pairs; and in tiny categories, the
rules that leave at least one pair on each side can move pairs.

Pairs are compared as int64 keys ``smaller id * n_nodes + larger id`` in sorted arrays, because sets of 26 million
Python tuples take too much memory and time.
"""

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.arrays import distinct
from core.errors import InputError
from core.pairs import ProductPairs, product_hashes
from core.pairs.held_out_orders import HeldOutOrders
from core.settings import setting
from core.store.manifest import ADDED_LATER

VERSION = "3"
"""Raised whenever the same pairs and settings are split differently."""

_ROUNDS = 100
"""Maximum number of rounds of rejection sampling, because a nearly complete graph has hardly any negatives."""
_MAX_DRAW = 1 << 22
"""Maximum number of candidates drawn in one round (32 MB of keys)."""


AUTO, RANDOM, TIME, LAST_ORDER = "auto", "random", "time", "last_order"


@dataclass(frozen=True)
class SplitConfig:
    """Settings of the split."""

    validation_share: float = setting(
        1 / 3, "Approximate share of the pairs between warm products that is held out for validation.", ge=0.05, le=0.5
    )
    cold_share: float = setting(
        0.05,
        "Approximate share of the products with metadata and pairs that is held out whole for the cold-start test; "
        "0 holds out none.",
        ge=0.0,
        le=0.5,
    )
    by: str = setting(
        AUTO,
        "What is held out: pairs at random (`random`), all orders after a moment (`time`), or the last order of every "
        "customer (`last_order`). `auto` is `time` for sources with at least 1,000 order lines and their times, and "
        "`random` for all others.",
        choices=(AUTO, RANDOM, TIME, LAST_ORDER),
    )
    last: float = setting(0.2, "Share of the order lines, the latest, that a split in time holds out.", ge=0.01, le=0.9)
    date: str = setting(
        "", "First day or moment (ISO 8601, UTC) that a split in time holds out; it takes the place of `last`."
    )

    def contradiction(self) -> str | None:
        """What is wrong with the date."""
        try:
            read = datetime.datetime.fromisoformat(self.date) if self.date else None
        except ValueError:
            return f"date: {self.date!r} is not a date such as 2025-03-01 or 2025-03-01T12:00"
        if read is not None and read.tzinfo is not None:
            return f"date: {self.date!r} states a time zone; give it in UTC without one"
        return None


@dataclass(frozen=True)
class Pairs:
    """Pairs of products.

    Attributes:
        source, target: int32 ``[m]`` node ids.
    """

    source: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True)
class WeightedPairs(Pairs):
    """Pairs of products with a weight each.

    Attributes:
        weight: float32 ``[m]``.
    """

    weight: np.ndarray


@dataclass(frozen=True)
class PairSplit:
    """The pairs of one category, split; ``source < target`` unless noted otherwise.

    Every pair of the category is either in the training part, in the validation part, or among the cold pairs (one
    product is cold, the other has a training pair), or it is not used at all (both products are cold, or the warm one
    has no training pair, so that no model knows either of them).

    Attributes:
        n_nodes: number of products.
        train: the training pairs.
        validation: the held-out pairs.
        uniform_negatives: as many negatives as held-out pairs, drawn uniformly and without repetition from the pairs of
            validation products that are not pairs of the category. Fewer only if there are not that many.
        degree_matched_negatives: as many negatives, both ends drawn in proportion to their degree among the validation
            pairs; a negative may be drawn more than once, as hubs require. Fewer only in nearly complete graphs.
        cold: int32, the products held out whole, ascending; none of their pairs is in train or validation.
        cold_pairs: pairs of a cold product (source) and a product with a training pair (target).
        cold_degree_matched: int32, for each cold pair another target that is not paired with its source, drawn in
            proportion to the targets' number of cold pairs; -1 where 100 draws gave none.
        cold_uniform: the same, drawn uniformly from the products with a training pair.
        keys: uint64 ``[n_nodes]``: identifies the product of a node, whatever its number. Two splits have the same key
            for a product only if they have the same seed and shares, so that neither holds out training pairs of the
            other. None in splits that were stored before there were keys.
        orders: what the test in time asks about; None if the pairs were not split in time.
    """

    n_nodes: int
    train: WeightedPairs
    validation: Pairs
    uniform_negatives: Pairs
    degree_matched_negatives: Pairs
    cold: np.ndarray
    cold_pairs: Pairs
    cold_degree_matched: np.ndarray
    cold_uniform: np.ndarray
    keys: np.ndarray | None = None
    orders: HeldOutOrders | None = field(default=None, metadata=ADDED_LATER)


def split_product_pairs(pairs: ProductPairs, config: SplitConfig, seed: int = 42) -> PairSplit:
    """Split a category's pairs; see :func:`split_pairs`. The hashes are those of the product ids.

    Pairs that were counted from orders split in time are split by :func:`split_in_time` instead. Where listings have
    places, the training weights are those of the training listings alone (:func:`training_pairs`): they are what they
    would be if the source had never had the pairs that are held out.
    """
    has_metadata = pairs.products["has_metadata"].to_numpy()
    hashes = product_hashes(pairs.products)
    n_nodes = len(has_metadata)
    if pairs.later_source is None or pairs.later_target is None:
        if config.by in (TIME, LAST_ORDER):
            raise InputError(f"settings split.by: `{config.by}` needs a source of order lines; choose `random`")
        split = split_pairs(n_nodes, pairs.source, pairs.target, pairs.weight, has_metadata, config, seed, hashes)
        return with_training_weights(split, pairs)
    known = WeightedPairs(pairs.source, pairs.target, pairs.weight)
    later = Pairs(pairs.later_source, pairs.later_target)
    return with_training_weights(split_in_time(n_nodes, known, later, has_metadata, config, seed, hashes), pairs)


def training_pairs(pairs: ProductPairs, train: Pairs) -> ProductPairs:
    """The category's pairs without what a split holds out; places and lengths of lists count only what is left.

    Args:
        pairs: the pairs that were split.
        train: the training pairs of the split, sorted by (source, target).

    Raises:
        InputError: the category does not have all of these pairs.
    """
    n_nodes = pairs.products.num_rows
    keys = pair_keys(n_nodes, train.source, train.target)
    chosen = in_sorted(keys, pair_keys(n_nodes, pairs.source, pairs.target))
    if np.count_nonzero(chosen) != len(train):
        raise InputError(
            "product_pairs does not have all training pairs of the split, because it has been made again since; "
            "make pair_split and what follows from it again"
        )
    return pairs.only(chosen)


def with_training_weights(split: PairSplit, pairs: ProductPairs) -> PairSplit:
    """A split whose training weights follow from the training listings alone, if listings have places.

    Args:
        split: a split of ``pairs``.
        pairs: the pairs that were split.
    """
    if pairs.listings is None:
        return split
    return replace(split, train=replace(split.train, weight=training_pairs(pairs, split.train).weight))


def split_pairs(
    n_nodes: int,
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    has_metadata: np.ndarray,
    config: SplitConfig,
    seed: int = 42,
    hashes: np.ndarray | None = None,
) -> PairSplit:
    """Split undirected pairs; the result does not depend on their order.

    With ``hashes``, a pair or product also keeps its side when others come or go and nodes are renumbered.

    Args:
        n_nodes: number of products.
        source, target: int ``[m]`` node ids, each unordered pair once, no self pairs.
        weight: float32 ``[m]``.
        has_metadata: bool ``[n_nodes]``; only these products can be cold, because a model needs their metadata to
            place them.
        config: shares.
        seed: seed of all draws; each kind of draw has its own stream, so that changing one share does not change the
            other draws.
        hashes: uint64 ``[n_nodes]``, see :func:`core.pairs.product_hashes`; None stands for hashes of the node ids.

    Raises:
        InputError: there is no pair to split.
        ValueError: self pairs, repeated pairs or ids out of range.
    """
    if not len(source):
        raise InputError(
            "product_pairs: there are no product pairs to split; check that the category's metadata has "
            "relationships (also_bought, also_viewed, bought_together) or give a pairs table"
        )
    keys, weight = _sorted_keys(n_nodes, source, target, weight)
    low, high = _ends(n_nodes, keys)
    streams = np.random.SeedSequence(seed).spawn(5)
    cold_salt, valid_salt = (stream.generate_state(1, np.uint64) for stream in streams[:2])
    hashes = _mixed(np.arange(n_nodes, dtype=np.uint64) if hashes is None else hashes)

    cold = _cold_products(_mixed(hashes ^ cold_salt), low, high, has_metadata, config.cold_share)
    is_cold = np.zeros(n_nodes, dtype=bool)
    is_cold[cold] = True

    warm_pairs = np.flatnonzero(~(is_cold[low] | is_cold[high]))
    pair_hashes = _mixed((hashes[low[warm_pairs]] + hashes[high[warm_pairs]]) ^ valid_salt)
    held_out = _held_out(pair_hashes, config.validation_share)
    is_valid, is_train = np.zeros((2, len(keys)), dtype=bool)
    is_valid[warm_pairs[held_out]] = True
    is_train[warm_pairs[~held_out]] = True
    train = WeightedPairs(low[is_train], high[is_train], weight[is_train])
    validation = Pairs(low[is_valid], high[is_valid])
    in_train = _with_pairs(n_nodes, train)
    cold_pairs = _cold_pairs(low, high, is_cold, in_train)
    return _with_negatives(
        n_nodes, keys, train, validation, cold, cold_pairs, in_train, streams[2:], _mixed(hashes ^ _rule(seed, config))
    )


def split_in_time(
    n_nodes: int,
    known: WeightedPairs,
    later: Pairs,
    has_metadata: np.ndarray,
    config: SplitConfig,
    seed: int = 42,
    hashes: np.ndarray | None = None,
) -> PairSplit:
    """Train on the pairs that are known before a moment, and validate on the pairs that first occur after it.

    Pairs of two products with a known pair validate. Products with metadata whose first pair is a later one are the
    cold products, and their pairs with products that have a known pair are the cold pairs. No share is held out beyond
    that. The result does not depend on the order of the pairs.

    Args:
        n_nodes: number of products.
        known, later: each unordered pair once, no self pairs; later pairs that are known already are not used.
        has_metadata, config, seed, hashes: see :func:`split_pairs`.

    Raises:
        InputError: no pair is known.
        ValueError: self pairs, repeated pairs or ids out of range.
    """
    if not len(known):
        raise InputError(
            "product_pairs: no pair occurs before the moment that split.date or split.last holds out from; choose a "
            "later one"
        )
    known_keys, weight = _sorted_keys(n_nodes, known.source, known.target, known.weight)
    train = WeightedPairs(*_ends(n_nodes, known_keys), weight)
    later_keys = np.sort(pair_keys(n_nodes, later.source, later.target))
    new = later_keys[~in_sorted(known_keys, later_keys)]
    low, high = _ends(n_nodes, new)
    in_train = _with_pairs(n_nodes, train)
    both = in_train[low] & in_train[high]
    first_later = np.zeros(n_nodes, bool)
    first_later[low] = first_later[high] = True
    is_cold = first_later & ~in_train & np.asarray(has_metadata, dtype=bool)
    cold_pairs = _cold_pairs(low, high, is_cold, in_train)
    hashes = _mixed(np.arange(n_nodes, dtype=np.uint64) if hashes is None else hashes)
    streams = np.random.SeedSequence(seed).spawn(5)
    return _with_negatives(
        n_nodes, np.sort(np.concatenate([known_keys, new])), train, Pairs(low[both], high[both]),
        np.flatnonzero(is_cold).astype(np.int32), cold_pairs, in_train, streams[2:],
        _mixed(hashes ^ _rule(seed, config, f"{config.by} {config.last!r} {config.date}")),
    )  # fmt: skip


def nothing_held_out(pairs: ProductPairs) -> PairSplit:
    """The split of a training on everything: all pairs are training pairs."""
    none, no_nodes = Pairs(np.empty(0, np.int32), np.empty(0, np.int32)), np.empty(0, np.int32)
    return PairSplit(
        pairs.products.num_rows, WeightedPairs(pairs.source, pairs.target, pairs.weight),
        none, none, none, no_nodes, none, no_nodes, no_nodes,
    )  # fmt: skip


def _with_pairs(n_nodes: int, pairs: Pairs) -> np.ndarray:
    """bool ``[n_nodes]``: the products that have one of these pairs."""
    paired = np.zeros(n_nodes, dtype=bool)
    paired[pairs.source] = paired[pairs.target] = True
    return paired


def _with_negatives(
    n_nodes: int,
    keys: np.ndarray,
    train: WeightedPairs,
    validation: Pairs,
    cold: np.ndarray,
    cold_pairs: Pairs,
    in_train: np.ndarray,
    streams: Sequence[np.random.SeedSequence],
    node_keys: np.ndarray,
) -> PairSplit:
    """The split with all its negatives; ``keys`` are those of all pairs of the category, sorted."""
    uniform_rng, matched_rng, redraw_rng = (np.random.default_rng(stream) for stream in streams)
    warm = np.flatnonzero(in_train).astype(np.int32)
    nothing = Pairs(np.empty(0, np.int32), np.empty(0, np.int32))
    return PairSplit(
        n_nodes=n_nodes,
        train=train,
        validation=validation,
        uniform_negatives=_uniform_negatives(uniform_rng, n_nodes, keys, validation) if len(validation) else nothing,
        degree_matched_negatives=(
            _degree_matched_negatives(matched_rng, n_nodes, keys, validation) if len(validation) else nothing
        ),
        cold=cold,
        cold_pairs=cold_pairs,
        cold_degree_matched=_other_targets(redraw_rng, n_nodes, keys, cold_pairs.source, cold_pairs.target),
        cold_uniform=_other_targets(redraw_rng, n_nodes, keys, cold_pairs.source, warm),
        keys=node_keys,
    )


def pair_keys(n_nodes: int, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """int64 ``[m]`` keys of unordered pairs."""
    keys: np.ndarray = np.minimum(source, target).astype(np.int64) * n_nodes + np.maximum(source, target)
    return keys


def in_sorted(sorted_keys: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """bool ``[m]``: which of ``queries`` (in any order) are among ``sorted_keys``."""
    if not len(sorted_keys):
        return np.zeros(len(queries), dtype=bool)
    order = np.argsort(queries)  # a search in ascending order reads the memory once, from front to back
    ascending = queries[order]
    position = np.minimum(np.searchsorted(sorted_keys, ascending), len(sorted_keys) - 1)
    contained = np.empty(len(queries), dtype=bool)
    contained[order] = sorted_keys[position] == ascending
    return contained


def _sorted_keys(
    n_nodes: int, source: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    keys = pair_keys(n_nodes, source, target)
    if np.any(keys[1:] < keys[:-1]):
        order = np.argsort(keys)
        keys, weight = keys[order], weight[order]
    if np.any(keys[1:] == keys[:-1]):
        raise ValueError("a pair occurs twice")
    if np.any(source == target):
        raise ValueError("a product cannot be paired with itself")
    if min(source.min(), target.min()) < 0 or max(source.max(), target.max()) >= n_nodes:
        raise ValueError(f"node ids must lie in 0..{n_nodes - 1}")
    return keys, weight.astype(np.float32, copy=False)


def _ends(n_nodes: int, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low = keys // n_nodes
    return low.astype(np.int32), (keys - low * n_nodes).astype(np.int32)


def _as_pairs(n_nodes: int, keys: np.ndarray) -> Pairs:
    return Pairs(*_ends(n_nodes, keys))


def _mixed(z: np.ndarray) -> np.ndarray:
    """uint64 → uint64, one to one: the finalizer of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = z ^ (z >> np.uint64(31))
    return mixed


def _below(share: float) -> np.uint64:
    """The number below which a share of all uint64 numbers lies."""
    return np.uint64(int(share * 2**64))


def _rule(seed: int, config: SplitConfig, in_time: str = "") -> np.uint64:
    """A hash of everything that decides the side of a pair, apart from the products."""
    text = in_time or f"{seed} {config.validation_share!r} {config.cold_share!r}"
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def _cold_products(
    hashes: np.ndarray, low: np.ndarray, high: np.ndarray, has_metadata: np.ndarray, share: float
) -> np.ndarray:
    """A share of the products, chosen by their hash, as long as at most half of all pairs are lost with them.

    The limit matters in tiny categories only, where a cold hub could leave nothing to train on.
    """
    n_nodes = len(hashes)
    paired = np.zeros(n_nodes, dtype=bool)
    paired[low] = paired[high] = True
    possible = np.flatnonzero(np.asarray(has_metadata, dtype=bool) & paired)
    order = possible[np.argsort(hashes[possible], kind="stable")]
    rank = np.full(n_nodes, len(order))
    rank[order] = np.arange(len(order))
    newly_lost = np.bincount(np.minimum(rank[low], rank[high]), minlength=len(order) + 1)
    lost = np.cumsum(newly_lost[: len(order)])  # pairs lost if this product and those before it are cold
    limit = int(np.searchsorted(lost, len(low) // 2, side="right"))
    wanted = int(np.count_nonzero(hashes[order] < _below(share)))
    return np.sort(order[: min(wanted, limit)]).astype(np.int32)


def _held_out(hashes: np.ndarray, share: float) -> np.ndarray:
    """bool ``[m]``: which pairs are held out, by their hash; at least one and never all, if there are two or more."""
    held_out: np.ndarray = hashes < _below(share)
    if len(hashes) < 2:
        held_out[:] = False
    elif not held_out.any():
        held_out[np.argmin(hashes)] = True
    elif held_out.all():
        held_out[np.argmax(hashes)] = False
    return held_out


def _all_negatives(n_nodes: int, keys: np.ndarray, products: np.ndarray) -> np.ndarray | None:
    """Keys of all non-pairs of ``products``, if these are so densely connected that rejection sampling could fail.

    None if at most a quarter of the possible pairs are pairs: rejection sampling is fast there, and the list would be
    long.
    """
    n = len(products)
    if n * (n - 1) // 2 > 4 * len(keys):
        return None
    a, b = np.triu_indices(n, k=1)
    candidates = pair_keys(n_nodes, products[a], products[b])
    negatives: np.ndarray = candidates[~in_sorted(keys, candidates)]
    return negatives


def _uniform_negatives(rng: np.random.Generator, n_nodes: int, keys: np.ndarray, validation: Pairs) -> Pairs:
    """As many distinct non-pairs of validation products, drawn uniformly, or all of them if there are fewer."""
    products = distinct(np.concatenate([validation.source, validation.target]))
    wanted = len(validation)
    negatives = _all_negatives(n_nodes, keys, products)
    if negatives is None:
        negatives = np.empty(0, dtype=np.int64)
        while len(negatives) < wanted:
            size = min(int((wanted - len(negatives)) * 1.2) + 64, _MAX_DRAW)
            source, target = products[rng.integers(len(products), size=(2, size))]
            drawn = pair_keys(n_nodes, source, target)[source != target]
            negatives = distinct(np.concatenate([negatives, drawn[~in_sorted(keys, drawn)]]))
    return _as_pairs(n_nodes, rng.choice(negatives, size=min(wanted, len(negatives)), replace=False))


def _degree_matched_negatives(rng: np.random.Generator, n_nodes: int, keys: np.ndarray, validation: Pairs) -> Pairs:
    """Non-pairs whose ends are drawn like the ends of validation pairs.

    An end of a uniformly drawn validation pair is a given product in proportion to its validation degree.
    """
    ends = np.concatenate([validation.source, validation.target])
    wanted = len(validation)
    products, degree = np.unique(ends, return_counts=True)
    free = _all_negatives(n_nodes, keys, products)
    if free is not None:
        low, high = (degree[np.searchsorted(products, end)].astype(np.float64) for end in _ends(n_nodes, free))
        chance = low * high / max(np.sum(low * high), 1)
        return _as_pairs(n_nodes, rng.choice(free, size=wanted if len(free) else 0, p=chance if len(free) else None))
    negatives = np.empty(0, dtype=np.int64)
    accepted = drawn = 1
    for _ in range(_ROUNDS):
        missing = wanted - len(negatives)
        if not missing:
            break
        # As many as should be enough by the share accepted so far, which is taken to be at least 1 %.
        size = min(int(1.1 * missing * min(drawn / accepted, 100)) + 64, _MAX_DRAW)
        source, target = ends[rng.integers(len(ends), size=(2, size))]
        candidates = pair_keys(n_nodes, source, target)
        kept = candidates[(source != target) & ~in_sorted(keys, candidates)]
        accepted, drawn = accepted + len(kept), drawn + size
        negatives = np.concatenate([negatives, kept[:missing]])
    return _as_pairs(n_nodes, negatives)


def _cold_pairs(low: np.ndarray, high: np.ndarray, is_cold: np.ndarray, in_train: np.ndarray) -> Pairs:
    one_is_cold = is_cold[low] != is_cold[high]
    low, high = low[one_is_cold], high[one_is_cold]
    source, target = np.where(is_cold[low], low, high), np.where(is_cold[low], high, low)
    known = in_train[target]
    return Pairs(source[known], target[known])


def _other_targets(
    rng: np.random.Generator, n_nodes: int, keys: np.ndarray, source: np.ndarray, pool: np.ndarray
) -> np.ndarray:
    """For each source a random member of ``pool``, which may repeat members, that is not paired with it; else -1."""
    target = np.full(len(source), -1, dtype=np.int32)
    rows = np.arange(len(source))
    for _ in range(_ROUNDS):
        if not len(rows):
            break
        drawn = pool[rng.integers(len(pool), size=len(rows))]
        free = ~in_sorted(keys, pair_keys(n_nodes, source[rows], drawn))
        target[rows[free]] = drawn[free]
        rows = rows[~free]
    return target
