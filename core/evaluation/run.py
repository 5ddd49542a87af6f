"""The evaluation of one model from beginning to end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import InputError
from core.evaluation.bootstrap import Interval, link_intervals, mean_intervals
from core.evaluation.link import histogram, operating_points, thresholds
from core.evaluation.metrics import (
    ALL,
    COLD_START,
    DEGREE_MATCHED,
    NEXT_ORDER,
    NEXT_PRODUCT,
    PUBLISHED,
    RANKING,
    REST_OF_BASKET,
    SEEN,
    Lists,
    of_counts,
    of_protocol,
)
from core.evaluation.result import CURVES, METRICS, SCORES, Evaluation, EvaluationConfig
from core.graph import ProductGraph
from core.interfaces import NATIVE, Model, Scorer, TrainedModel
from core.pairs.ranking_task import OrderTask, OrderTasks, RankingTask, Targets, cold_task, order_tasks, ranking_task
from core.pairs.split import Pairs, PairSplit
from core.progress import Progress, silent
from core.scoring.baskets import fused_ranks, lists_of_sets

_LIST_LENGTH = 20
"""Length of the lists that are evaluated."""
_HISTORY = 10
"""Number of a customer's latest products whose lists are fused."""
_RECENCY = 0.7
"""How much less the list of a customer's product counts than that of the next one."""


def evaluate(
    model: Model,
    trained: TrainedModel,
    split: PairSplit,
    graph: ProductGraph,
    config: EvaluationConfig,
    seed: int = 42,
    threads: int = 2,
    progress: Progress = silent,
) -> Evaluation:
    """Measure a trained model by all of its scorings under all protocols.

    ``published`` and ``degree_matched`` compare held-out pairs with the split's two kinds of negatives. The subset
    ``seen`` keeps the pairs whose two products both have a training pair, whatever the model. A pair that the model
    cannot place (``Scorer.seen``) gets the median score of the protocol's other pairs, which is the article's rule,
    unless the model's ``fallback`` is ``own``: then its score is used as it is.

    ``ranking`` evaluates lists of 20 for a sample of products with a training and a held-out pair. Training pairs are
    left out of the lists. Metrics with a value per list are means over these products.

    ``cold_start`` is measured if the split has cold pairs. It compares them with degree-matched and with uniform
    negatives of the same cold products, and evaluates the lists of these products. A model that cannot place cold
    products gives them equal scores and empty lists, hence 0.5 and 0 by construction.

    ``next_product``, ``rest_of_basket`` and ``next_order`` are measured if the split has orders that were held out in
    time. Only what is given is left out of their lists. The list of a basket or a customer fuses the lists of its
    products (``core.scoring.baskets``); of a customer the latest 10 products count, each less than the next.

    Args:
        model: the model's registry entry.
        trained: what it learned from the training part of ``split``.
        split: the pairs, the same for every model.
        graph: the graph of the training pairs.
        config: settings.
        seed: seed of the sample of ranking sources (the same for every model) and of the bootstrap.
        threads: CPU threads; they do not change the result.
        progress: reports evaluation steps.

    Raises:
        InputError: the model's scores are not finite (its training diverged).
    """
    # The scorers import Numba, which code that only reads evaluations (the explorer) should not wait for.
    from core.scoring.factory import scorer

    started = time.perf_counter()
    results = _Results(model.name, config.bootstrap, np.random.default_rng(seed))
    in_train = graph.degree > 0
    task = ranking_task(split, graph, config.ranking_sources, seed)
    cold = cold_task(split, config.ranking_sources, seed) if len(split.cold_pairs.source) else None
    orders = order_tasks(split.orders, graph, config.ranking_sources, seed) if split.orders is not None else None
    steps, done = (3 if orders is None else 4) * len(model.scorings), 0
    progress("evaluation", done, steps, "steps")
    for scoring in model.scorings:
        pair_scorer = scorer(model, trained, scoring, threads)
        positive = _score(pair_scorer, split.validation, in_train, model)
        for protocol, pairs in ((PUBLISHED, split.uniform_negatives), (DEGREE_MATCHED, split.degree_matched_negatives)):
            negative = _score(pair_scorer, pairs, in_train, model)
            _link_prediction(results, model, protocol, scoring, positive, negative, config.curve_points)
        progress("evaluation", done := done + 1, steps, "steps")
        _ranking(results, scoring, pair_scorer, task, graph)
        progress("evaluation", done := done + 1, steps, "steps")
        if cold is not None:
            _cold_start(results, model, scoring, pair_scorer, split, cold, graph, in_train)
        progress("evaluation", done := done + 1, steps, "steps")
        if orders is not None:
            _in_time(results, scoring, pair_scorer, orders, graph)
            progress("evaluation", done := done + 1, steps, "steps")
    tasks = {RANKING: task} | ({COLD_START: cold} if cold else {}) | (_by_protocol(orders) if orders else {})
    info = {
        "seconds": time.perf_counter() - started,
        "fallback": model.fallback,
        "pairs": results.pairs,
        "unplaced": results.unplaced,
        "sources": {protocol: len(targets.n_targets) for protocol, targets in tasks.items()},
    }
    if "timing" in trained.info:
        info["timing"] = trained.info["timing"]
    return Evaluation(*results.tables(), info)


