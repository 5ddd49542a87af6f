"""What a warm start saves and what it costs: 5 % new pairs, trained cold and trained from the last vectors.

    python benchmarks/warm_start.py --category beauty                 # reads product_pairs from ALSOBOUGHT_STORE
    python benchmarks/warm_start.py --category beauty --models skipgram matrix_factorization --set warm_share=0.2

A random 5 % of the pairs are taken away, with the products that have neither a pair nor metadata left; a model trained
on the rest is the last rebuild. Then all pairs are there: trained ``cold``; ``warm`` from the last rebuild; and
``carried over``, which is a warm start with next to no training and tells how much of the result is training at all.
All three are measured on the same split. ``new`` is the degree-matched ROC-AUC over pairs that hold a product of which
the last rebuild had no vector. Seconds are wall time of training, which a busy machine spoils; CPU seconds are of the
whole call, set-up included, and it is they that ``of cold`` compares.
"""

import argparse
import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from sklearn.metrics import roc_auc_score

from core import paths
from core.evaluation import EvaluationConfig, evaluate
from core.graph import ProductGraph, build_graph, transition_matrix
from core.interfaces import Inputs, Model, TrainContext, TrainedModel
from core.models import MODELS
from core.pairs import ProductPairs, product_hashes
from core.pairs.split import PairSplit, SplitConfig, split_pairs
from core.scoring.factory import scorer
from core.settings import build
from core.store import Store
from core.walks import node2vec_walks, random_walks

COLUMNS = ("published seen", "degree-matched all", "recall@10")


@dataclass(frozen=True)
class State:
    """A category at one time."""

    split: PairSplit
    graph: ProductGraph
    inputs: Inputs


def before(pairs: ProductPairs, share: float, seed: int) -> ProductPairs:
    """The category without a share of its pairs and without the products that come with them alone."""
    kept = np.random.default_rng(seed).random(len(pairs.source)) >= share
    stays = np.array(pairs.products["has_metadata"])
    stays[pairs.source[kept]] = stays[pairs.target[kept]] = True
    node = np.cumsum(stays, dtype=np.int32) - 1
    return ProductPairs(
        pairs.products.filter(stays), node[pairs.source[kept]], node[pairs.target[kept]], pairs.weight[kept]
    )


def prepare(pairs: ProductPairs, wanted: set[str], threads: int) -> State:
    """Split, graph and what else the models need, as the assets make them."""
    has_metadata = pairs.products["has_metadata"].to_numpy()
    split = split_pairs(
        len(has_metadata), pairs.source, pairs.target, pairs.weight, has_metadata, SplitConfig(),
        hashes=product_hashes(pairs.products),
    )  # fmt: skip
    graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
    first = random_walks(transition_matrix(graph), threads=threads) if "walks" in wanted else None
    second = node2vec_walks(graph, threads=threads) if "node2vec_walks" in wanted else None
    inputs = Inputs(split.n_nodes, products=pairs.products, graph=graph, walks=first, node2vec_walks=second)
    return State(split, graph, inputs)


def fit(
    model: Model, state: State, config: Any, threads: int, previous: TrainedModel | None = None
) -> tuple[TrainedModel, float]:
    """The embeddings and the CPU seconds of all threads."""
    started = time.process_time()
    context = TrainContext(threads=threads, keys=state.split.keys, previous=previous)
    return model.fit(state.inputs, config, context), time.process_time() - started


def measure(model: Model, embeddings: TrainedModel, state: State, is_new: np.ndarray, threads: int) -> dict[str, str]:
    """The table's cells for one training."""
    scoring = model.scorings[0]
    found = evaluate(model, embeddings, state.split, state.graph, EvaluationConfig(), threads=threads)
    rows = {
        (row["protocol"], row["subset"], row["metric"]): row
        for row in found.metrics.to_pylist()
        if row["scoring"] == scoring
    }
    keys = [("published", "seen", "roc_auc"), ("degree_matched", "all", "roc_auc"), ("ranking", "all", "recall@10")]
    cells = {}
    for column, key in zip(COLUMNS, keys, strict=True):
        row = rows[key]
        cells[column] = f"{row['value']:.4f} ± {(row['high'] - row['low']) / 2:.4f}"
    one, split, scores = scorer(model, embeddings, scoring), state.split, []
    for source, target in (
        (split.validation.source, split.validation.target),
        (split.degree_matched_negatives.source, split.degree_matched_negatives.target),
    ):
        chosen = (is_new[source] | is_new[target]) & one.seen[source] & one.seen[target]
        scores.append(one.score_pairs(source[chosen], target[chosen]))
    labels = np.repeat([1, 0], [len(part) for part in scores])
    cells["new"] = f"{roc_auc_score(labels, np.concatenate(scores)):.4f}"
    return cells


def compare(model: Model, old: State, now: State, settings: dict[str, Any], threads: int) -> None:
    """Print the rows of one model."""
    config = build(model.config_class, settings, "--set")
    warm = dataclasses.replace(config, warm_start=True)
    last, _ = fit(model, old, config, threads)
    is_new = ~np.isin(now.split.keys, last.keys[last.seen])
    base = 1.0
    for name, settings_used, previous in (
        ("cold", config, None),
        ("warm", warm, last),
        ("carried over", dataclasses.replace(warm, warm_share=0.001), last),
    ):
        trained, cpu = fit(model, now, settings_used, threads, previous)
        base = cpu if name == "cold" else base
        cells = measure(model, trained, now, is_new, threads)
        text = " | ".join([f"{trained.info['seconds']:.1f}", f"{cpu:.1f}", f"{cpu / base:.2f}", *cells.values()])
        print(f"| {model.name} | {name} | {text} |", flush=True)
        if "start" in trained.info:
            print(f"<!-- {trained.info['start']} -->", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", default=paths.store_root(), help="artefact store that has the product_pairs")
    parser.add_argument("--category", default="beauty")
    parser.add_argument("--models", nargs="+", default=["skipgram", "matrix_factorization"])
    parser.add_argument("--new", type=float, default=0.05, help="share of the pairs that are new")
    parser.add_argument("--seed", type=int, default=0, help="which pairs are new")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING=VALUE", help="settings of the models")
    args = parser.parse_args()
    models = [MODELS[name] for name in args.models]
    settings = {key: yaml.safe_load(value) for key, value in (item.split("=", 1) for item in args.set)}
    wanted = {name for model in models for name in model.inputs}

    pairs = Store(args.store).read("product_pairs", args.category)
    earlier = before(pairs, args.new, args.seed)
    old, now = prepare(earlier, wanted, args.threads), prepare(pairs, wanted, args.threads)
    print(
        f"{args.category}: {earlier.products.num_rows:,} → {pairs.products.num_rows:,} products, "
        f"{len(earlier.source):,} → {len(pairs.source):,} pairs\n"
    )
    columns = ["model", "start", "seconds", "CPU s", "of cold", *COLUMNS, "new"]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for model in models:
        compare(model, old, now, settings, args.threads)


if __name__ == "__main__":
    main()
