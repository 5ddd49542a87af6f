"""Every metric: its formula, its names, and how it is shown.

The evaluation measures the entries of :data:`DEFINITIONS`; the leaderboard, the log and the explorer show the same
entries.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.evaluation.link import average_precision, roc_auc

VERSION = "1"
"""Raised whenever the same model gets different numbers, or other metrics are measured."""

PUBLISHED = "published"
"""Link prediction against uniform negatives of validation products, as in the article."""
DEGREE_MATCHED = "degree_matched"
"""Link prediction against negatives whose ends are drawn in proportion to their degree."""
RANKING = "ranking"
"""Top-k lists of products with a training pair, against their held-out pairs."""
COLD_START = "cold_start"
"""Pairs of products that were held out whole."""
NEXT_PRODUCT = "next_product"
"""Given one product of a later order: lists against the order's other products."""
REST_OF_BASKET = "rest_of_basket"
"""Given all products of a later order but one: lists against the missing one."""
NEXT_ORDER = "next_order"
"""Given what a customer bought: lists against what is new in the customer's first later order."""
IN_TIME = (NEXT_PRODUCT, REST_OF_BASKET, NEXT_ORDER)
"""The protocols that ask about later orders; they are measured where the orders are split in time."""
ALL, SEEN = "all", "seen"
"""Subsets of the pairs: all pairs, or the pairs of two products that both have a training pair."""

CountFormula = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A function from cumulative counts of true and false positives, ``[..., t]`` each, to float64 ``[...]``."""


@dataclass(frozen=True)
class Lists:
    """The lists of one model that are evaluated.

    Attributes:
        nodes: int32 ``[s, k]``: the listed nodes, best first; -1 marks an empty place.
        hits: bool ``[s, k]``: which of the listed nodes are targets.
        n_targets: int64 ``[s]``: number of targets of each source, at least 1.
        degree: int64 ``[n_nodes]``: degree of every node in the training graph.
        n_candidates: number of products that the model can list.
    """

    nodes: np.ndarray
    hits: np.ndarray
    n_targets: np.ndarray
    degree: np.ndarray
    n_candidates: int


@dataclass(frozen=True)
class Metric:
    """One metric under one protocol.

    Attributes:
        name: its name in tables.
        protocol: the protocol under which it is measured.
        title: its name for people.
        meaning: what it measures, in words that everybody understands.
        share: whether it is a share, which is shown in percent.
        better: which values are better: ``higher``, ``lower`` or ``neither``.
        digits: number of decimal places that are shown.
        heading: its heading in the printed leaderboard; empty if the leaderboard leaves it out.
        main: whether tables show it that have no room for all metrics.
        per_list: formula that gives a value for each list; the metric is the mean of these values.
        of_lists: formula that gives one value for all lists together.
        of_counts: formula that gives a value for cumulative counts of true and false positives.
    """

    name: str
    protocol: str
    title: str
    meaning: str = ""
    share: bool = False
    better: str = "higher"
    digits: int = 3
    heading: str = ""
    main: bool = True
    per_list: Callable[[Lists], np.ndarray] | None = None
    of_lists: Callable[[Lists], float] | None = None
    of_counts: CountFormula | None = None

    @property
    def subsets(self) -> tuple[str, ...]:
        """The subsets of pairs on which it is measured."""
        return (ALL, SEEN) if self.protocol in (PUBLISHED, DEGREE_MATCHED) else (ALL,)


def recall(hits: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: number of targets among the first k places, divided by min(k, number of targets)."""
    share: np.ndarray = hits[:, :k].sum(axis=1) / np.minimum(k, n_targets)
    return share