@dataclass(frozen=True)
class _Scored:
    """Pairs of one label.

    Attributes:
        scores: float32 ``[m]``.
        placed: bool ``[m]``: the model can place both products.
        in_train: bool ``[m]``: both products have a training pair.
    """

    scores: np.ndarray
    placed: np.ndarray
    in_train: np.ndarray


class _Results:
    """Collects rows in the order in which they are measured."""

    def __init__(self, model: str, samples: int, rng: np.random.Generator) -> None:
        self.model, self.samples, self.rng = model, samples, rng
        self.pairs: dict[str, dict[str, dict[str, int]]] = {}
        self.unplaced: dict[str, float] = {}
        self._metrics: list[dict[str, Any]] = []
        self._curves: list[pa.Table] = []
        self._scores: list[pa.Table] = []

    def metric(
        self,
        protocol: str,
        subset: str,
        scoring: str,
        metric: str,
        value: float,
        interval: Interval | None = None,
    ) -> None:
        low, high = interval or (float("nan"), float("nan"))
        names = {"model": self.model, "protocol": protocol, "subset": subset, "scoring": scoring}
        numbers = {"value": _or_null(value), "low": _or_null(low), "high": _or_null(high)}
        self._metrics.append({**names, "metric": metric, **numbers})

    def curve(self, protocol: str, subset: str, scoring: str, columns: dict[str, np.ndarray]) -> None:
        names = {"protocol": protocol, "subset": subset, "scoring": scoring}
        self._curves.append(self._table(CURVES, names, columns))

    def histogram(self, protocol: str, scoring: str, label: str, edges: np.ndarray, count: np.ndarray) -> None:
        names = {"protocol": protocol, "scoring": scoring, "label": label}
        self._scores.append(self._table(SCORES, names, {"low": edges[:-1], "high": edges[1:], "count": count}))

    def tables(self) -> tuple[pa.Table, pa.Table, pa.Table]:
        return (
            pa.Table.from_pylist(self._metrics, schema=METRICS),
            pa.concat_tables([CURVES.empty_table(), *self._curves]).combine_chunks(),
            pa.concat_tables([SCORES.empty_table(), *self._scores]).combine_chunks(),
        )

    def _table(self, schema: pa.Schema, names: dict[str, str], columns: dict[str, np.ndarray]) -> pa.Table:
        rows = len(next(iter(columns.values())))
        constant = {name: pa.repeat(value, rows) for name, value in {"model": self.model, **names}.items()}
        numbers = {name: pa.array(column, from_pandas=True) for name, column in columns.items()}  # NaN → null
        return pa.table({**constant, **numbers}, schema=schema)


def _score(pair_scorer: Scorer, pairs: Pairs, in_train: np.ndarray, model: Model) -> _Scored:
    source, target = pairs.source, pairs.target
    scores = pair_scorer.score_pairs(source, target)
    placed = pair_scorer.seen[source] & pair_scorer.seen[target]
    if not np.isfinite(scores[placed]).all():
        raise InputError(
            f"embeddings of {model.name}: they are not finite numbers, so the training has diverged; "
            "lower the model's learning rate in its settings and train again"
        )
    return _Scored(scores, placed, in_train[source] & in_train[target])


def _filled(model: Model, *sides: _Scored) -> list[np.ndarray]:
    """Scores of all pairs, including those that the model cannot place."""
    if model.fallback == "own":
        return [side.scores for side in sides]
    placed = np.concatenate([side.scores[side.placed] for side in sides])
    fill = np.median(placed) if len(placed) else np.float32(0)
    return [np.where(side.placed, side.scores, fill) for side in sides]


