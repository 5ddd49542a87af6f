"""Which pairs a model learns from, which it is judged by, and the negatives it is judged against.

A hash of the two products decides the side of a pair, and one of the product whether it is cold. So a pair keeps its
side when others come or go, and a training that starts from the vectors of the last rebuild has not met the pairs that
judge it. Two exceptions: a product that had no metadata and gets some can become cold, with its pairs; and the rules
that leave tiny categories something to train on and something to validate can move a pair of theirs.

Pairs are compared as int64 keys ``smaller id * n_nodes + larger id`` in sorted arrays: sets of 26 million
Python tuples would neither fit nor finish.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from core.arrays import distinct
from core.errors import InputError
from core.pairs import ProductPairs, product_hashes
from core.settings import setting

VERSION = "2"
"""Raised whenever the same pairs and settings are split in another way."""

_ROUNDS = 100
"""Rejection sampling gives up after so many rounds: a nearly complete graph has hardly any negatives."""
_MAX_DRAW = 1 << 22
"""Most candidates drawn in one round (32 MB of keys)."""


@dataclass(frozen=True)
class SplitConfig:
    """Settings of the split."""

    validation_share: float = setting(
        1 / 3, "share of the pairs between warm products that is held out to validate, about", ge=0.05, le=0.5
    )
    cold_share: float = setting(
        0.05,
        "share of the products with metadata and pairs held out whole for the cold-start test, about; 0 = none",
        ge=0.0,
        le=0.5,
    )


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
    """The pairs of one category, split; ``source < target`` unless said otherwise.

    Every pair of the category is in exactly one of: train, validation, cold pairs (one product is cold, the other
    has a training pair), or nowhere (both are cold, or the warm one has no training pair: unknown to all).

    Attributes:
        n_nodes: number of products.
        train: the training pairs.
        validation: the held-out pairs.
        uniform_negatives: as many negatives as held-out pairs, drawn uniformly from the pairs of validation products
            that are not pairs at all (in train, validation or cold), each at most once. Fewer only if there are not
            that many.
        degree_matched_negatives: as many negatives, both ends drawn in proportion to their degree among the validation
            pairs; a pair may come twice, as a hub's would have to. Fewer only in nearly complete graphs.
        cold: int32, the products held out whole, ascending; none of their pairs is in train or validation.
        cold_pairs: pairs of a cold product (source) and a product with a training pair (target).
        cold_degree_matched: int32, for each cold pair another target that is not paired with its source, drawn in
            proportion to the targets' number of cold pairs; -1 where none was found in 100 draws.
        cold_uniform: the same, drawn uniformly from the products with a training pair.
        keys: uint64 ``[n_nodes]``: tells which product a node is, whatever its number: equal in two splits for the same
            product under the same seed and shares, hence only where neither's training pairs are held out by the
            other. None in splits that were stored before there were keys.
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


