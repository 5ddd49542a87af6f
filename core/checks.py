"""Checks that an artefact must pass before anything is built on it.

A check takes a small part of the time that the artefact took.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.delivery.place import Receipt
from core.evaluation.link import roc_auc, thresholds
from core.evaluation.metrics import ALL, DEGREE_MATCHED, RANKING
from core.graph import ProductGraph
from core.interfaces import TrainedModel
from core.pairs import ProductPairs
from core.pairs.id_clash import likely_clash
from core.pairs.split import PairSplit, in_sorted, pair_keys

_SAMPLE = 1_000_000
"""Maximum number of steps of walks that are looked up in the graph."""
_BLOCK = 1 << 16
_ROW_SUM_ERROR = 1e-9
_FEW_MEET = 0.01
"""Share of the products with pairs that have metadata; below it, the two sides probably write ids differently."""


@dataclass(frozen=True)
class Rule:
    """The definition of a check.

    Attributes:
        name: unique among the checks of one asset.
        description: what must hold, as shown in the UI.
        blocking: whether a value that fails is not stored, because results made from it would be wrong; otherwise a
            failure is a warning.
    """

    name: str
    description: str
    blocking: bool = True


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        name: the name of the rule.
        passed: whether the rule holds.
        sentence: the result in words, with the numbers that decide it.
        facts: the numbers by name, JSON-able.
    """

    name: str
    passed: bool
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)


SOURCE_FILES = (Rule("all_files_read", "Every file of the source's folder could be read.", blocking=False),)
ORDERS = (
    Rule("orders_hold_pairs", "At least one order in a hundred holds more than one product.", blocking=False),
    Rule(
        "no_giant_order",
        "No order holds more than 1,000 lines and 1 % of all lines; a larger one is probably a placeholder.",
        blocking=False,
    ),
    Rule("times_known", "If order lines have times, nine out of ten do.", blocking=False),
)
PAIRS = (
    Rule("not_empty", "There is at least one pair of products."),
    Rule("weights_positive", "Every pair's weight is a positive, finite number."),
    Rule(
        "ids_meet",
        "If there is metadata, some of the products in pairs have it, so both sides write ids in the same way.",
        blocking=False,
    ),
)
SPLIT = (Rule("no_leak", "No pair is in both the training part and the validation part."),)
TRANSITION = (Rule("rows_sum_to_one", "The probabilities of every product that has a neighbour add up to 1."),)
WALKS = (Rule("follow_edges", "Every step of a walk follows an edge of the training graph."),)
VECTORS = (
    Rule("finite", "Every number of the model is finite."),
    Rule(
        "complete", "There is a row for every product, and no product that the model has seen has an all-zero vector."
    ),
    Rule("learned", "The training had something to learn from: at least one pair of products.", blocking=False),
)
METRICS = (
    Rule(
        "beats_popularity",
        "On degree-matched negatives, the model's best ROC-AUC is not below that of popularity alone.",
        blocking=False,
    ),
    Rule(
        "no_drop",
        "Since the last materialization, degree-matched ROC-AUC has not fallen by more than guard.auc_drop, and "
        "coverage has not fallen by more than guard.coverage_drop.",
        blocking=False,
    ),
)
CUSTOMER_LISTS = (
    Rule(
        "lists_hit",
        "If orders are held out in time, the customers' lists contain a product of the first one more often than lists "
        "of popular products.",
        blocking=False,
    ),
)
LISTS_KEEP_RULES, LISTS_DISTINCT, LISTS_KEEP_PINS = "rules_kept", "distinct", "pins_kept"
LISTS_FILES_READ, LISTS_CHANGED, LISTS_CHANGED_TOO_MUCH = "files_read", "change", "change_allowed"

LISTS = (
    Rule(LISTS_KEEP_RULES, "No list holds a product that is sold out or not allowed, or a blocked pair."),
    Rule(LISTS_DISTINCT, "No list holds its own product, or a product twice, and empty places are at the end."),
    Rule(LISTS_KEEP_PINS, "Every pinned product that is allowed and not sold out is in its list."),
    Rule(
        LISTS_FILES_READ,
        "Every row of the stock table and of the pins could be used, and the rules name brands and categories that "
        "there are.",
        blocking=False,
    ),
    Rule(
        LISTS_CHANGED,
        "Compared with the published lists, the change is at most guard.lists_warn, and the share of lost lists at "
        "most guard.lost_warn.",
        blocking=False,
    ),
    Rule(
        LISTS_CHANGED_TOO_MUCH,
        "Compared with the published lists, the change is at most guard.lists_stop, and the share of lost lists at "
        "most guard.lost_stop, or guard.allow_change is set.",
    ),
)
DELIVERY = (
    Rule("read_back", "What is read back from the place is what was sent: the counts, and a sample of the lists."),
)


