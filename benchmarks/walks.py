"""How fast random walks are, beside the machine's own limit and other people's walks on the same graph.

    python benchmarks/walks.py                                    # electronics scale, ours and the machine's limit
    python benchmarks/walks.py --peers --peer-python .venv-peers/bin/python
    python benchmarks/walks.py --nodes 2000000 --pairs 26500000   # books scale
    python benchmarks/walks.py --graph beauty.npz                 # indptr, indices, data of a symmetric CSR matrix

Every contender runs in a process of its own, warmed up before it is timed; rounds are interleaved, so that a busy
machine is unfair to all alike. A step is one move from a product to the next: a walk of 10 products has 9.

Two rates are taken. ``call`` is what a user waits for: the public call from a graph in memory to walks in memory, with
the tables and checks that it needs (PecanPy's gives lists of strings). ``walking`` is the walking alone, into memory
already in use, where a contender can be timed so. Compiling counts in neither. Peers that cannot walk the whole graph
in reasonable time walk fewer times from each node, or from some of its nodes; the notes say so. ``csrgraph``,
``pecanpy`` and ``node2vec`` are looked for in ``--peer-python``, because they do not all install beside current NumPy.

This file imports ``core`` only where our own walks run, so that it also runs in an environment that has only the peers.
"""

import argparse
import contextlib
import io
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measurements import (
    Measurement,
    Run,
    in_process,
    interleaved,
    parser,
    peak_gb,
    report,
    spread,
    summary,
    turns,
    versions,
)

PASSES, LENGTH = 10, 10
P, Q = 0.5, 2.0
REPEAT_SECONDS = 2.0


