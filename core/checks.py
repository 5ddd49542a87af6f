"""What must hold of an artefact before anybody builds on it.

Every check takes a small part of the time that making the value took.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.evaluation.link import roc_auc, thresholds
from core.evaluation.metrics import ALL, DEGREE_MATCHED, RANKING
from core.graph import ProductGraph
from core.id_clash import likely_clash
from core.interfaces import TrainedModel
from core.pairs import ProductPairs
from core.pairs.split import PairSplit, in_sorted, pair_keys

_SAMPLE = 1_000_000
"""Steps of walks that are looked up in the graph; all of them where there are no more."""
_BLOCK = 1 << 16
_ROW_SUM_ERROR = 1e-9
_FEW_MEET = 0.01
"""Share of the products with pairs that have metadata, below which the ids are probably written differently."""


@dataclass(frozen=True)
class Rule:
    """A check by name.

    Attributes:
        name: unique among the checks of one asset.
        description: what must hold, as a user reads it in the UI.
        blocking: a value that fails is not stored, because results made of it would be wrong; else it is a warning.
    """

    name: str
    description: str
    blocking: bool = True


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        name: of the rule.
        passed: whether it holds.
        sentence: what was found, with the numbers that decide.
        facts: the numbers by name, JSON-able.
    """

    name: str
    passed: bool
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)


PAIRS = (
    Rule("not_empty", "There is at least one pair of products."),
    Rule("weights_positive", "Every pair's weight is a positive, finite number."),
    Rule(
        "ids_meet",
        "Where there is metadata, some of the products that have pairs have it: both sides write ids alike.",
        blocking=False,
    ),
)
SPLIT = (Rule("no_leak", "No pair stands both in the training and in the validation part."),)
TRANSITION = (Rule("rows_sum_to_one", "The probabilities of every product that has a neighbour sum to 1."),)
WALKS = (Rule("follow_edges", "Every step of a walk goes along an edge of the training graph."),)
VECTORS = (
    Rule("finite", "Every number of the model is finite."),
    Rule("complete", "There is a row for every product, and no product the model has seen has an all-zero vector."),
    Rule("learned", "The training found something to learn from: at least one pair of products.", blocking=False),
)
METRICS = (
    Rule(
        "beats_popularity",
        "On degree-matched negatives the model's best ROC-AUC is not below that of popularity alone.",
        blocking=False,
    ),
    Rule(
        "no_drop",
        "Degree-matched ROC-AUC and coverage have not fallen by more than guard.auc_drop and guard.coverage_drop "
        "since the last materialization.",
        blocking=False,
    ),
)