def check_files(refused: Mapping[str, str]) -> list[Finding]:
    """Check :data:`SOURCE_FILES`.

    Args:
        refused: file → why it was left out.
    """
    text = "; ".join(f"{file} was left out: {reason}" for file, reason in list(refused.items())[:5])
    facts = {"refused": len(refused)}
    return [Finding("all_files_read", not refused, text or "every file was read", facts)]


def check_delivery(receipt: Receipt) -> list[Finding]:
    """Check :data:`DELIVERY`."""
    sentence = receipt.problem or f"{receipt.rows:,} rows; {receipt.compared:,} lists or vectors are as they were sent"
    return [Finding("read_back", not receipt.problem, sentence, {"rows": receipt.rows, "compared": receipt.compared})]


def nothing_delivered(category: str, place: str) -> Finding:
    """The finding of :data:`DELIVERY` for a category that is not published to a place."""
    return Finding("read_back", True, f"{category} is not published to {place}")


def check_orders(facts: Mapping[str, Any]) -> list[Finding]:
    """Check :data:`ORDERS`.

    Args:
        facts: those of ``core.orders.history.order_history``; empty if there are no order lines.
    """
    if not facts:
        return [Finding(rule.name, True, "there are no order lines") for rule in ORDERS]
    lines, orders, single = facts["lines"], facts["orders"], facts["orders_of_one_product"]
    largest, untimed = facts["largest_order"], facts["lines_without_time"]
    pairs = f"{single:,} of {orders:,} orders hold one product only"
    giant = f"the largest order has {largest:,} of {lines:,} lines"
    times = f"{untimed:,} of {lines:,} lines have no time"
    return [
        Finding("orders_hold_pairs", not orders or single <= 0.99 * orders, pairs, {"orders_of_one_product": single}),
        Finding("no_giant_order", largest <= max(1000, lines / 100), giant, {"largest_order": largest}),
        Finding("times_known", untimed in (0, lines) or untimed <= lines / 10, times, {"lines_without_time": untimed}),
    ]


def check_pairs(pairs: ProductPairs) -> list[Finding]:
    """Check :data:`PAIRS`."""
    count = len(pairs.source)
    bad = count - int(np.count_nonzero((pairs.weight > 0) & np.isfinite(pairs.weight)))
    return [
        Finding("not_empty", count > 0, f"{count:,} pairs", {"pairs": count}),
        Finding(
            "weights_positive", not bad, f"{bad:,} of {count:,} weights are not positive, finite numbers", {"bad": bad}
        ),
        _ids_meet(pairs),
    ]


def _ids_meet(pairs: ProductPairs) -> Finding:
    ids = pairs.products["product_id"].combine_chunks()
    known = pairs.products["has_metadata"].to_numpy()
    paired = np.bincount(np.r_[pairs.source, pairs.target], minlength=len(ids)) > 0
    both, n_paired, n_known = (int(np.count_nonzero(mask)) for mask in (paired & known, paired, known))
    facts: dict[str, Any] = {"paired": n_paired, "with_metadata": n_known, "paired_with_metadata": both}
    if not n_known or not n_paired:
        return Finding("ids_meet", True, f"{n_known:,} products have metadata, {n_paired:,} have pairs", facts)
    text = f"{both:,} of the {n_paired:,} products that have pairs have metadata ({both / n_paired:.1%})"
    if both >= _FEW_MEET * n_paired:
        return Finding("ids_meet", True, text, facts)
    lonely = (ids.filter(pa.array(mask)) for mask in (paired & ~known, known & ~paired))
    clash = likely_clash(*lonely)
    facts |= clash.facts
    return Finding("ids_meet", False, f"{text}; {clash.sentence}", facts)


def check_split(split: PairSplit) -> list[Finding]:
    """Check :data:`SPLIT`; a pair counts in either direction."""
    train = pair_keys(split.n_nodes, split.train.source, split.train.target)
    valid = pair_keys(split.n_nodes, split.validation.source, split.validation.target)
    common = int(np.count_nonzero(in_sorted(np.sort(train), valid)))
    text = f"{common:,} of {len(valid):,} validation pairs are also in the training part"
    return [Finding("no_leak", not common, text, {"common": common})]


