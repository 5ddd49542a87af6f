"""The listings that pairs are made of: which list names which product, at which place, and how much that weighs.

The place of a product in another product's list says how strong the relation is: the listed product is listed back far
more often near the top than near the end. A place counts only the listings that the caller looks at. If listings are
left out, the places behind them move up and the list becomes shorter, as if the source had never had them. So neither a
gap nor a length tells what was held out.
"""

from dataclasses import dataclass, replace

import numpy as np

from core.arrays import run_starts

FLOAT32 = np.finfo(np.float32)


@dataclass(frozen=True)
class Listings:
    """The listings of a category's pairs, one row each, with the pairs ascending.

    A list is what one product names under one relationship. Within a pair the rows are in an order that does not depend
    on the source's.

    Attributes:
        pair: int32 ``[l]``, ascending: which pair the listing belongs to, as a row of ``ProductPairs.source``. Every
            pair has at least one listing.
        relationship: int8 ``[l]``: which relationship, as a position in ``names``.
        backwards: bool ``[l]``: False if the pair's source lists its target, True if the target lists the source.
        place: int32 ``[l]``: place in the list from 1, counted among the list's rows here without gaps; products that
            the source puts at the same place share it. 0 where the source gives none.
        length: int32 ``[l]``: number of rows here of the same list that have a place.
        own_weight: float32 ``[l]``: the weight that the source gives the row; None if it gives none.
        names: names of the relationships.
        relationship_weights: float64 ``[len(names)]``, positive: their weights.
        place_halving: the place at which a listing weighs half; 0 if places do not count.
        any_order: whether the rows of a pair may come in either direction and any order, as those of a pairs table.
    """

    pair: np.ndarray
    relationship: np.ndarray
    backwards: np.ndarray
    place: np.ndarray
    length: np.ndarray
    own_weight: np.ndarray | None
    names: list[str]
    relationship_weights: np.ndarray
    place_halving: float
    any_order: bool

    def pair_weights(self) -> np.ndarray:
        """float64 ``[m]``: the sum of the weights of each pair's listings, which no order of rows changes by a bit."""
        weights = listing_weights(
            self.relationship_weights[self.relationship], self.own_weight, self.place, self.place_halving
        )
        if self.any_order:  # float addition is not associative
            weights = sorted_within(weights, self.pair.astype(np.int64) * len(self.names) + self.relationship)
        return np.add.reduceat(weights, np.flatnonzero(run_starts(self.pair)))

    def of_pairs(self, source: np.ndarray, target: np.ndarray, chosen: np.ndarray) -> "Listings":
        """The listings of some pairs, with places and lengths counted again among these.

        Args:
            source, target: int32 ``[m]``: the two products of each pair.
            chosen: bool ``[m]``: which pairs stay; they are renumbered in the same order.
        """
        kept = chosen[self.pair]
        pair, relationship, backwards = self.pair[kept], self.relationship[kept], self.backwards[kept]
        owner = np.where(backwards, target[pair], source[pair])
        place, length = counted_places(owner.astype(np.int64) * len(self.names) + relationship, self.place[kept])
        renumbered = (np.cumsum(chosen) - 1).astype(np.int32)
        return replace(
            self,
            pair=renumbered[pair],
            relationship=relationship,
            backwards=backwards,
            place=place,
            length=length,
            own_weight=None if self.own_weight is None else self.own_weight[kept],
        )


def listing_weights(
    relationship_weight: np.ndarray, own_weight: np.ndarray | None, place: np.ndarray, halving: float
) -> np.ndarray:
    """How much each listing weighs: its relationship's weight × its own weight × 1 / (1 + place / halving).

    Args:
        relationship_weight: float64 ``[l]``.
        own_weight: float ``[l]``, or None if all are 1.
        place: int ``[l]``, from 1; listings whose place is 0 have none and keep their whole weight.
        halving: the place at which a listing weighs half; 0 if places do not count.

    Returns:
        float64 ``[l]``.
    """
    weights = relationship_weight
    if own_weight is not None:
        weights = weights * own_weight.astype(np.float64)
    if halving and place.any():
        weights = weights / (1 + place / halving)
    return weights


def counted_places(lists: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the places of each list again, without gaps.

    Args:
        lists: int64 ``[l]``: number of the list that each row belongs to.
        place: int32 ``[l]``, above 0; 0 where there is none.

    Returns:
        int32 ``[l]`` places from 1, 0 where there was none (equal places stay equal), and int32 ``[l]`` number of rows
        of the same list that have a place.
    """
    rows = np.flatnonzero(place > 0)
    largest = int(place.max(initial=0)) + 1
    keys, order = _sorted(lists[rows] * largest + place[rows])
    of_list = keys // largest
    starts = np.flatnonzero(run_starts(of_list))
    lengths = np.diff(np.r_[starts, len(rows)])
    rank = np.cumsum(run_starts(keys))
    rank -= np.repeat(rank[starts] - 1, lengths)
    counted, length = np.zeros((2, len(place)), np.int32)
    counted[rows[order]] = rank
    length[rows[order]] = np.repeat(lengths, lengths)
    unplaced = np.flatnonzero(place == 0)
    if len(unplaced) and len(starts):
        at = np.minimum(np.searchsorted(of_list[starts], lists[unplaced]), len(starts) - 1)
        length[unplaced] = np.where(of_list[starts[at]] == lists[unplaced], lengths[at], 0)
    return counted, length


def _sorted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 ``[l]`` keys, not negative, in order, and the order.

    Where a key and its row fit into one integer, these are sorted: that is much faster than to sort row numbers by key.
    """
    bits = len(keys).bit_length()
    if int(keys.max(initial=0)).bit_length() + bits > 63:
        order = np.argsort(keys)
        return keys[order], order
    packed = np.sort(keys << bits | np.arange(len(keys)))
    return packed >> bits, packed & ((1 << bits) - 1)


def sorted_within(values: np.ndarray, key: np.ndarray) -> np.ndarray:
    """``values`` sorted within each run of equal keys; ``key`` is sorted."""
    same = key[1:] == key[:-1]
    in_runs = np.flatnonzero(np.r_[False, same] | np.r_[same, False])
    if len(in_runs):
        values = values.copy()
        values[in_runs] = values[in_runs][np.lexsort((values[in_runs], key[in_runs]))]
    return values


def as_pair_weights(sums: np.ndarray) -> np.ndarray:
    """float32 ``[m]``; a sum that is too small for float32 still is a pair."""
    return np.maximum(sums.astype(np.float32), FLOAT32.smallest_subnormal)