def check_pairs(pairs: ProductPairs) -> list[Finding]:
    """Findings of :data:`PAIRS`."""
    count = len(pairs.source)
    bad = count - int(np.count_nonzero((pairs.weight > 0) & np.isfinite(pairs.weight)))
    return [
        Finding("not_empty", count > 0, f"{count:,} pairs", {"pairs": count}),
        Finding("weights_positive", not bad, f"{bad:,} of {count:,} weights are not positive numbers", {"bad": bad}),
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
    """Findings of :data:`SPLIT`; a pair counts in either direction."""
    train = pair_keys(split.n_nodes, split.train.source, split.train.target)
    valid = pair_keys(split.n_nodes, split.validation.source, split.validation.target)
    common = int(np.count_nonzero(in_sorted(np.sort(train), valid)))
    text = f"{common:,} of {len(valid):,} validation pairs stand in the training part too"
    return [Finding("no_leak", not common, text, {"common": common})]


def check_transition(matrix: sp.csr_matrix) -> list[Finding]:
    """Findings of :data:`TRANSITION`."""
    rows = np.diff(matrix.indptr) > 0
    sums = np.asarray(matrix.sum(axis=1)).ravel()[rows]
    error = float(np.abs(sums - 1).max(initial=0))
    # Written so that NaN is an error too; a negative probability shows in no sum.
    wrong = int(np.count_nonzero(~(np.abs(sums - 1) <= _ROW_SUM_ERROR)))
    negative = int(np.count_nonzero(matrix.data < 0))
    text = f"{wrong:,} of {len(sums):,} rows do not sum to 1, {negative:,} probabilities are negative"
    facts = {"wrong": wrong, "negative": negative, "largest_error": error if np.isfinite(error) else None}
    return [Finding("rows_sum_to_one", not wrong and not negative, text, facts)]


def check_walks(walks: np.ndarray, matrix: sp.csr_matrix, seed: int = 42) -> list[Finding]:
    """Findings of :data:`WALKS`, on whole walks drawn at random where there are more than a million steps.

    Args:
        walks: int32 ``[n_walks, walk_length]``, padded with -1.
        matrix: CSR ``[n_nodes, n_nodes]`` whose stored entries are the edges.
        seed: of the draw.
    """
    wanted = max(1, _SAMPLE // max(1, walks.shape[1] - 1))
    chosen = np.arange(len(walks))
    if len(walks) > wanted:
        chosen = np.sort(np.random.default_rng(seed).choice(len(walks), size=wanted, replace=False))
    sample = np.asarray(walks[chosen], dtype=np.int64)
    source, target = sample[:, :-1].ravel(), sample[:, 1:].ravel()
    real = target != -1  # a step behind the end of a walk; one *from* there is no step at all
    source, target = source[real], target[real]
    n = matrix.shape[0]
    inside = (source >= 0) & (source < n) & (target >= 0) & (target < n)
    off = int(np.count_nonzero(~inside))
    on_edge = np.asarray(_stored(matrix, source[inside], target[inside]))
    off += int(np.count_nonzero(~on_edge))
    text = f"{off:,} of {len(source):,} steps looked at leave the graph's edges"
    return [Finding("follow_edges", not off, text, {"wrong": off, "steps": len(source)})]


def check_vectors(trained: TrainedModel, n_nodes: int) -> list[Finding]:
    """Findings of :data:`VECTORS`, of sparse models too."""
    dense = {name: v for name in ("center", "context") if (v := getattr(trained, name)) is not None}
    bad = sum(_not_finite(array) for array in dense.values())
    bad += sum(_not_finite(matrix.data) for matrix in trained.matrices.values())
    lengths = {"seen": len(trained.seen)}
    lengths |= {name: len(array) for name, array in dense.items()}
    short = {name: length for name, length in lengths.items() if length != n_nodes}
    # Context vectors may be zero (a product that never stood in a window); a zero center means untrained.
    empty = 0
    if not short and "center" in dense:
        center = dense["center"]
        for first in range(0, n_nodes, _BLOCK):
            block = slice(first, first + _BLOCK)
            empty += int(np.count_nonzero(trained.seen[block] & ~np.any(center[block], axis=1)))
    complete = f"{empty:,} of {int(trained.seen.sum()):,} products seen have an all-zero vector"
    if short:
        complete = f"there are {n_nodes:,} products, but {short}"
    return [
        Finding("finite", not bad, f"{bad:,} numbers are not finite", {"bad": bad}),
        Finding("complete", not short and not empty, complete, {"empty": empty}),
        _learned(trained),
    ]


def _learned(trained: TrainedModel) -> Finding:
    found = trained.info.get("found_pairs")
    if found is None:
        return Finding("learned", True, "this model does not learn from walks step by step")
    if found:
        return Finding("learned", True, "the training found pairs of products to learn from", {"found_pairs": True})
    text = (
        "the walks gave 0 examples: no two products were left beside each other, so the vectors are as random as at "
        "the start and their metrics say nothing. Make walks of 2 products or more, and do not subsample them so much"
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
    """Findings of :data:`METRICS`.

    Args:
        metrics: table of schema ``core.evaluation.METRICS``, of one model.
        split: the pairs it was measured on.
        graph: the training graph.
        before: the table of the last materialization, or None.
        auc_drop, coverage_drop: largest falls (absolute) that pass.
    """
    best = _best(metrics, DEGREE_MATCHED, "roc_auc")
    floor = popularity_auc(split, graph)
    if best is None or not np.isfinite(floor):
        first = Finding("beats_popularity", True, "there are no degree-matched pairs to compare on")
    else:
        # The upper end of the interval: popularity itself must not fail by the last digit.
        passed = max(best["value"], best["high"] or 0.0) >= floor - 1e-6
        text = f"ROC-AUC {best['value']:.3f} ({best['scoring']}), popularity {floor:.3f}"
        first = Finding("beats_popularity", passed, text, {"roc_auc": best["value"], "popularity": floor})
    return [first, _no_drop(metrics, before, auc_drop, coverage_drop)]


def popularity_auc(split: PairSplit, graph: ProductGraph) -> float:
    """ROC-AUC, on degree-matched negatives, of the product of the two training degrees; NaN without pairs."""
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
        texts.append(f"{metric} {then['value']:.3f} → {now['value']:.3f} (may fall by {allowed:g})")
    return Finding("no_drop", not fallen, "; ".join(texts) or "nothing to compare", facts)


def _best(metrics: pa.Table, protocol: str, metric: str) -> dict[str, Any] | None:
    """The row of the scoring with the highest value."""
    wanted = (protocol, ALL, metric)
    rows = [
        row
        for row in metrics.to_pylist()
        if (row["protocol"], row["subset"], row["metric"]) == wanted and row["value"] is not None
    ]
    return max(rows, key=lambda row: row["value"], default=None)


def _stored(matrix: sp.csr_matrix, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """bool ``[m]``: whether the entry is a stored, positive one.

    A binary search in each row; rows of our matrices are sorted, others are sorted first.
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
    found = low < end
    place = np.minimum(low, max(matrix.nnz - 1, 0))
    if not matrix.nnz:
        return np.zeros(len(source), dtype=bool)
    return found & (matrix.indices[place] == target) & (matrix.data[place] > 0)


def _not_finite(values: np.ndarray) -> int:
    """Counted in blocks: a mask of the whole array would take a quarter of its memory again."""
    return sum(int(np.count_nonzero(~np.isfinite(values[i : i + _BLOCK]))) for i in range(0, len(values), _BLOCK))