def _link_prediction(
    results: _Results,
    model: Model,
    protocol: str,
    scoring: str,
    positive: _Scored,
    negative: _Scored,
    curve_points: int,
) -> None:
    filled = _filled(model, positive, negative)
    everything = [np.ones(len(side.scores), dtype=bool) for side in (positive, negative)]
    for subset, keep in ((ALL, everything), (SEEN, [positive.in_train, negative.in_train])):
        counts = thresholds(filled[0][keep[0]], filled[1][keep[1]])
        formulas = of_counts(protocol)
        intervals = link_intervals(counts, formulas, results.samples, results.rng)
        for name, formula in formulas.items():
            value = float(formula(counts.true_positives, counts.false_positives))
            results.metric(protocol, subset, scoring, name, value, intervals.get(name))
        results.curve(protocol, subset, scoring, operating_points(counts, curve_points))
        numbers = {"positives": int(keep[0].sum()), "negatives": int(keep[1].sum())}
        results.pairs.setdefault(protocol, {})[subset] = numbers
    own = model.fallback == "own"
    shown = [side.scores if own else side.scores[side.placed] for side in (positive, negative)]
    edges, *counts_by_label = histogram(shown[0], shown[1], heavy_tailed=scoring == NATIVE)
    for label, count in zip(("positive", "negative"), counts_by_label, strict=True):
        results.histogram(protocol, scoring, label, edges, count)
    results.unplaced[protocol] = _unplaced(positive, negative)


def _ranking(results: _Results, scoring: str, pair_scorer: Scorer, task: RankingTask, graph: ProductGraph) -> None:
    lists, _ = pair_scorer.top_k(task.sources, _LIST_LENGTH, mask=graph.adjacency()[task.sources])
    _measure_lists(results, RANKING, scoring, pair_scorer, task, lists, graph)


def _cold_start(
    results: _Results,
    model: Model,
    scoring: str,
    pair_scorer: Scorer,
    split: PairSplit,
    task: RankingTask,
    graph: ProductGraph,
    in_train: np.ndarray,
) -> None:
    positive = _score(pair_scorer, split.cold_pairs, in_train, model)
    for (name, formula), target in zip(
        of_counts(COLD_START).items(), (split.cold_degree_matched, split.cold_uniform), strict=True
    ):
        drawn = target >= 0
        negative = _score(pair_scorer, Pairs(split.cold_pairs.source[drawn], target[drawn]), in_train, model)
        counts = thresholds(*_filled(model, positive, negative))
        value = float(formula(counts.true_positives, counts.false_positives))
        interval = link_intervals(counts, {name: formula}, results.samples, results.rng).get(name)
        results.metric(COLD_START, ALL, scoring, name, value, interval)
        if target is split.cold_degree_matched:
            numbers = {"positives": len(positive.scores), "negatives": len(negative.scores)}
            results.pairs[COLD_START] = {ALL: numbers}
            results.unplaced[COLD_START] = _unplaced(positive, negative)
    lists, _ = pair_scorer.top_k(task.sources, _LIST_LENGTH)
    _measure_lists(results, COLD_START, scoring, pair_scorer, task, lists, graph)


def _by_protocol(orders: OrderTasks) -> dict[str, OrderTask]:
    return {NEXT_PRODUCT: orders.next_product, REST_OF_BASKET: orders.rest_of_basket, NEXT_ORDER: orders.next_order}


def _in_time(results: _Results, scoring: str, pair_scorer: Scorer, orders: OrderTasks, graph: ProductGraph) -> None:
    given = {protocol: task.given for protocol, task in _by_protocol(orders).items()}
    given[NEXT_ORDER] = given[NEXT_ORDER].first(_HISTORY)
    ranks = fused_ranks(pair_scorer, np.concatenate([sets.nodes for sets in given.values()]))
    for protocol, task in _by_protocol(orders).items():
        recency = _RECENCY if protocol == NEXT_ORDER else 1.0
        lists = lists_of_sets(ranks, given[protocol], _LIST_LENGTH, recency, left_out=task.given)
        _measure_lists(results, protocol, scoring, pair_scorer, task, lists, graph)


def _measure_lists(
    results: _Results,
    protocol: str,
    scoring: str,
    pair_scorer: Scorer,
    task: Targets,
    nodes: np.ndarray,
    graph: ProductGraph,
) -> None:
    """Measure the protocol's metrics of lists; a mean is taken over the sources that have a value."""
    lists = Lists(nodes, task.hits(nodes), task.n_targets, graph.degree, int(pair_scorer.seen.sum()))
    per_list = {metric.name: metric.per_list(lists) for metric in of_protocol(protocol) if metric.per_list is not None}
    values = np.column_stack(list(per_list.values()))
    intervals: Sequence[Interval | None] = (
        mean_intervals(values, results.samples, results.rng) or [None] * values.shape[1]
    )
    for (name, column), interval in zip(per_list.items(), intervals, strict=True):
        present = column[np.isfinite(column)]
        value = float(present.mean()) if len(present) else float("nan")
        results.metric(protocol, ALL, scoring, name, value, interval)
    for metric in of_protocol(protocol):
        if metric.of_lists is not None:
            results.metric(protocol, ALL, scoring, metric.name, metric.of_lists(lists))


def _unplaced(*sides: _Scored) -> float:
    placed = np.concatenate([side.placed for side in sides])
    return float(1 - placed.mean()) if len(placed) else 0.0


def _or_null(value: float) -> float | None:
    return value if np.isfinite(value) else None
