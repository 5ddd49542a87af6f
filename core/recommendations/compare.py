"""How much the lists have changed since they were published."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from core.recommendations.form import SOURCES, Recommendations

PERSISTENCE = 0.9
"""Probability that a reader of a list goes on to the next place, in rank-biased overlap."""
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Change:
    """The difference between the lists of one slot, then and now.

    Attributes:
        overlap: mean over products with a list then and now: the share of the first 10 places that both lists have, of
            the longer one's places among them; NaN if there is no such product.
        rank_biased_overlap: mean of :func:`rank_biased_overlap` over the same products.
        compared: number of these products.
        lost: number of products that had a list and have none now, or are gone.
        gained: number of products that have a list now only.
        before: number of products that had a list.
        by_source: source → share of the entries now; ``by_source_before`` the same of then.
    """

    overlap: float
    rank_biased_overlap: float
    compared: int
    lost: int
    gained: int
    before: int
    by_source: dict[str, float]
    by_source_before: dict[str, float]

    @property
    def lost_share(self) -> float:
        """Share of the lists that are lost."""
        return self.lost / self.before if self.before else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON has it."""
        numbers = {name: None if value != value else value for name, value in vars(self).items()}
        return {"overlap@10" if name == "overlap" else name: value for name, value in numbers.items()}


def compare_lists(before: Recommendations, now: Recommendations, k: int = 10) -> dict[str, Change]:
    """Slot → change, for the slots of ``before``; products are matched by their ids.

    A slot that is gone has lost all its lists.

    Args:
        before: the lists that are published.
        now: the lists that may follow them.
        k: places of a list for the overlap.
    """
    ids_before = before.products["product_id"].combine_chunks().cast(pa.string())
    ids = now.products["product_id"].combine_chunks().cast(pa.string())
    node_now = np.asarray(pc.index_in(ids_before, value_set=ids).fill_null(-1), np.int64)
    return {slot: _change(slot, before, now, node_now, k) for slot in before.slots}


def _change(slot: str, before: Recommendations, now: Recommendations, node_now: np.ndarray, k: int) -> Change:
    old = before.neighbours[slot]
    new = now.neighbours.get(slot, np.full((now.products.num_rows, 1), -1, np.int32))
    had, has = old[:, 0] >= 0, np.zeros(len(old), bool)
    has[node_now >= 0] = new[node_now[node_now >= 0], 0] >= 0
    both = np.flatnonzero(had & has)
    overlaps = np.empty((2, len(both)))
    for first in range(0, len(both), _BLOCK):
        rows = both[first : first + _BLOCK]
        renamed = old[rows].astype(np.int64)
        # Products that are gone stay different from each other and from all that there are.
        known = renamed >= 0
        moved = node_now[np.maximum(renamed, 0)]
        renamed = np.where(known, np.where(moved >= 0, moved, -2 - renamed), -1)
        part = new[node_now[rows]].astype(np.int64)
        overlaps[0, first : first + _BLOCK] = overlap(renamed, part, k)
        overlaps[1, first : first + _BLOCK] = rank_biased_overlap(renamed, part)
    mean, biased = (float(values.mean()) if len(both) else float("nan") for values in overlaps)
    listed_now = int(np.count_nonzero(new[:, 0] >= 0))
    return Change(
        mean, biased, len(both), int(np.count_nonzero(had & ~has)), listed_now - len(both), int(np.count_nonzero(had)),
        _shares(new, now.sources.get(slot)), _shares(old, before.sources.get(slot)),
    )  # fmt: skip


def _shares(nodes: np.ndarray, sources: np.ndarray | None) -> dict[str, float]:
    if sources is None:
        return {}
    counts = np.bincount(sources[nodes >= 0], minlength=len(SOURCES))
    return dict(zip(SOURCES, (counts / max(counts.sum(), 1)).round(6).tolist(), strict=True))


def overlap(first: np.ndarray, second: np.ndarray, k: int = 10) -> np.ndarray:
    """float64 ``[s]``: number of products in the first ``k`` places of both lists / places that the longer one fills.

    Args:
        first, second: int ``[s, ...]`` lists without repetitions; -1 marks empty places at the end. Two empty lists
            overlap whole.
    """
    first, second = np.asarray(first, np.int64)[:, :k], np.asarray(second, np.int64)[:, :k]
    common = np.zeros(len(first), np.int64)
    for place in range(first.shape[1]):
        common += ((second == first[:, place, None]) & (first[:, place, None] != -1)).any(axis=1)
    longest = np.maximum((first != -1).sum(axis=1), (second != -1).sum(axis=1))
    share: np.ndarray = np.where(longest > 0, common / np.maximum(longest, 1), 1.0)
    return share


def rank_biased_overlap(first: np.ndarray, second: np.ndarray, p: float = PERSISTENCE) -> np.ndarray:
    """float64 ``[s]``: extrapolated rank-biased overlap (Webber, Moffat and Zobel, TOIS 2010, equation 32).

    It is 1 for equal lists and 0 for lists without a common product. Early places count most. The lists may differ in
    length: what is not seen of the shorter one, and of both, is taken to agree as much as what is seen.

    Args:
        first, second: as for :func:`overlap`; of an empty and another list it is 0, of two empty ones 1.
        p: probability of going on to the next place, between 0 and 1.
    """
    first, second = (np.ascontiguousarray(lists, np.int64) for lists in (first, second))
    result = np.empty(len(first))
    _rank_biased_overlap(first, second, p, result)
    return result


@njit(nogil=True, cache=True)
def _rank_biased_overlap(first: np.ndarray, second: np.ndarray, p: float, result: np.ndarray) -> None:
    for row in range(len(result)):
        a, b = first[row], second[row]
        size_a, size_b = 0, 0
        while size_a < len(a) and a[size_a] != -1:
            size_a += 1
        while size_b < len(b) and b[size_b] != -1:
            size_b += 1
        short, long = min(size_a, size_b), max(size_a, size_b)
        if short == 0:
            result[row] = 1.0 if long == 0 else 0.0
            continue
        common, at_short = 0, 0
        total, weight = 0.0, 1.0
        for depth in range(1, long + 1):
            weight *= p
            # One more of each list: count how many of their pairs of equal products are new at this depth.
            if depth <= size_a:
                for j in range(min(depth, size_b)):
                    if b[j] == a[depth - 1]:
                        common += 1
            if depth <= size_b:
                for i in range(min(depth - 1, size_a)):
                    if a[i] == b[depth - 1]:
                        common += 1
            if depth == short:
                at_short = common
            total += common / depth * weight
            if depth > short:
                total += at_short * (depth - short) / (short * depth) * weight
        result[row] = (1 - p) / p * total + ((common - at_short) / long + at_short / short) * weight
