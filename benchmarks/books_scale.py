"""node2vec from beginning to end at the scale of Books, where the reference implementation ran out of 64 GB.

    python benchmarks/books_scale.py                                     # 2,000,000 products, 26,500,000 pairs
    python benchmarks/books_scale.py --nodes 100000 --pairs 1325000      # a try

Synthetic pairs with power-law popularity become the product graph, exact second-order walks and, by skip-gram, the
vectors of the model ``node2vec``. Every stage runs in a process of its own and hands its result on through a store, as
in the pipeline: so its peak memory is its own. It counts what is resident, pages of memory-mapped inputs included.
Prints a Markdown table and one JSON line. Needs some 6 GB below --folder at full scale.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from experiments import markdown

from core.store import Store

CATEGORY = "books_scale"


def pairs(store: Store, args: argparse.Namespace) -> str:
    from walks import synthetic_graph

    source, target, weight = synthetic_graph(args.nodes, args.pairs)
    for name, array in (("source", source), ("target", target), ("weight", weight)):
        store.write(name, CATEGORY, array)
    return f"{len(source):,} pairs"


def graph(store: Store, args: argparse.Namespace) -> str:
    from core.graph import build_graph

    made = build_graph(args.nodes, *(store.read(name, CATEGORY) for name in ("source", "target", "weight")))
    store.write("product_graph", CATEGORY, made)
    return f"{made.n_nodes:,} products, largest degree {made.degree.max():,}"


def walks(store: Store, args: argparse.Namespace) -> str:
    from core.walks import node2vec_walks

    made = node2vec_walks(store.read("product_graph", CATEGORY), threads=args.threads)
    store.write("node2vec_walks", CATEGORY, made)
    return f"{len(made):,} walks of {made.shape[1]}"


def embeddings(store: Store, args: argparse.Namespace) -> str:
    from core.interfaces import Inputs, TrainContext
    from core.models import MODELS

    model = MODELS["node2vec"]
    inputs = Inputs(n_nodes=args.nodes, node2vec_walks=store.read("node2vec_walks", CATEGORY))
    config = model.config_class(dim=args.dim, epochs=args.epochs)
    trained = model.fit(inputs, config, TrainContext(threads=args.threads))
    assert trained.center is not None and trained.context is not None
    if not (np.isfinite(trained.center.sum()) and np.isfinite(trained.context.sum())):
        raise SystemExit("the vectors are not finite")
    store.write("embeddings/node2vec", CATEGORY, trained)
    return f"{args.epochs} epochs, dim {args.dim}, {trained.info['examples_per_second']:,.0f} words/s"


STAGES: dict[str, Callable[[Store, argparse.Namespace], str]] = {
    stage.__name__: stage for stage in (pairs, graph, walks, embeddings)
}


def run_stage(args: argparse.Namespace) -> dict[str, Any]:
    """Run one stage here; seconds of the stage alone, without starting Python."""
    started, cpu = time.perf_counter(), time.process_time()
    made = STAGES[args.stage](Store(args.folder), args)
    return {
        "stage": args.stage,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),  # KiB on Linux
        "made": made,
    }


def run_all(args: argparse.Namespace, folder: str) -> list[dict[str, Any]]:
    """Every stage in a process of its own."""
    results = []
    for stage in STAGES:
        command = [sys.executable, __file__, "--stage", stage, "--folder", folder]
        for name in ("nodes", "pairs", "dim", "epochs", "threads"):
            command += [f"--{name}", str(getattr(args, name))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"stage {stage} failed with {done.returncode} (-9: out of memory)")
        results.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{stage}: {results[-1]}", file=sys.stderr, flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=2_000_000)
    parser.add_argument("--pairs", type=int, default=26_500_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", help="where the stages leave their results; default a temporary one")
    parser.add_argument("--stage", choices=list(STAGES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        print(json.dumps(run_stage(args)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        results = run_all(args, args.folder or str(Path(temporary)))
    head = ("stage", "seconds", "CPU seconds", "peak memory, GB", "made")
    keys = ("stage", "seconds", "cpu_seconds", "peak_gb", "made")
    print(markdown(head, [[str(result[key]) for key in keys] for result in results]))
    total = {"benchmark": "books_scale", "nodes": args.nodes, "pairs": args.pairs, "threads": args.threads}
    print(json.dumps(total | {"seconds": round(sum(one["seconds"] for one in results), 1), "stages": results}))


if __name__ == "__main__":
    main()