def synthetic_graph(nodes: int, pairs: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, target and weight of distinct pairs: popularity falls as rank**-0.6, half of the pairs join products
    of the same cluster of 40, so that walks meet common neighbours."""
    from core.arrays import distinct

    rng = np.random.default_rng(seed)
    drawn = int(pairs * 1.15)
    popularity = np.cumsum(np.arange(1, nodes + 1) ** -0.6)
    shuffled = rng.permutation(nodes)
    source = rng.integers(0, nodes, drawn)
    rank = np.searchsorted(popularity, rng.random(drawn) * popularity[-1])
    target = shuffled[np.minimum(rank, nodes - 1)]
    near = rng.random(drawn) < 0.5
    target[near] = np.minimum(source[near] // 40 * 40 + rng.integers(0, 40, near.sum()), nodes - 1)
    low, high = np.minimum(source, target), np.maximum(source, target)
    key = distinct((low * nodes + high)[low != high])
    if len(key) > pairs:
        key = rng.choice(key, pairs, replace=False, shuffle=False)
    weight = rng.choice(np.array([0.5, 1.0, 1.2, 1.5, 2.2, 2.7, 5.4], np.float32), len(key))
    return (key // nodes).astype(np.int32), (key % nodes).astype(np.int32), weight


# --- contenders: each takes the graph's file and gives seconds, steps and what it likes to add -------------------


def walked(walks: int, walking: float, call: float, **facts: Any) -> Run:
    """What a contender hands in; ``walking`` and ``call`` are seconds, the former 0 where it was not timed."""
    steps = walks * (LENGTH - 1)
    return {"rate": steps / call, "walking": steps / walking if walking else 0.0, **facts}


def load_product_graph(file: Path) -> Any:
    from core.graph import ProductGraph

    with np.load(file) as arrays:
        return ProductGraph(arrays["indptr"], arrays["indices"], arrays["data"])


def gather(file: Path, threads: int) -> Run:
    """The machine's limit: independent random reads of 16 byte records, prefetched, from a table as large as ours."""
    from concurrent.futures import ThreadPoolExecutor

    from numba import njit

    from core.kernels.intrinsics import draw, multiply_wide, prefetch
    from core.walks.alias import RECORD, empty_table

    @njit(nogil=True)
    def read(table, count, key):  # type: ignore[no-untyped-def]
        position = np.empty(256, np.int64)
        total = np.uint64(0)
        for block in range(0, count, 256):
            for i in range(256):
                high, _ = multiply_wide(draw(key, block + i), np.uint64(len(table)))
                position[i] = np.int64(high)
                prefetch(table, position[i])
            for i in range(256):
                total += table[position[i]].threshold
        return total

    with np.load(file) as arrays:
        table = empty_table(len(arrays["indices"]), RECORD)
    table.view(np.uint8)[:] = 1
    count = 1 << 25

    read(table, 256, np.uint64(0))
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda key: read(table, count // threads, np.uint64(key)), range(threads)))
        seconds.append(time.perf_counter() - started)
    rate = count / float(np.median(seconds[1:]))
    return {"rate": rate, "walking": rate}


def ours(file: Path, threads: int, second_order: bool) -> Run:
    """Our walks: the whole call into fresh memory; the walking and the tables alone as parts of it."""
    from core.graph import transition_matrix
    from core.walks import Node2VecConfig, WalksConfig, node2vec_walks, random_walks, run

    graph = load_product_graph(file)
    parts: dict[str, list[float]] = {"_over_rows": [], "_over_starts": []}
    for name, seconds in parts.items():
        setattr(run, name, _timed(getattr(run, name), seconds))
    transition = None if second_order else transition_matrix(graph)
    calls, out = [], None
    for turn in turns(REPEAT_SECONDS, 7):
        # Walking alone is timed into memory already in use, like the gather; a user's call gets fresh memory.
        into = out if turn % 2 else None
        started = time.perf_counter()
        if transition is None:
            made = node2vec_walks(graph, Node2VecConfig(PASSES, LENGTH, P, Q), threads=threads, out=into)
        else:
            made = random_walks(transition, WalksConfig(PASSES, LENGTH), threads=threads, out=into)
        calls.append(time.perf_counter() - started)
        out = made
    tables, walking = parts["_over_rows"], parts["_over_starts"]
    return walked(
        len(made), float(np.median(walking[1::2])), float(np.median(calls[2::2])), tables=float(np.median(tables[1:]))
    )


def _timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def wrapper(*args: Any) -> Any:
        started = time.perf_counter()
        result = function(*args)
        seconds.append(time.perf_counter() - started)
        return result

    return wrapper


def article(file: Path, threads: int) -> Run:
    """The article's design, re-created: a dict of dicts of probabilities and random.choices; from 2000 nodes."""
    with np.load(file) as arrays:
        indptr, indices, data = arrays["indptr"], arrays["indices"], arrays["data"]
    rows = {}
    for node in range(min(len(indptr) - 1, 200_000)):  # more would not fit beside the others at books scale
        row = slice(indptr[node], indptr[node + 1])
        rows[node] = dict(zip(indices[row].tolist(), (data[row] / data[row].sum()).tolist(), strict=True))
    starts = [node for node in range(2_000) if rows[node]]
    random.seed(1)
    walks = []
    started = time.perf_counter()
    for node in starts:
        for _ in range(PASSES):
            walk = [node]
            while len(walk) < LENGTH and rows.get(walk[-1]):
                neighbours = rows[walk[-1]]
                walk.append(random.choices(list(neighbours), list(neighbours.values()))[0])
            walks.append(walk)
    seconds = time.perf_counter() - started
    steps = sum(len(walk) - 1 for walk in walks)
    note = "one thread, from 2,000 nodes, making the dicts not counted"
    return {"rate": steps / seconds, "walking": steps / seconds, "note": note}


def csrgraph_walks(file: Path, threads: int, second_order: bool) -> Run:
    import csrgraph
    import scipy.sparse as sp

    with np.load(file) as arrays:
        matrix = sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]))
    warm = csrgraph.csrgraph(matrix, threads=threads)
    bias = {"return_weight": 1 / P, "neighbor_weight": 1 / Q} if second_order else {}
    starts = np.arange(warm.nnodes)[:10_000] if second_order else np.arange(warm.nnodes)
    warm.random_walks(walklen=LENGTH, epochs=1, start_nodes=starts[:100], **bias)
    walking, calls = [], []
    for _ in turns(REPEAT_SECONDS):
        begun = time.perf_counter()
        graph = csrgraph.csrgraph(matrix, threads=threads)
        started = time.perf_counter()
        walks = graph.random_walks(walklen=LENGTH, epochs=PASSES, start_nodes=starts, **bias)
        ended = time.perf_counter()
        walking.append(ended - started)
        calls.append(ended - begun)
    median = statistics.median
    return walked(walks.shape[0], median(walking), median(calls), note=f"from {len(starts):,} nodes")


