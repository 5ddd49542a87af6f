"""Applying a slot's rules to candidates: for all products of a category at once, or for the list of one request.

A list grows from candidates, the best first. A candidate is taken if it passes the rules of the pair (stock, brands,
categories, price, blocked pairs) and those of the list (at most n of a brand, variants once, no product twice). With
diversity, the next one taken is the candidate with the largest

    (1 - diversity) * (1 - p / k) - diversity * s,

where p (from 0) is its place among the candidates that pass the rules of the pair, and s its largest similarity to a
product of the list (maximal marginal relevance; Carbonell and Goldstein, SIGIR 1998). Places are used instead of
scores, because scores of different models have different scales.
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from core.recommendations.form import SOURCES
from core.recommendations.rules.book import IN_STOCK, KEEP, LEAVE_OUT, OTHER, SAME, Rules
from core.recommendations.rules.pins import Pins
from core.recommendations.rules.product_facts import ProductFacts
from core.recommendations.rules.stock import Stock

PINNED, MODEL, CONTENT, POPULAR = range(len(SOURCES))
"""Places in ``SOURCES``."""

_SCAN = 100_000
"""Maximum number of popular products that are looked at for one list."""
_EQUAL = 1e-6
"""Relative difference that the rounding of prices to float32 may make."""


class _Pair(NamedTuple):
    """The rules of the pair for compiled code."""

    allowed: np.ndarray
    brand: np.ndarray
    brand_rule: int  # 0 any, 1 the same, 2 another
    price: np.ndarray
    price_from: float
    price_to: float
    blocked: np.ndarray


class _OfList(NamedTuple):
    """The rules of the list for compiled code."""

    max_per_brand: int
    variant: np.ndarray  # empty: variants are kept
    diversity: float
    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray


class Popular(NamedTuple):
    """Products from the most popular on, in compiled code's form: of each category, of each brand, and of all."""

    category_of_indptr: np.ndarray
    category_of: np.ndarray
    in_category_indptr: np.ndarray
    in_category: np.ndarray
    of_brand_indptr: np.ndarray
    of_brand: np.ndarray
    overall: np.ndarray


@dataclass(frozen=True)
class Lists:
    """Lists that grow.

    Attributes:
        nodes: int32 ``[s, k]``, -1 for empty places, all of them at the end.
        scores: float32 ``[s, k]``, NaN where there is no score.
        sources: uint8 ``[s, k]``, places in ``SOURCES``.
    """

    nodes: np.ndarray
    scores: np.ndarray
    sources: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """int64 ``[s]``: number of entries of each list."""
        counts: np.ndarray = np.count_nonzero(self.nodes >= 0, axis=1)
        return counts


def empty(n: int, k: int) -> Lists:
    """``n`` empty lists of ``k`` places."""
    return Lists(np.full((n, k), -1, np.int32), np.full((n, k), np.nan, np.float32), np.zeros((n, k), np.uint8))


