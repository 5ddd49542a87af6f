"""Seconds for evaluating a model and for making its neighbour lists, at a given number of products.

    python benchmarks/evaluation.py --nodes 118000

Belongs here: timing ``core.split``, ``core.evaluation`` and ``core.neighbours`` on a random graph with a heavy-tailed
degree distribution and random vectors (search is no quicker on trained ones). Does not belong here: training.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from core.evaluation import EvaluationConfig, evaluate
from core.graph import build_graph
from core.models import MODELS
from core.models.base import Embeddings, Inputs
from core.neighbours import NeighboursConfig, nearest
from core.split import SplitConfig, split_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=118_000)
    parser.add_argument("--pairs-per-node", type=float, default=7.5)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=["popularity", "adamic_adar", "skipgram"])
    parser.add_argument("--exact-up-to", type=int, default=NeighboursConfig().exact_up_to)
    args = parser.parse_args()

    n = args.nodes
    rng = np.random.default_rng(0)
    source, target = random_pairs(rng, n, int(n * args.pairs_per_node))
    weight = np.ones(len(source), dtype=np.float32)
    split = timed("split", partial(split_pairs, n, source, target, weight, rng.random(n) < 0.1, SplitConfig()))
    graph = build_graph(n, split.train_source, split.train_target, split.train_weight)
    ids = pa.array([f"P{i:09d}" for i in range(n)])
    print(f"{n:,} products, {len(source):,} pairs, {len(split.valid_source):,} held out, {args.threads} threads")

    for name in args.models:
        model = MODELS[name]
        if "graph" in model.inputs:
            embeddings = model.fit(Inputs(n_nodes=n, graph=graph), model.config_class())
        else:
            # Vectors of a low-rank structure plus noise: not so uniform that an index could find nothing.
            groups = rng.standard_normal((n // 50 + 1, args.dim), dtype=np.float32)
            center = groups[rng.integers(len(groups), size=n)] + 0.5 * rng.standard_normal(
                (n, args.dim), dtype=np.float32
            )
            context = center + 0.5 * rng.standard_normal((n, args.dim), dtype=np.float32)
            embeddings = Embeddings(name, graph.degree > 0, center, context)
        config = NeighboursConfig(exact_up_to=args.exact_up_to)
        timed(
            f"{name}: evaluate",
            partial(evaluate, model, embeddings, split, graph, EvaluationConfig(), threads=args.threads),
        )
        lists = timed(f"{name}: nearest", partial(nearest, model, embeddings, ids, config, threads=args.threads))
        for scoring, facts in lists.info.items():
            print(f"  {scoring}: {facts}")


def random_pairs(rng: np.random.Generator, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """About m distinct pairs; one in ten products carries a list, popularity falls as rank ** -0.7."""
    popularity = np.cumsum(np.arange(1, n + 1) ** -0.7)
    node = rng.permutation(n)
    ends = node[np.searchsorted(popularity, rng.random((2, int(m * 1.3))) * popularity[-1])]
    ends[0] -= ends[0] % 10
    low, high = ends.min(axis=0), ends.max(axis=0)
    keys = rng.permutation(np.unique(low[low < high].astype(np.int64) * n + high[low < high]))[:m]
    return (keys // n).astype(np.int32), (keys % n).astype(np.int32)


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Wall time, and CPU time of all threads: the one to compare on a machine that is busy with other things."""
    started, cpu = time.perf_counter(), time.process_time()
    result = work()
    print(f"{what}: {time.perf_counter() - started:.1f} s ({time.process_time() - cpu:.1f} CPU s)", flush=True)
    return result


if __name__ == "__main__":
    main()