def pecanpy_walks(file: Path, threads: int, second_order: bool) -> Run:
    import numba
    from pecanpy import pecanpy

    numba.set_num_threads(threads)
    passes = 1 if second_order else 2

    def loaded() -> Any:
        model = pecanpy.SparseOTF(p=P, q=Q) if second_order else pecanpy.PreCompFirstOrder(p=1, q=1)
        model.read_npz(str(file), weighted=True, implicit_ids=True)
        return model

    warm = loaded()
    warm.simulate_walks(1, 1)  # compiles
    model = loaded()
    started = time.perf_counter()
    walks = model.simulate_walks(passes, LENGTH - 1)
    call = time.perf_counter() - started

    starts = np.repeat(np.arange(model.num_nodes, dtype=np.uint32), passes)
    np.random.default_rng(1).shuffle(starts)
    if second_order:
        starts = starts[: len(starts) // 4]
    move, connected = model.get_move_forward(), model.get_has_nbrs()
    with pecanpy.ProgressBar(total=len(starts), disable=True) as progress:
        started = time.perf_counter()
        model._random_walks(len(starts), LENGTH - 1, 1, starts, connected, move, progress)
        walking = time.perf_counter() - started
    return walked(len(walks), walking, call, note=f"{passes} walks from each node")


def node2vec_package(file: Path, threads: int) -> Run:
    """PyPI's node2vec holds a table per directed edge: on the subgraph of the first 2000 nodes."""
    import networkx as nx
    import scipy.sparse as sp
    from node2vec import Node2Vec

    with np.load(file) as arrays:
        matrix = sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]))
    part = nx.from_scipy_sparse_array(matrix[:2_000, :2_000])
    begun = time.perf_counter()
    model = Node2Vec(part, p=P, q=Q, walk_length=2, num_walks=1, workers=1, quiet=True)
    model.walk_length, model.num_walks = LENGTH, PASSES
    started = time.perf_counter()
    walks = model._generate_walks()
    ended = time.perf_counter()
    steps = sum(len(walk) - 1 for walk in walks)
    note = "one thread, subgraph of 2,000 nodes"
    return {"rate": steps / (ended - begun), "walking": steps / (ended - started), "note": note}


CONTENDERS: dict[str, Callable[[Path, int], Run]] = {
    "gather": gather,
    "ours first-order": lambda file, threads: ours(file, threads, False),
    "ours node2vec": lambda file, threads: ours(file, threads, True),
    "article": article,
    "csrgraph first-order": lambda file, threads: csrgraph_walks(file, threads, False),
    "csrgraph node2vec": lambda file, threads: csrgraph_walks(file, threads, True),
    "pecanpy first-order": lambda file, threads: pecanpy_walks(file, threads, False),
    "pecanpy node2vec": lambda file, threads: pecanpy_walks(file, threads, True),
    "node2vec": node2vec_package,
}
OURS = ("gather", "ours first-order", "ours node2vec")
PACKAGES = ("numpy", "numba", "csrgraph", "pecanpy", "node2vec")


def contend(name: str, file: Path, threads: int) -> Run:
    """Run one contender in this process."""
    with contextlib.redirect_stdout(io.StringIO()):
        run = CONTENDERS[name](file, threads)
    return {**run, "threads": threads, "peak_gb": peak_gb(), "versions": versions(*PACKAGES)}


# --- the race ----------------------------------------------------------------------------------------------------

