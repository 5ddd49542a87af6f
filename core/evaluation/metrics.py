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


def _about_orders(protocol: str, heading: str) -> tuple[Metric, ...]:
    """The metrics of lists under one of the protocols in time."""
    return (
        Metric(
            "recall@10", protocol, "Recall@10", heading=heading,
            per_list=lambda lists: recall(lists.hits, lists.n_targets, 10),
        ),
        Metric("recall@20", protocol, "Recall@20", per_list=lambda lists: recall(lists.hits, lists.n_targets, 20)),
        Metric("ndcg@10", protocol, "NDCG@10", per_list=lambda lists: ndcg(lists.hits, lists.n_targets, 10)),
        Metric(
            "ndcg@20", protocol, "NDCG@20", main=False,
            per_list=lambda lists: ndcg(lists.hits, lists.n_targets, 20),
        ),
        Metric("mrr@10", protocol, "MRR@10", main=False, per_list=lambda lists: reciprocal_rank(lists.hits, 10)),
        Metric("mrr@20", protocol, "MRR@20", main=False, per_list=lambda lists: reciprocal_rank(lists.hits, 20)),
        Metric(
            "hit_rate@10", protocol, "Hit rate@10",
            per_list=lambda lists: hit_rate(lists.hits, 10),
        ),
        Metric(
            "coverage@10", protocol, "Coverage@10", main=False,
            of_lists=lambda lists: coverage(lists.nodes[:, :10], lists.n_candidates),
        ),
    )  # fmt: skip


DEFINITIONS: tuple[Metric, ...] = (
    Metric("roc_auc", PUBLISHED, "ROC-AUC", heading="published AUC", of_counts=roc_auc),
    Metric("average_precision", PUBLISHED, "Average precision", of_counts=average_precision),
    Metric("roc_auc", DEGREE_MATCHED, "ROC-AUC", heading="degree-matched AUC", of_counts=roc_auc),
    Metric("average_precision", DEGREE_MATCHED, "Average precision", of_counts=average_precision),
    Metric(
        "recall@10", RANKING, "Recall@10", heading="recall@10",
        per_list=lambda lists: recall(lists.hits, lists.n_targets, 10),
    ),
    Metric("recall@20", RANKING, "Recall@20", per_list=lambda lists: recall(lists.hits, lists.n_targets, 20)),
    Metric(
        "ndcg@10", RANKING, "NDCG@10", heading="NDCG@10",
        per_list=lambda lists: ndcg(lists.hits, lists.n_targets, 10),
    ),
    Metric("ndcg@20", RANKING, "NDCG@20", main=False, per_list=lambda lists: ndcg(lists.hits, lists.n_targets, 20)),
    Metric("mrr@10", RANKING, "MRR@10", main=False, per_list=lambda lists: reciprocal_rank(lists.hits, 10)),
    Metric("mrr@20", RANKING, "MRR@20", main=False, per_list=lambda lists: reciprocal_rank(lists.hits, 20)),
    Metric(
        "mrr", RANKING, "MRR", heading="MRR",
        per_list=lambda lists: reciprocal_rank(lists.hits, lists.hits.shape[1]),
    ),
    Metric(
        "coverage@10", RANKING, "Coverage@10", heading="coverage@10",
        of_lists=lambda lists: coverage(lists.nodes[:, :10], lists.n_candidates),
    ),
    Metric(
        "popularity_bias@10", RANKING, "Popularity bias@10", better="neither",
        per_list=lambda lists: popularity_bias(lists.nodes[:, :10], lists.degree),
    ),
    Metric("roc_auc", COLD_START, "ROC-AUC", heading="cold-start AUC", of_counts=roc_auc),
    Metric("roc_auc_uniform", COLD_START, "ROC-AUC, uniform negatives", of_counts=roc_auc),
    Metric("recall@10", COLD_START, "Recall@10", per_list=lambda lists: recall(lists.hits, lists.n_targets, 10)),
    *_about_orders(NEXT_PRODUCT, "next product recall@10"),
    *_about_orders(REST_OF_BASKET, "rest of basket recall@10"),
    *_about_orders(NEXT_ORDER, "next order recall@10"),
)  # fmt: skip
"""All metrics in the order in which they are shown; the first metric of a protocol ranks the models."""


def of_protocol(protocol: str) -> list[Metric]:
    """The metrics of a protocol, in the order in which they are shown."""
    return [metric for metric in DEFINITIONS if metric.protocol == protocol]


def of_counts(protocol: str) -> dict[str, CountFormula]:
    """The formulas over counts of a protocol: metric → formula."""
    return {metric.name: metric.of_counts for metric in of_protocol(protocol) if metric.of_counts is not None}


def title(name: str) -> str:
    """The title of the metric with this name, or the name itself if there is no such metric."""
    return next((metric.title for metric in DEFINITIONS if metric.name == name), name)