class SlotRules:
    """A slot's rules, ready to be applied to any lists of the category.

    Args:
        rules: the rules.
        facts: the products.
        stock: what is sold out.
        pins: pinned and blocked pairs.
        slot: the slot whose pins count.
    """

    def __init__(
        self, rules: Rules, facts: ProductFacts, stock: Stock, pins: Pins | None = None, slot: str = ""
    ) -> None:
        pins = pins or Pins()
        self.rules = rules
        self.allowed: np.ndarray = facts.allowed(rules) & ~stock.left_out(rules)
        """bool ``[n]``: products that may be listed at all."""
        self.blocked: np.ndarray = pins.blocked.get(slot, np.empty(0, np.int64))
        """int64, sorted: ``product * n + neighbour`` of the blocked pairs."""
        self.pinned = pins.pinned.get(slot, {})
        self._facts = facts
        inf = float("inf")
        self._pair = _Pair(
            self.allowed, facts.brand, {SAME: 1, OTHER: 2}.get(rules.brand, 0), facts.price,
            0.0 if rules.price_from is None else rules.price_from * (1 - _EQUAL),
            inf if rules.price_to is None else rules.price_to * (1 + _EQUAL), self.blocked,
        )  # fmt: skip
        nothing = np.empty(0, np.int32)
        described = facts.described if rules.diversity else None
        self._of_list = _OfList(
            rules.max_per_brand or 0,
            nothing if rules.variants == KEEP else facts.variant,
            rules.diversity,
            np.zeros(1, np.int64) if described is None else described.indptr.astype(np.int64),
            nothing if described is None else described.indices.astype(np.int32),
            np.empty(0, np.float32) if described is None else described.data.astype(np.float32),
        )
        self._popular: Popular | None = None

    @property
    def leaves_out(self) -> bool:
        """Whether lists without pins differ from those without rules."""
        rules = dataclasses.replace(self.rules, sold_out=LEAVE_OUT, unlisted=IN_STOCK)
        return rules != Rules() or not self.allowed.all() or len(self.blocked) > 0

    def start(self, sources: np.ndarray, k: int) -> Lists:
        """Lists that hold the pins of these products, in the order of their ranks.

        A pin wins over all rules but three: a product that is sold out or not allowed is not listed, whoever pins it;
        a blocked pair is not listed; and there are only k places.
        """
        lists = empty(len(sources), k)
        if self.pinned:
            for row, source in enumerate(np.asarray(sources).tolist()):
                kept = [node for node, _ in self.pinned.get(source, ()) if self.allowed[node]][:k]
                lists.nodes[row, : len(kept)] = kept
        return lists

    def extend(
        self, lists: Lists, sources: np.ndarray, candidates: np.ndarray, scores: np.ndarray | None, source: int
    ) -> None:
        """Fill the empty places of lists with candidates that the rules let pass, in place.

        Args:
            lists: ``[s, k]``.
            sources: int32 ``[s]``: the product of each list, or -1 for a list that belongs to no product; it is then
                compared with nothing.
            candidates: int32 ``[s, m]``, the best first; -1 is left out.
            scores: float32 ``[s, m]``; None stores NaN.
            source: place in ``SOURCES`` that the entries get.
        """
        if scores is None:
            scores = np.full((1, 1), np.nan, np.float32)
        _extend(
            lists.nodes, lists.scores, lists.sources, np.asarray(sources, np.int32),
            np.asarray(candidates, np.int32), np.asarray(scores, np.float32), source, self._pair, self._of_list,
        )  # fmt: skip

    def extend_popular(self, lists: Lists, sources: np.ndarray) -> None:
        """Fill the empty places with popular products: of the product's rarest category first, then of its others, and
        at last of all products. Their order is that of popularity, whatever the diversity. At most 100,000 products are
        looked at for a list."""
        if self._popular is None:
            self._popular = _popular(self._facts, self.allowed)
        _extend_popular(
            lists.nodes, lists.scores, lists.sources, np.asarray(sources, np.int32), self._popular, self._pair,
            self._of_list,
        )  # fmt: skip

    def place_pins(self, lists: Lists, sources: np.ndarray) -> None:
        """Move pins with a rank to the place that they ask for, in place; without a rank they come first."""
        if not self.pinned:
            return
        for row, source in enumerate(np.asarray(sources).tolist()):
            wanted = dict(self.pinned.get(source, ()))
            size = int(np.count_nonzero(lists.nodes[row] >= 0))
            n_pins = int(np.count_nonzero(lists.sources[row, :size] == PINNED))
            if not n_pins or not any(wanted.get(node) for node in lists.nodes[row, :n_pins].tolist()):
                continue
            order = _places([wanted.get(node) for node in lists.nodes[row, :n_pins].tolist()], size)
            for array in (lists.nodes, lists.scores, lists.sources):
                array[row, :size] = array[row, order]

    def breaches(self, sources: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """bool ``[s, k]``: entries that must not be there: products that are sold out or not allowed, blocked pairs."""
        listed = nodes >= 0
        keys = np.asarray(sources, np.int64)[:, None] * len(self.allowed) + nodes
        blocked = np.isin(keys, self.blocked) if len(self.blocked) else np.zeros(nodes.shape, bool)
        broken: np.ndarray = listed & (~self.allowed[np.maximum(nodes, 0)] | blocked)
        return broken


def _places(ranks: list[int | None], size: int) -> list[int]:
    """Which entry comes to each place, for a list of ``size`` entries of which the first are pins with these ranks.

    Pins with a rank take their place or the next free one; those without take the first free places; the others follow.
    """
    places: list[int | None] = [None] * size
    for pin, rank in enumerate(ranks):
        if rank is not None:
            at = min(rank, size) - 1
            free = [*range(at, size), *range(at - 1, -1, -1)]
            places[next(place for place in free if places[place] is None)] = pin
    rest = iter([*(pin for pin, rank in enumerate(ranks) if rank is None), *range(len(ranks), size)])
    return [next(rest) if entry is None else entry for entry in places]


def _popular(facts: ProductFacts, allowed: np.ndarray) -> Popular:
    order = facts.by_popularity[allowed[facts.by_popularity]]
    place = np.full(len(facts), -1, np.int64)
    place[order] = np.arange(len(order))
    owners = facts.of_category[order].T.tocsr()  # the column is a place in ``order``, so that it is by popularity
    owners.sort_indices()
    brand = facts.brand[order]
    with_brand = np.flatnonzero(brand >= 0)
    by_brand = with_brand[np.argsort(brand[with_brand], kind="stable")]
    starts = np.searchsorted(brand[by_brand], np.arange(len(facts.brand_names) + 1))
    return Popular(
        facts.of_category.indptr.astype(np.int64), facts.of_category.indices.astype(np.int32),
        owners.indptr.astype(np.int64), order[owners.indices].astype(np.int32),
        starts.astype(np.int64), order[by_brand].astype(np.int32), order.astype(np.int32),
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _passes(source: int, node: int, pair: _Pair) -> bool:
    """Whether a candidate passes the rules of the pair."""
    if node == source or not pair.allowed[node]:
        return False
    if source < 0:
        return True
    if pair.brand_rule and pair.brand[source] >= 0:
        same = pair.brand[source] == pair.brand[node]
        if same != (pair.brand_rule == 1):
            return False
    if pair.price_from > 0 or pair.price_to < np.inf:
        base = np.float64(pair.price[source])
        if base > 0:  # false for an unknown price
            ratio = np.float64(pair.price[node]) / base
            if not (pair.price_from <= ratio <= pair.price_to):  # true for an unknown price of the neighbour
                return False
    if len(pair.blocked):
        key = np.int64(source) * len(pair.allowed) + node
        at = np.searchsorted(pair.blocked, key)
        if at < len(pair.blocked) and pair.blocked[at] == key:
            return False
    return True


@njit(nogil=True, cache=True)
def _fits(nodes: np.ndarray, size: int, source: int, node: int, brand: np.ndarray, of_list: _OfList) -> bool:
    """Whether a candidate passes the rules of the list ``nodes[:size]``."""
    variants = len(of_list.variant) > 0
    if variants and source >= 0 and of_list.variant[source] == of_list.variant[node]:
        return False
    count = 0
    for i in range(size):
        if nodes[i] == node or (variants and of_list.variant[nodes[i]] == of_list.variant[node]):
            return False
        if brand[nodes[i]] == brand[node]:
            count += 1
    return of_list.max_per_brand == 0 or brand[node] < 0 or count < of_list.max_per_brand


@njit(nogil=True, cache=True)
def _similarity(a: int, b: int, of_list: _OfList) -> float:
    """The inner product of the descriptions of two products."""
    i, i_end = of_list.indptr[a], of_list.indptr[a + 1]
    j, j_end = of_list.indptr[b], of_list.indptr[b + 1]
    total = 0.0
    while i < i_end and j < j_end:
        if of_list.indices[i] == of_list.indices[j]:
            total += np.float64(of_list.weights[i]) * np.float64(of_list.weights[j])
            i += 1
            j += 1
        elif of_list.indices[i] < of_list.indices[j]:
            i += 1
        else:
            j += 1
    return total


@njit(nogil=True, cache=True)
def _extend(
    nodes: np.ndarray,
    scores: np.ndarray,
    origins: np.ndarray,
    sources: np.ndarray,
    candidates: np.ndarray,
    candidate_scores: np.ndarray,
    origin: int,
    pair: _Pair,
    of_list: _OfList,
) -> None:
    k, m = nodes.shape[1], candidates.shape[1]
    scored = candidate_scores.shape == candidates.shape
    passing = np.empty(m, np.int64)
    nearest = np.empty(m, np.float64)
    for row in range(len(sources)):
        size = 0
        while size < k and nodes[row, size] >= 0:
            size += 1
        if size == k:
            continue
        source = sources[row]
        n_passing = 0
        for c in range(m):
            node = candidates[row, c]
            if node < 0 or not _passes(source, node, pair):
                continue
            if of_list.diversity > 0:
                passing[n_passing] = c
                nearest[n_passing] = 0.0
                for i in range(size):
                    nearest[n_passing] = max(nearest[n_passing], _similarity(nodes[row, i], node, of_list))
                n_passing += 1
            elif _fits(nodes[row], size, source, node, pair.brand, of_list):
                nodes[row, size] = node
                scores[row, size] = candidate_scores[row, c] if scored else np.float32(np.nan)
                origins[row, size] = origin
                size += 1
                if size == k:
                    break
        while of_list.diversity > 0 and size < k:
            best, best_value = -1, -np.inf
            for p in range(n_passing):
                if passing[p] < 0:
                    continue
                if not _fits(nodes[row], size, source, candidates[row, passing[p]], pair.brand, of_list):
                    passing[p] = -1  # and it never will, because a list only grows
                    continue
                value = (1 - of_list.diversity) * (1 - p / k) - of_list.diversity * nearest[p]
                if value > best_value:
                    best, best_value = p, value
            if best < 0:
                break
            c = passing[best]
            node = candidates[row, c]
            nodes[row, size] = node
            scores[row, size] = candidate_scores[row, c] if scored else np.float32(np.nan)
            origins[row, size] = origin
            size += 1
            passing[best] = -1
            for p in range(n_passing):
                if passing[p] >= 0:
                    nearest[p] = max(nearest[p], _similarity(node, candidates[row, passing[p]], of_list))


@njit(nogil=True, cache=True)
def _take_popular(
    nodes: np.ndarray,
    scores: np.ndarray,
    origins: np.ndarray,
    size: int,
    source: int,
    popular: np.ndarray,
    budget: int,
    pair: _Pair,
    of_list: _OfList,
) -> tuple[int, int]:
    """Add popular products to one list; returns its size and what is left of the budget."""
    for node in popular[:budget]:
        budget -= 1
        if _passes(source, node, pair) and _fits(nodes, size, source, node, pair.brand, of_list):
            nodes[size] = node
            scores[size] = np.float32(np.nan)
            origins[size] = POPULAR
            size += 1
            if size == len(nodes):
                break
    return size, budget


@njit(nogil=True, cache=True)
def _extend_popular(
    nodes: np.ndarray,
    scores: np.ndarray,
    origins: np.ndarray,
    sources: np.ndarray,
    popular: Popular,
    pair: _Pair,
    of_list: _OfList,
) -> None:
    k = nodes.shape[1]
    for row in range(len(sources)):
        size = 0
        while size < k and nodes[row, size] >= 0:
            size += 1
        source, budget = sources[row], _SCAN
        if source >= 0:
            for e in range(popular.category_of_indptr[source], popular.category_of_indptr[source + 1]):
                if size == k:
                    break
                category = popular.category_of[e]
                members = popular.in_category[
                    popular.in_category_indptr[category] : popular.in_category_indptr[category + 1]
                ]
                # Half of what is left, so that something remains for the products of all categories.
                limit = budget // 2
                size, left = _take_popular(
                    nodes[row], scores[row], origins[row], size, source, members, limit, pair, of_list
                )
                budget -= limit - left
        if size == k:
            continue
        rest = popular.overall
        if source >= 0 and pair.brand_rule == 1 and pair.brand[source] >= 0:
            brand = pair.brand[source]
            rest = popular.of_brand[popular.of_brand_indptr[brand] : popular.of_brand_indptr[brand + 1]]
        _take_popular(nodes[row], scores[row], origins[row], size, source, rest, budget, pair, of_list)
