"""How long judging a model and making its lists take, beside training it.

    python benchmarks/evaluation.py --store data/store --category beauty
    python benchmarks/evaluation.py --nodes 100000       # lists alone, of random vectors

On a materialized category skip-gram is trained, evaluated (ROC-AUC, bootstrap and ranking, both scorings) and asked for
the 50 nearest products of every product, exactly. Without --store only the lists are made, of --nodes random vectors in
clusters. Every round has a process of its own.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measurements import Measurement, Run, in_process, parser, peak_gb, report, spread

from core.evaluation import EvaluationConfig, evaluate
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, Inputs, TrainContext, TrainedModel
from core.models import MODELS
from core.scoring.neighbours import NeighboursConfig, nearest
from core.store import Store

MODEL = MODELS["skipgram"]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def lists(embeddings: TrainedModel, threads: int) -> Run:
    """Seconds of both scorings' exact lists."""
    ids = pa.array([f"P{i:09d}" for i in range(len(embeddings.seen))])
    config = NeighboursConfig(exact_up_to=10**8)
    few = np.arange(64)
    nearest(MODEL, embeddings, ids, config, threads, sources=few)  # loads the kernels
    info = nearest(MODEL, embeddings, ids, config, threads).info
    return {scoring: info[scoring]["seconds"] for scoring in (CENTER_CENTER, CENTER_CONTEXT)}


def on_category(store: Path, category: str, threads: int, listing: bool) -> Run:
    """Train, evaluate and, if ``listing``, list one category in this process."""
    split, graph, walks = (Store(store).read(name, category) for name in ("pair_split", "product_graph", "walks"))
    config, context = MODEL.config_class(), TrainContext(threads=threads)
    MODEL.fit(Inputs(n_nodes=split.n_nodes, walks=walks[:200]), config, context)  # compiles
    trained, training = timed(lambda: MODEL.fit(Inputs(n_nodes=split.n_nodes, walks=walks), config, context))
    evaluate(MODEL, trained, split, graph, EvaluationConfig(bootstrap=2, ranking_sources=50), threads=threads)
    _, evaluating = timed(lambda: evaluate(MODEL, trained, split, graph, EvaluationConfig(), threads=threads))
    facts = {"training": training, "evaluating": evaluating, "products": split.n_nodes, "seen": int(trained.seen.sum())}
    return facts | (lists(trained, threads) if listing else {}) | {"peak_gb": peak_gb()}


def on_random(nodes: int, threads: int) -> Run:
    """Lists of random vectors in clusters of about 50, in this process."""
    rng = np.random.default_rng(0)
    dim = MODEL.config_class().dim
    clusters = rng.standard_normal((nodes // 50 + 1, dim), dtype=np.float32)
    center = clusters[rng.integers(len(clusters), size=nodes)]
    center += 0.5 * rng.standard_normal((nodes, dim), dtype=np.float32)
    context = center + 0.5 * rng.standard_normal((nodes, dim), dtype=np.float32)
    embeddings = TrainedModel(MODEL.name, np.ones(nodes, bool), center, context)
    return lists(embeddings, threads) | {"peak_gb": peak_gb()}


def measurements(runs: list[Run], data: str, listed: int) -> list[Measurement]:
    found = []
    if "training" in runs[0]:
        share = [run["evaluating"] / run["training"] for run in runs]
        found.append(spread("evaluation", data, "skip-gram, five epochs", [run["training"] for run in runs], "s"))
        found.append(spread("evaluation", data, "evaluating it", [run["evaluating"] for run in runs], "s"))
        found.append(spread("evaluation", data, "evaluating it, by the time of training", share, "x", "<= 1"))
    for scoring, dims in ((CENTER_CENTER, 128), (CENTER_CONTEXT, 256)):
        if scoring not in runs[0]:
            continue
        title = f"exact top 50 of all, {scoring} ({dims} dimensions)"
        target = "<= 30" if 90_000 <= listed <= 100_000 else ""
        found.append(spread("evaluation", data, title, [run[scoring] for run in runs], "s", target))
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--store", type=Path)
    options.add_argument("--category", default="beauty")
    options.add_argument("--nodes", type=int, default=100_000)
    options.add_argument("--no-lists", dest="lists", action="store_false", help="of a category: judge its model only")
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.here:
        category = (args.store, args.category, args.threads, args.lists)
        print(json.dumps(on_category(*category) if args.store else on_random(args.nodes, args.threads)))
        return
    given = ["--here", "--nodes", args.nodes, "--threads", args.threads]
    given += ["--store", args.store, "--category", args.category] if args.store else []
    given += [] if args.lists else ["--no-lists"]
    runs = [in_process(sys.executable, __file__, *given, threads=args.threads) for _ in range(args.rounds)]
    listed = runs[0].get("seen", args.nodes)
    data = f"{args.category}, {runs[0]['products']:,} products" if args.store else f"random, {args.nodes:,} products"
    report(measurements(runs, data, listed), args.out)


if __name__ == "__main__":
    main()