AGAINST = {
    "article": ("ours first-order", ">= 400", "walking"),
    "csrgraph first-order": ("ours first-order", ">= 25", "walking"),
    "pecanpy first-order": ("ours first-order", ">= 100", "rate"),
    "csrgraph node2vec": ("ours node2vec", ">= 40", "rate"),
    "pecanpy node2vec": ("ours node2vec", ">= 25", "rate"),
    "node2vec": ("ours node2vec", "", "rate"),
}
"""Peer → which of ours it is compared with, how many times as fast that shall be, and by which rate: the whole call, or
the walking alone where making the peer's graph is not counted either (the tables have a target of their own)."""


def measurements(runs: dict[str, list[Run]], data: str, pairs: int) -> list[Measurement]:
    found = []
    for name in ("ours first-order", "ours node2vec"):
        if name not in runs:
            continue
        own, what = runs[name], name.removeprefix("ours ")
        rates = [run["walking"] / 1e6 for run in own]
        wanted = ">= 100" if what == "first-order" else ">= 11"
        found.append(spread("walks", data, f"{what}, walking alone", rates, "M steps/s", wanted, ours=summary(own)))
        found.append(spread("walks", data, f"{what}, whole call", [run["rate"] / 1e6 for run in own], "M steps/s"))
        if what == "first-order" and "gather" in runs:
            share = [100 * one["walking"] / limit["rate"] for one, limit in zip(own, runs["gather"], strict=True)]
            # A table that fits the cache is read much faster than anything could be computed from it.
            wanted = ">= 60" if pairs >= 4_000_000 else ""
            found.append(spread("walks", data, "first-order, of the machine's random gathers", share, "%", wanted))
        if what == "first-order":
            limit = "<= 0.5" if pairs <= 4_000_000 else "<= 3.5"
            found.append(spread("walks", data, "alias tables", [run["tables"] for run in own], "s", limit))
        else:
            found.append(spread("walks", data, "node2vec, peak memory", [run["peak_gb"] for run in own], "GB", "<= 24"))
    for name, (reference, target, rate) in AGAINST.items():
        if name in runs and reference in runs:
            own, peer = runs[reference], runs[name]
            what = reference.removeprefix("ours ")
            title = f"{what}, against {name.removesuffix(f' {what}')}"
            for kind, addition in (("rate", ""), ("walking", ", walking alone")):
                times = [one[kind] / other[kind] for one, other in zip(own, peer, strict=True)]
                wanted, facts = (target, {"peer": summary(peer)}) if kind == rate else ("", {})
                found.append(spread("walks", data, title + addition, times, "x", wanted, **facts))
    return found


def main() -> None:
    options = parser(__doc__, race=True)
    options.add_argument("--nodes", type=int, default=420_000)
    options.add_argument("--pairs", type=int, default=4_000_000)
    options.add_argument("--peers", action="store_true", help="also run the other implementations")
    options.add_argument("--peer-python", default=sys.executable, help="interpreter in which the peers are installed")
    options.add_argument("--only", nargs="+", choices=list(CONTENDERS), help="contenders to run")
    options.add_argument("--graph", type=Path, help="CSR .npz to walk on instead of a synthetic graph")
    options.add_argument("--contender", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.contender:
        print(json.dumps(contend(args.contender, args.graph, args.threads)))
        return

    with tempfile.TemporaryDirectory() as folder:
        file = args.graph
        if file is None:
            from core.graph import build_graph

            file = Path(folder) / "graph.npz"
            graph = build_graph(args.nodes, *synthetic_graph(args.nodes, args.pairs))
            np.savez(file, indptr=graph.indptr, indices=graph.indices, data=graph.weights)
        with np.load(file) as arrays:
            nodes, pairs = len(arrays["indptr"]) - 1, len(arrays["indices"]) // 2
        data = f"{args.graph.stem if args.graph else 'synthetic'}, {nodes:,} products, {pairs:,} pairs"

        def run(name: str) -> Run:
            python = sys.executable if name in OURS else args.peer_python
            return in_process(
                python, __file__, "--contender", name, "--graph", file, "--threads", args.threads, threads=args.threads
            )

        runs = interleaved(args.only or (CONTENDERS if args.peers else OURS), args.rounds, run, args.within)
        report(measurements(runs, data, pairs), args.out)


if __name__ == "__main__":
    main()
