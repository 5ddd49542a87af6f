"""What training again on everything is worth, and what it costs.

Recall of the lists themselves cannot be measured, because nothing is held out from them. So half of the held-out pairs
is given to the training, as the final training gives it all, and both models are judged on the other half.

    python benchmarks/recommendations.py data/raw/meta_Beauty.json.gz             # the model rp3beta
    python benchmarks/recommendations.py data/raw/meta_Beauty.json.gz --model blend
    python benchmarks/recommendations.py sample --model blend                     # the built-in catalogue
    python benchmarks/recommendations.py sample --products 2000000 --lists        # seconds and memory of the lists
"""

import argparse
import dataclasses
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.catalog import Source, read_catalog
from core.evaluation.bootstrap import mean_intervals
from core.evaluation.metrics import recall
from core.graph import ProductGraph, build_graph
from core.interfaces import CENTER_CENTER, TrainedModel
from core.models import MODELS
from core.orders.history import HISTORY
from core.pairs import ProductPairs, build_pairs
from core.pairs.ranking_task import ranking_task
from core.pairs.split import Pairs, SplitConfig, pair_keys, split_product_pairs
from core.recommendations.build import build_recommendations
from core.recommendations.choice import Choice
from core.recommendations.config import FinalModelsConfig, RecommendationsConfig
from core.recommendations.final import train_final, with_candidates
from core.recommendations.rules.book import RuleBook, Rules
from core.sample import sample_catalog
from core.scoring.factory import scorer
from core.training.inputs import Stages

_SOURCES = 5000
_SAMPLES = 1000


def main() -> None:
    """Print the comparison, or the cost of the lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a file that a category's source may be, or sample")
    parser.add_argument("--model", default="rp3beta", choices=list(MODELS))
    parser.add_argument("--products", type=int, default=3000, help="size of the built-in catalogue")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--lists", action="store_true", help="time the lists under rules instead")
    given = parser.parse_args()
    pairs = pairs_of(given.source, given.products)
    print(f"{pairs.products.num_rows:,} products, {len(pairs.source):,} pairs")
    if given.lists:
        _time_lists(pairs, given.model, given.threads)
    else:
        _compare(pairs, given.model, given.threads, given.seed)


def pairs_of(source: str, products: int) -> ProductPairs:
    """The pairs of a file, or of the built-in catalogue with so many products."""
    if source == "sample":
        catalog = sample_catalog(products, 10.0)
    else:
        path = Path(source).resolve()
        catalog = read_catalog(Source(path.name), path.parent, path.parent)
    return build_pairs(catalog.products, catalog.relationships)


def _compare(pairs: ProductPairs, name: str, threads: int, seed: int) -> None:
    split = split_product_pairs(pairs, SplitConfig(), seed)
    given = np.random.default_rng(seed).random(len(split.validation)) < 0.5
    rest = Pairs(split.validation.source[~given], split.validation.target[~given])
    n_nodes = split.n_nodes
    judged = split.train
    keys = pair_keys(n_nodes, pairs.source, pairs.target)
    wanted = pair_keys(n_nodes, split.validation.source[given], split.validation.target[given])
    again = pairs.only(np.isin(keys, np.r_[wanted, pair_keys(n_nodes, judged.source, judged.target)]))
    graph = build_graph(n_nodes, judged.source, judged.target, judged.weight)
    larger = build_graph(n_nodes, again.source, again.target, again.weight)
    # Both are asked the same: pairs that either of them was given are left out of the lists of both.
    task = ranking_task(dataclasses.replace(split, validation=rest), graph, _SOURCES, seed)
    recalls, seconds = {}, {}
    for what, known in (("judged", graph), ("again", larger)):
        started = time.perf_counter()
        trained = _train(pairs, known, name, threads, seed)
        seconds[what] = time.perf_counter() - started
        lists = _lists(trained, name, threads, task.sources, larger)
        recalls[what] = recall(task.hits(lists), task.n_targets, 10)
    gain = recalls["again"] - recalls["judged"]
    columns = np.column_stack([recalls["judged"], recalls["again"], gain])
    intervals = mean_intervals(columns, _SAMPLES, np.random.default_rng(seed)) or []
    print(f"{name}: recall@10 of {len(task.sources):,} products on the other half of the held-out pairs")
    for what, column, (low, high) in zip(("judged", "again", "gain"), columns.T, intervals, strict=True):
        print(f"  {what:7} {column.mean():+.4f}  (95 % interval {low:+.4f} to {high:+.4f})")
    print(f"  training: {seconds['judged']:.1f} s judged, {seconds['again']:.1f} s again on half of the rest")
    started = time.perf_counter()
    _train(pairs, build_graph(n_nodes, pairs.source, pairs.target, pairs.weight), name, threads, seed)
    whole = time.perf_counter() - started
    print(f"  on all pairs: {whole:.1f} s, {whole / seconds['judged']:.2f} times the judged training")


def _train(pairs: ProductPairs, graph: ProductGraph, name: str, threads: int, seed: int) -> TrainedModel:
    return Stages(pairs, graph, {}, seed, threads, "auto", _silent).trained(MODELS[name])


def _lists(trained: TrainedModel, name: str, threads: int, sources: np.ndarray, known: ProductGraph) -> np.ndarray:
    scoring = next(scoring for scoring in MODELS[name].scorings if scoring != CENTER_CENTER)
    ids, _ = scorer(MODELS[name], trained, scoring, threads).top_k(sources, 10, mask=known.adjacency()[sources])
    return ids


def _time_lists(pairs: ProductPairs, name: str, threads: int) -> None:
    scoring = next(scoring for scoring in MODELS[name].scorings if scoring != CENTER_CENTER)
    started = time.perf_counter()
    final = train_final({"goes_with": Choice(name, scoring)}, pairs, HISTORY.empty_table(), {}, threads=threads)
    print(f"training: {time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    final = with_candidates(final, FinalModelsConfig(), threads)
    print(f"candidates: {time.perf_counter() - started:.1f} s")
    for what, rules in (
        ("without rules", Rules()),
        ("at most 2 per brand, variants once", Rules(max_per_brand=2, variants="leave_out")),
        ("diversity 0.3", Rules(diversity=0.3)),
    ):
        started = time.perf_counter()
        lists = build_recommendations(final, pairs, RecommendationsConfig(), RuleBook(common=rules), threads=threads)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{what}: {time.perf_counter() - started:.1f} s, peak {memory:.1f} GB, {lists.info['by_source']}")


def _silent(*_: Any) -> None:
    """No progress is shown."""


if __name__ == "__main__":
    main()