def ndcg(hits: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: normalized discounted cumulative gain of binary relevance (Järvelin and Kekäläinen, 2002).

    A target at rank r gains 1 / log2(r + 1); the ideal list has targets in all of its first min(k, targets)
    places.
    """
    gain = 1 / np.log2(np.arange(2, k + 2))
    width = min(k, hits.shape[1])
    ideal = np.cumsum(gain)[np.minimum(k, n_targets) - 1]
    normalized: np.ndarray = hits[:, :width] @ gain[:width] / ideal
    return normalized


def reciprocal_rank(hits: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: 1 / rank of the first target, 0 if it is not among the first k places."""
    first = np.argmax(hits[:, :k], axis=1)
    return np.where(hits[:, :k].any(axis=1), 1 / (first + 1), 0.0)


def hit_rate(hits: np.ndarray, k: int) -> np.ndarray:
    """float64 ``[s]``: 1 if a target is among the first k places, otherwise 0."""
    return np.where(hits[:, :k].any(axis=1), 1.0, 0.0)


def coverage(lists: np.ndarray, n_candidates: int) -> float:
    """Number of distinct products in the lists, divided by the largest number possible.

    That is min(number of places, number of products that the model can list).
    """
    possible = min(lists.size, n_candidates)
    return len(np.unique(lists[lists >= 0])) / possible if possible else float("nan")


def popularity_bias(lists: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """float64 ``[s]``: mean degree percentile of the listed products; NaN for an empty list.

    The percentile of a product is the share of products with a training pair that have a smaller degree, plus half
    the share that have the same degree. Lists drawn uniformly from these products have a mean of 0.5.
    """
    present = np.sort(degree[degree > 0])
    below, upto = (np.searchsorted(present, degree, side=side) for side in ("left", "right"))
    percentile = (below + upto) / 2 / max(len(present), 1)
    listed = lists >= 0
    total = np.where(listed, percentile[lists], 0.0).sum(axis=1)
    count = listed.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _recall(protocol: str, k: int, heading: str = "", main: bool = True) -> Metric:
    return Metric(
        f"recall@{k}", protocol, f"Recall@{k}", heading=heading, main=main, share=True,
        meaning=f"Share of what was held out that stands in the first {k} places of a list",
        per_list=lambda lists: recall(lists.hits, lists.n_targets, k),
    )  # fmt: skip


def _ndcg(protocol: str, k: int, heading: str = "", main: bool = True) -> Metric:
    return Metric(
        f"ndcg@{k}", protocol, f"NDCG@{k}", heading=heading, main=main,
        meaning=f"How high in the first {k} places what was held out stands; 1 is the best order possible",
        per_list=lambda lists: ndcg(lists.hits, lists.n_targets, k),
    )  # fmt: skip


def _mrr(protocol: str, k: int) -> Metric:
    return Metric(
        f"mrr@{k}", protocol, f"MRR@{k}", main=False,
        meaning=f"1 / place of the first hit, or 0 if there is none in the first {k} places",
        per_list=lambda lists: reciprocal_rank(lists.hits, k),
    )  # fmt: skip


def _coverage(protocol: str, heading: str = "", main: bool = True) -> Metric:
    return Metric(
        "coverage@10", protocol, "Coverage@10", heading=heading, main=main, share=True,
        meaning="Number of different products in the first 10 places of all lists, as a share of the largest possible",
        of_lists=lambda lists: coverage(lists.nodes[:, :10], lists.n_candidates),
    )  # fmt: skip


def _roc_auc(protocol: str, heading: str) -> Metric:
    return Metric(
        "roc_auc", protocol, "ROC-AUC", heading=heading, of_counts=roc_auc,
        meaning="Probability that a held-out pair scores higher than a pair that is not related; 0.5 is chance",
    )  # fmt: skip


def _average_precision(protocol: str) -> Metric:
    return Metric(
        "average_precision", protocol, "Average precision", of_counts=average_precision,
        meaning="Mean precision over all thresholds at which a held-out pair is found",
    )  # fmt: skip


def _about_orders(protocol: str, heading: str) -> tuple[Metric, ...]:
    """The metrics of lists under one of the protocols in time."""
    return (
        _recall(protocol, 10, heading),
        _recall(protocol, 20, main=False),
        _ndcg(protocol, 10),
        _ndcg(protocol, 20, main=False),
        _mrr(protocol, 10),
        _mrr(protocol, 20),
        Metric(
            "hit_rate@10", protocol, "Hit rate@10", share=True,
            meaning="Share of the lists with at least one hit in the first 10 places",
            per_list=lambda lists: hit_rate(lists.hits, 10),
        ),
        _coverage(protocol, main=False),
    )  # fmt: skip


DEFINITIONS: tuple[Metric, ...] = (
    *_about_orders(NEXT_PRODUCT, "next product recall@10"),
    *_about_orders(REST_OF_BASKET, "rest of basket recall@10"),
    *_about_orders(NEXT_ORDER, "next order recall@10"),
    _recall(RANKING, 10, "recall@10"),
    _recall(RANKING, 20, main=False),
    _ndcg(RANKING, 10, "NDCG@10"),
    _ndcg(RANKING, 20, main=False),
    _mrr(RANKING, 10),
    _mrr(RANKING, 20),
    Metric(
        "mrr", RANKING, "MRR", heading="MRR",
        meaning="1 / place of the first hit, or 0 if the list has none",
        per_list=lambda lists: reciprocal_rank(lists.hits, lists.hits.shape[1]),
    ),
    _coverage(RANKING, "coverage@10"),
    Metric(
        "popularity_bias@10", RANKING, "Popularity@10", better="neither",
        meaning="How popular the listed products are: share of all products that are less popular; random lists have "
        "0.5",
        per_list=lambda lists: popularity_bias(lists.nodes[:, :10], lists.degree),
    ),
    _roc_auc(DEGREE_MATCHED, "degree-matched AUC"),
    _average_precision(DEGREE_MATCHED),
    _roc_auc(COLD_START, "cold-start AUC"),
    Metric(
        "roc_auc_uniform", COLD_START, "ROC-AUC, easy negatives", of_counts=roc_auc,
        meaning="The same against pairs that are drawn uniformly, which are easier to tell apart",
    ),
    _recall(COLD_START, 10),
    _roc_auc(PUBLISHED, "article's AUC (easy)"),
    _average_precision(PUBLISHED),
)  # fmt: skip
"""All metrics in the order in which they are shown; the first metric of a protocol ranks the models."""

PROTOCOLS: tuple[str, ...] = tuple(dict.fromkeys(metric.protocol for metric in DEFINITIONS))
"""All protocols, the most telling one first; the first one that was measured decides which model is best."""


def of_protocol(protocol: str) -> list[Metric]:
    """The metrics of a protocol, in the order in which they are shown."""
    return [metric for metric in DEFINITIONS if metric.protocol == protocol]


def of_counts(protocol: str) -> dict[str, CountFormula]:
    """The formulas over counts of a protocol: metric → formula."""
    return {metric.name: metric.of_counts for metric in of_protocol(protocol) if metric.of_counts is not None}


def definition(name: str, protocol: str | None = None) -> Metric | None:
    """The metric with this name, under a protocol or under the first one that has it; None if there is no such metric.

    A stored leaderboard may have metrics that this version of the program does not know.
    """
    fitting = (metric for metric in DEFINITIONS if metric.name == name and protocol in (None, metric.protocol))
    return next(fitting, None)