def check_transition(matrix: sp.csr_matrix) -> list[Finding]:
    """Check :data:`TRANSITION`."""
    rows = np.diff(matrix.indptr) > 0
    sums = np.asarray(matrix.sum(axis=1)).ravel()[rows]
    error = float(np.abs(sums - 1).max(initial=0))
    # The comparison is negated so that NaN is an error too. A sum does not reveal a negative probability.
    wrong = int(np.count_nonzero(~(np.abs(sums - 1) <= _ROW_SUM_ERROR)))
    negative = int(np.count_nonzero(matrix.data < 0))
    text = f"{wrong:,} of {len(sums):,} rows do not add up to 1, and {negative:,} probabilities are negative"
    facts = {"wrong": wrong, "negative": negative, "largest_error": error if np.isfinite(error) else None}
    return [Finding("rows_sum_to_one", not wrong and not negative, text, facts)]


def check_walks(walks: np.ndarray, matrix: sp.csr_matrix, seed: int = 42) -> list[Finding]:
    """Check :data:`WALKS`, on a random sample of whole walks if there are more than a million steps.

    Args:
        walks: int32 ``[n_walks, walk_length]``, padded with -1.
        matrix: CSR ``[n_nodes, n_nodes]`` whose stored entries are the edges.
        seed: seed of the sample.
    """
    size = max(1, _SAMPLE // max(1, walks.shape[1] - 1))
    chosen = np.arange(len(walks))
    if len(walks) > size:
        chosen = np.sort(np.random.default_rng(seed).choice(len(walks), size=size, replace=False))
    sample = np.asarray(walks[chosen], dtype=np.int64)
    source, target = sample[:, :-1].ravel(), sample[:, 1:].ravel()
    real = target != -1  # padding behind the end of a walk; a node after padding is an error
    source, target = source[real], target[real]
    n = matrix.shape[0]
    inside = (source >= 0) & (source < n) & (target >= 0) & (target < n)
    wrong = int(np.count_nonzero(~inside))
    wrong += int(np.count_nonzero(~_stored(matrix, source[inside], target[inside])))
    text = f"{wrong:,} of {len(source):,} sampled steps do not follow an edge of the graph"
    return [Finding("follow_edges", not wrong, text, {"wrong": wrong, "steps": len(source)})]


def check_vectors(trained: TrainedModel, n_nodes: int) -> list[Finding]:
    """Check :data:`VECTORS`, for sparse models too."""
    dense = {name: v for name in ("center", "context") if (v := getattr(trained, name)) is not None}
    bad = sum(_not_finite(array) for array in dense.values())
    bad += sum(_not_finite(matrix.data) for matrix in trained.matrices.values())
    lengths = {"seen": len(trained.seen)}
    lengths |= {name: len(array) for name, array in dense.items()}
    short = {name: length for name, length in lengths.items() if length != n_nodes}
    # A context vector may be zero (the product never appeared in a window); a zero center was never trained.
    empty = 0
    if not short and "center" in dense:
        center = dense["center"]
        for first in range(0, n_nodes, _BLOCK):
            block = slice(first, first + _BLOCK)
            empty += int(np.count_nonzero(trained.seen[block] & ~np.any(center[block], axis=1)))
    complete = f"{empty:,} of the {int(trained.seen.sum()):,} products that the model has seen have an all-zero vector"
    if short:
        rows = " and ".join(f"{name} has {length:,} rows" for name, length in short.items())
        complete = f"there are {n_nodes:,} products, but {rows}"
    return [
        Finding("finite", not bad, f"{bad:,} numbers are not finite", {"bad": bad}),
        Finding("complete", not short and not empty, complete, {"empty": empty}),
        _learned(trained),
    ]


def _learned(trained: TrainedModel) -> Finding:
    found_pairs = trained.info.get("found_pairs")
    if reason := trained.info.get("untrained"):
        # A model that needs sessions is not expected to learn without them; settings that ask for them are a mistake.
        return Finding("learned", found_pairs is None, reason, {"found_pairs": False})
    if found_pairs is None:
        return Finding("learned", True, "this model does not learn from walks step by step")
    if found_pairs:
        return Finding("learned", True, "the training had pairs of products to learn from", {"found_pairs": True})
    text = (
        "the walks gave 0 examples, because no two products were left next to each other; the vectors are still random "
        "and their metrics mean nothing. Make walks of at least 2 products, or subsample them less"
    )
    return Finding("learned", False, text, {"found_pairs": False})


def check_metrics(
    metrics: pa.Table,
    split: PairSplit,
    graph: ProductGraph,
    before: pa.Table | None,
    auc_drop: float,
    coverage_drop: float,
) -> list[Finding]:
    """Check :data:`METRICS`.

    Args:
        metrics: table of schema ``core.evaluation.METRICS``, of one model.
        split: the pairs it was measured on.
        graph: the training graph.
        before: the table of the last materialization, or None.
        auc_drop, coverage_drop: largest absolute drops that pass.
    """
    best = _best(metrics, DEGREE_MATCHED, "roc_auc")
    floor = popularity_auc(split, graph)
    if best is None or not np.isfinite(floor):
        popularity = Finding("beats_popularity", True, "there are no degree-matched pairs to compare")
    else:
        # The upper end of the interval counts, so that popularity itself does not fail by the last digit.
        passed = max(best["value"], best["high"] or 0.0) >= floor - 1e-6
        text = f"ROC-AUC is {best['value']:.3f} ({best['scoring']}), that of popularity {floor:.3f}"
        popularity = Finding("beats_popularity", passed, text, {"roc_auc": best["value"], "popularity": floor})
    return [popularity, _no_drop(metrics, before, auc_drop, coverage_drop)]


def check_customer_lists(measured: Mapping[str, float]) -> list[Finding]:
    """Check :data:`CUSTOMER_LISTS`, by what ``core.customers.lists.measure_lists`` measured."""
    if not measured["customers"]:
        return [Finding("lists_hit", True, "no customer has a later order to compare with")]
    ours, floor = measured["hit_rate@10"], measured["popularity_hit_rate@10"]
    text = f"hit rate@10 is {ours:.3f} over {measured['customers']:,} customers, that of popularity {floor:.3f}"
    return [Finding("lists_hit", ours >= floor, text, dict(measured))]


def popularity_auc(split: PairSplit, graph: ProductGraph) -> float:
    """ROC-AUC of the product of the two training degrees on degree-matched negatives; NaN without pairs."""
    degree = graph.degree.astype(np.float64)
    counts = thresholds(
        degree[split.validation.source] * degree[split.validation.target],
        degree[split.degree_matched_negatives.source] * degree[split.degree_matched_negatives.target],
    )
    if not counts.positives or not counts.negatives:
        return float("nan")
    return float(roc_auc(counts.true_positives, counts.false_positives))


def _no_drop(metrics: pa.Table, before: pa.Table | None, auc_drop: float, coverage_drop: float) -> Finding:
    if before is None:
        return Finding("no_drop", True, "this is the first materialization")
    facts: dict[str, Any] = {}
    fallen, texts = False, []
    for protocol, metric, allowed in (
        (DEGREE_MATCHED, "roc_auc", auc_drop),
        (RANKING, "coverage@10", coverage_drop),
    ):
        now, then = _best(metrics, protocol, metric), _best(before, protocol, metric)
        if now is None or then is None:
            continue
        facts |= {metric: now["value"], f"{metric} before": then["value"]}
        fallen |= then["value"] - now["value"] > allowed
        texts.append(f"{metric} {then['value']:.3f} → {now['value']:.3f} (a drop of {allowed:g} is allowed)")
    return Finding("no_drop", not fallen, "; ".join(texts) or "there are no values to compare", facts)


def _best(metrics: pa.Table, protocol: str, metric: str) -> dict[str, Any] | None:
    """The row of the scoring with the highest value."""
    key = (protocol, ALL, metric)
    rows = [
        row
        for row in metrics.to_pylist()
        if (row["protocol"], row["subset"], row["metric"]) == key and row["value"] is not None
    ]
    return max(rows, key=lambda row: row["value"], default=None)


def _stored(matrix: sp.csr_matrix, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """bool ``[m]``: whether each entry is stored and positive.

    This is a binary search in each row. Rows that are not sorted are sorted first; ours are.
    """
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    low, end = matrix.indptr[source].astype(np.int64), matrix.indptr[source + 1].astype(np.int64)
    high = end.copy()
    while np.any(open_ := low < high):
        middle = (low + high) // 2
        smaller = open_ & (matrix.indices[np.minimum(middle, matrix.nnz - 1)] < target)
        low = np.where(smaller, middle + 1, low)
        high = np.where(open_ & ~smaller, middle, high)
    if not matrix.nnz:
        return np.zeros(len(source), dtype=bool)
    entry = np.minimum(low, matrix.nnz - 1)
    stored: np.ndarray = (low < end) & (matrix.indices[entry] == target) & (matrix.data[entry] > 0)
    return stored


def _not_finite(values: np.ndarray) -> int:
    """Number of NaN and infinite values, counted in blocks because a mask of all values would take too much memory."""
    return sum(int(np.count_nonzero(~np.isfinite(values[i : i + _BLOCK]))) for i in range(0, len(values), _BLOCK))