def split_product_pairs(pairs: ProductPairs, config: SplitConfig, seed: int = 42) -> PairSplit:
    """The split of a category's pairs; see :func:`split_pairs`. Each product keeps its side by its id."""
    has_metadata = pairs.products["has_metadata"].to_numpy()
    return split_pairs(
        len(has_metadata), pairs.source, pairs.target, pairs.weight, has_metadata, config, seed,
        product_hashes(pairs.products),
    )  # fmt: skip


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
    """Split undirected pairs; the same set of pairs gives the same split in whatever order they come.

    With ``hashes`` a pair or product keeps its side also when others come or go and nodes are numbered anew.

    Args:
        n_nodes: number of products.
        source, target: int ``[m]`` node ids, each unordered pair once, no self pairs.
        weight: float32 ``[m]``.
        has_metadata: bool ``[n_nodes]``; only such products can be cold, for side information is what places
            them.
        config: shares.
        seed: seed of all draws; each kind of draw has its own stream, so that a changed share does not move
            others.
        hashes: uint64 ``[n_nodes]``, see :func:`core.pairs.product_hashes`; None stands for products that are called
            by their node ids.

    Raises:
        InputError: there is no pair to split.
        ValueError: self pairs, repeated pairs or ids out of range.
    """
    if not len(source):
        raise InputError(
            "product_pairs: there are no product pairs to split; check that the category's metadata carries "
            "relationships (also_bought, also_viewed, bought_together) or give a pairs table"
        )
    keys, weight = _sorted_keys(n_nodes, source, target, weight)
    low, high = _ends(n_nodes, keys)
    streams = np.random.SeedSequence(seed).spawn(5)
    cold_salt, valid_salt = (stream.generate_state(1, np.uint64) for stream in streams[:2])
    uniform_rng, matched_rng, redraw_rng = (np.random.default_rng(stream) for stream in streams[2:])
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
    validation = Pairs(low[is_valid], high[is_valid])
    uniform_negatives = _uniform_negatives(uniform_rng, n_nodes, keys, validation)
    degree_matched_negatives = _degree_matched_negatives(matched_rng, n_nodes, keys, validation)

    in_train = np.zeros(n_nodes, dtype=bool)
    in_train[low[is_train]] = in_train[high[is_train]] = True
    cold_pairs = _cold_pairs(low, high, is_cold, in_train)
    warm = np.flatnonzero(in_train).astype(np.int32)
    return PairSplit(
        n_nodes=n_nodes,
        train=WeightedPairs(low[is_train], high[is_train], weight[is_train]),
        validation=validation,
        uniform_negatives=uniform_negatives,
        degree_matched_negatives=degree_matched_negatives,
        cold=cold,
        cold_pairs=cold_pairs,
        cold_degree_matched=_other_targets(redraw_rng, n_nodes, keys, cold_pairs.source, cold_pairs.target),
        cold_uniform=_other_targets(redraw_rng, n_nodes, keys, cold_pairs.source, warm),
        keys=_mixed(hashes ^ _rule(seed, config)),
    )


def pair_keys(n_nodes: int, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """int64 ``[m]`` keys of unordered pairs."""
    return np.minimum(source, target).astype(np.int64) * n_nodes + np.maximum(source, target)


def in_sorted(sorted_keys: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """bool ``[m]``: which of ``queries`` (any order) stand in ``sorted_keys``."""
    if not len(sorted_keys):
        return np.zeros(len(queries), dtype=bool)
    order = np.argsort(queries)  # searching in ascending order walks through memory once
    ascending = queries[order]
    place = np.minimum(np.searchsorted(sorted_keys, ascending), len(sorted_keys) - 1)
    found = np.empty(len(queries), dtype=bool)
    found[order] = sorted_keys[place] == ascending
    return found


def _sorted_keys(
    n_nodes: int, source: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    keys = pair_keys(n_nodes, source, target)
    if np.any(keys[1:] < keys[:-1]):
        order = np.argsort(keys)
        keys, weight = keys[order], weight[order]
    if np.any(keys[1:] == keys[:-1]):
        raise ValueError("a pair stands twice")
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
    return z ^ (z >> np.uint64(31))


def _below(share: float) -> np.uint64:
    """What a share of all uint64 numbers is less than."""
    return np.uint64(int(share * 2**64))


def _rule(seed: int, config: SplitConfig) -> np.uint64:
    """A hash of everything besides the products that decides on which side a pair is."""
    text = f"{seed} {config.validation_share!r} {config.cold_share!r}"
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def _cold_products(
    hashes: np.ndarray, low: np.ndarray, high: np.ndarray, has_metadata: np.ndarray, share: float
) -> np.ndarray:
    """A share of the products by their hash, for as long as at most half of all pairs go with them.

    The limit matters in tiny categories only: a hub drawn as cold must not leave nothing to train on.
    """
    n_nodes = len(hashes)
    paired = np.zeros(n_nodes, dtype=bool)
    paired[low] = paired[high] = True
    possible = np.flatnonzero(np.asarray(has_metadata, dtype=bool) & paired)
    order = possible[np.argsort(hashes[possible], kind="stable")]
    turn = np.full(n_nodes, len(order))
    turn[order] = np.arange(len(order))
    first = np.bincount(np.minimum(turn[low], turn[high]), minlength=len(order) + 1)
    lost = np.cumsum(first[: len(order)])  # pairs gone once this product and those before it are cold
    bearable = int(np.searchsorted(lost, len(low) // 2, side="right"))
    wanted = int(np.count_nonzero(hashes[order] < _below(share)))
    return np.sort(order[: min(wanted, bearable)]).astype(np.int32)


def _held_out(hashes: np.ndarray, share: float) -> np.ndarray:
    """bool ``[m]``: which pairs validate, by their hash; at least one and never all, as far as there are two."""
    held_out = hashes < _below(share)
    if len(hashes) < 2:
        held_out[:] = False
    elif not held_out.any():
        held_out[np.argmin(hashes)] = True
    elif held_out.all():
        held_out[np.argmax(hashes)] = False
    return held_out


def _all_negatives(n_nodes: int, keys: np.ndarray, products: np.ndarray) -> np.ndarray | None:
    """Keys of all non-pairs of ``products`` where these are so densely joined that rejection could find none.

    None where at most a quarter of the products' pairs are taken: there rejection is quick and the list long.
    """
    n = len(products)
    if n * (n - 1) // 2 > 4 * len(keys):
        return None
    a, b = np.triu_indices(n, k=1)
    candidates = pair_keys(n_nodes, products[a], products[b])
    return candidates[~in_sorted(keys, candidates)]


def _uniform_negatives(rng: np.random.Generator, n_nodes: int, keys: np.ndarray, validation: Pairs) -> Pairs:
    """As many distinct non-pairs of validation products, uniformly, or all if there are fewer."""
    products = distinct(np.concatenate([validation.source, validation.target]))
    wanted = len(validation)
    found = _all_negatives(n_nodes, keys, products)
    if found is None:
        found = np.empty(0, dtype=np.int64)
        while len(found) < wanted:
            size = min(int((wanted - len(found)) * 1.2) + 64, _MAX_DRAW)
            source, target = products[rng.integers(len(products), size=(2, size))]
            drawn = pair_keys(n_nodes, source, target)[source != target]
            found = distinct(np.concatenate([found, drawn[~in_sorted(keys, drawn)]]))
    return _as_pairs(n_nodes, rng.choice(found, size=min(wanted, len(found)), replace=False))


def _degree_matched_negatives(rng: np.random.Generator, n_nodes: int, keys: np.ndarray, validation: Pairs) -> Pairs:
    """Non-pairs whose ends are drawn like the ends of validation pairs.

    An end of a uniformly drawn validation pair is a product in proportion to its validation degree.
    """
    ends = np.concatenate([validation.source, validation.target])
    wanted = len(validation)
    products, degree = np.unique(ends, return_counts=True)
    free = _all_negatives(n_nodes, keys, products)
    if free is not None:
        low, high = (degree[np.searchsorted(products, end)].astype(np.float64) for end in _ends(n_nodes, free))
        chance = low * high / max(np.sum(low * high), 1)
        return _as_pairs(n_nodes, rng.choice(free, size=wanted if len(free) else 0, p=chance if len(free) else None))
    found = np.empty(0, dtype=np.int64)
    accepted = drawn = 1
    for _ in range(_ROUNDS):
        missing = wanted - len(found)
        if not missing:
            break
        # As many as should do, going by the share accepted so far; at least 1 % of them is hoped for.
        size = min(int(1.1 * missing * min(drawn / accepted, 100)) + 64, _MAX_DRAW)
        source, target = ends[rng.integers(len(ends), size=(2, size))]
        candidates = pair_keys(n_nodes, source, target)
        kept = candidates[(source != target) & ~in_sorted(keys, candidates)]
        accepted, drawn = accepted + len(kept), drawn + size
        found = np.concatenate([found, kept[:missing]])
    return _as_pairs(n_nodes, found)


def _cold_pairs(low: np.ndarray, high: np.ndarray, is_cold: np.ndarray, in_train: np.ndarray) -> Pairs:
    one = np.flatnonzero(is_cold[low] != is_cold[high])
    low, high = low[one], high[one]
    source, target = np.where(is_cold[low], low, high), np.where(is_cold[low], high, low)
    known = in_train[target]
    return Pairs(source[known], target[known])


def _other_targets(
    rng: np.random.Generator, n_nodes: int, keys: np.ndarray, source: np.ndarray, pool: np.ndarray
) -> np.ndarray:
    """For each source a member of ``pool`` (drawn with its multiplicity) that is no pair of it, else -1."""
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
