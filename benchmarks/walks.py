"""How fast random walks are, beside the machine's own limit and other people's walks on the same graph.

    python benchmarks/walks.py                                    # electronics scale, ours and the machine's limit
    python benchmarks/walks.py --peers --peer-python VENV/bin/python
    python benchmarks/walks.py --nodes 2000000 --pairs 26500000   # books scale

Every contender runs in a process of its own, warmed up before it is timed; rounds are interleaved, so that a busy
machine is unfair to all alike; medians are reported. ``undisturbed`` is what the contender would reach if no other
process took its cores from it: steps x threads / CPU seconds (caches and memory bandwidth stay shared). A step is
one move from a product to the next: a walk of 10 products has 9. Peers that cannot walk the whole graph in
reasonable time start from some of its nodes, or walk a part of it; the table says so. ``csrgraph``, ``pecanpy`` and
``node2vec`` are looked for in ``--peer-python``, because they do not all install beside a current NumPy.

Belongs here: the synthetic graph, the contenders, the table. This file imports ``core`` only where our own walks
run, so that it also runs in an environment that has only the peers.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

PASSES, LENGTH = 10, 10
P, Q = 0.5, 2.0

Result = dict[str, Any]


def synthetic_graph(nodes: int, pairs: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, target and weight of distinct pairs: popularity falls as rank**-0.6, half of the pairs join products
    of the same cluster of 40, so that walks meet common neighbours."""
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
    key = np.unique((low * nodes + high)[low != high])
    if len(key) > pairs:
        key = rng.choice(key, pairs, replace=False, shuffle=False)
    weight = rng.choice(np.array([0.5, 1.0, 1.2, 1.5, 2.2, 2.7, 5.4], np.float32), len(key))
    return (key // nodes).astype(np.int32), (key % nodes).astype(np.int32), weight


# --- contenders: each takes the graph's file and gives seconds, steps and what it likes to add -------------------


class Clock:
    """Wall and CPU seconds (of all threads) of each ``with`` block."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def __enter__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall.append(time.perf_counter() - self._started[0])
        self.cpu.append(time.process_time() - self._started[1])

    def medians(self, warmed_up: int = 0) -> Result:
        """The medians without the first ``warmed_up`` blocks."""
        return {
            "seconds": statistics.median(self.wall[warmed_up:]),
            "cpu_seconds": statistics.median(self.cpu[warmed_up:]),
        }


def load_product_graph(file: Path) -> Any:
    from core.graph import ProductGraph

    with np.load(file) as arrays:
        return ProductGraph(arrays["indptr"], arrays["indices"], arrays["data"])


def gather(file: Path, threads: int) -> Result:
    """The machine's limit: independent random reads of 16 byte records, prefetched, from a table as large as ours."""
    from concurrent.futures import ThreadPoolExecutor

    from numba import njit

    from core.walks.alias import RECORD, empty_table
    from core.walks.intrinsics import draw, multiply_wide, prefetch

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

    clock = Clock()
    read(table, 256, np.uint64(0))
    for _ in range(6):
        with clock, ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda key: read(table, count // threads, np.uint64(key)), range(threads)))
    return {**clock.medians(1), "steps": count, "note": "independent random reads of 16 bytes"}


def ours(file: Path, threads: int, second_order: bool) -> Result:
    """Our walks: walking alone into memory already in use, the tables alone, and the whole call."""
    from core.graph import transition_matrix
    from core.walks import Node2VecConfig, WalksConfig, node2vec_walks, random_walks, run

    started = time.perf_counter()
    importlib.import_module("core.walks.second_order" if second_order else "core.walks.first_order")

    loading = time.perf_counter() - started
    graph = load_product_graph(file)
    clocks = {"_over_rows": Clock(), "_over_starts": Clock()}
    for name, clock in clocks.items():
        setattr(run, name, _clocked(getattr(run, name), clock))
    out = None
    call = Clock()
    transition = None if second_order else transition_matrix(graph)
    for _ in range(4):
        with call:
            if transition is None:
                out = node2vec_walks(graph, Node2VecConfig(PASSES, LENGTH, P, Q), threads=threads, out=out)
            else:
                out = random_walks(transition, WalksConfig(PASSES, LENGTH), threads=threads, out=out)
    assert out is not None
    tables = clocks["_over_rows"].medians(1)
    return {
        **clocks["_over_starts"].medians(1),
        "steps": len(out) * (LENGTH - 1),
        "tables_seconds": tables["seconds"],
        "tables_undisturbed_seconds": tables["cpu_seconds"] / threads,
        "call_seconds": call.medians(1)["seconds"],
        "first_call_seconds": call.wall[0],
        "kernel_loading_seconds": loading,
    }


def _clocked(function: Callable[..., None], clock: Clock) -> Callable[..., None]:
    def wrapper(*args: Any) -> None:
        with clock:
            function(*args)

    return wrapper


def article(file: Path, threads: int) -> Result:
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
    clock = Clock()
    with clock:
        for node in starts:
            for _ in range(PASSES):
                walk = [node]
                while len(walk) < LENGTH and rows.get(walk[-1]):
                    neighbours = rows[walk[-1]]
                    walk.append(random.choices(list(neighbours), list(neighbours.values()))[0])
                walks.append(walk)
    steps = sum(len(walk) - 1 for walk in walks)
    return {**clock.medians(), "steps": steps, "threads": 1, "note": "from 2,000 nodes"}


def csrgraph_walks(file: Path, threads: int, second_order: bool) -> Result:
    import csrgraph
    import scipy.sparse as sp

    with np.load(file) as arrays:
        matrix = sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]))
    graph = csrgraph.csrgraph(matrix, threads=threads)
    bias = {"return_weight": 1 / P, "neighbor_weight": 1 / Q} if second_order else {}
    starts = np.arange(graph.nnodes)[:20_000] if second_order else np.arange(graph.nnodes)
    graph.random_walks(walklen=LENGTH, epochs=1, start_nodes=starts[:100], **bias)
    clock = Clock()
    with clock:
        walks = graph.random_walks(walklen=LENGTH, epochs=PASSES, start_nodes=starts, **bias)
    note = f"from {len(starts):,} nodes" if second_order else ""
    return {**clock.medians(), "steps": walks.shape[0] * (walks.shape[1] - 1), "note": note}


def pecanpy_walks(file: Path, threads: int, second_order: bool) -> Result:
    import numba
    from pecanpy import pecanpy

    numba.set_num_threads(threads)
    model = pecanpy.SparseOTF(p=P, q=Q) if second_order else pecanpy.PreCompFirstOrder(p=1, q=1)
    model.read_npz(str(file), weighted=True, implicit_ids=True)
    started = time.perf_counter()
    model._preprocess_transition_probs()
    tables = time.perf_counter() - started
    move, connected = model.get_move_forward(), model.get_has_nbrs()
    starts = np.repeat(np.arange(model.num_nodes, dtype=np.uint32), PASSES)
    np.random.default_rng(1).shuffle(starts)

    clock = Clock()
    for some in (starts[:100], starts):
        with pecanpy.ProgressBar(total=len(some), disable=True) as progress, clock:
            model._random_walks(len(some), LENGTH - 1, 1, some, connected, move, progress)
    note = "compiling and turning walks into lists of strings not counted"
    return {**clock.medians(1), "steps": len(starts) * (LENGTH - 1), "tables_seconds": tables, "note": note}


def node2vec_package(file: Path, threads: int) -> Result:
    """PyPI's node2vec holds a table per directed edge: on the subgraph of the first 2000 nodes."""
    import networkx as nx
    import scipy.sparse as sp
    from node2vec import Node2Vec

    with np.load(file) as arrays:
        matrix = sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]))
    part = nx.from_scipy_sparse_array(matrix[:2_000, :2_000])
    model = Node2Vec(part, p=P, q=Q, walk_length=2, num_walks=1, workers=1, quiet=True)
    model.walk_length, model.num_walks = LENGTH, PASSES
    clock = Clock()
    with clock:
        walks = model._generate_walks()
    steps = sum(len(walk) - 1 for walk in walks)
    return {**clock.medians(), "steps": steps, "threads": 1, "note": "subgraph of 2,000 nodes; tables not counted"}


CONTENDERS: dict[str, Callable[[Path, int], Result]] = {
    "gather": gather,
    "ours first-order": lambda file, threads: ours(file, threads, False),
    "ours node2vec": lambda file, threads: ours(file, threads, True),
    "article (dicts)": article,
    "csrgraph first-order": lambda file, threads: csrgraph_walks(file, threads, False),
    "csrgraph node2vec": lambda file, threads: csrgraph_walks(file, threads, True),
    "pecanpy first-order": lambda file, threads: pecanpy_walks(file, threads, False),
    "pecanpy node2vec": lambda file, threads: pecanpy_walks(file, threads, True),
    "node2vec": node2vec_package,
}
OURS = ("gather", "ours first-order", "ours node2vec")
PACKAGES = {"csrgraph": "csrgraph", "pecanpy": "pecanpy", "node2vec": "node2vec"}


def peak_gb() -> float:
    """Peak resident memory of this process; from /proc, since getrusage also counts the parent before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def contend(name: str, file: Path, threads: int) -> Result:
    """Run one contender in this process."""
    with contextlib.redirect_stdout(io.StringIO()):
        result = CONTENDERS[name](file, threads)
    package = PACKAGES.get(name.split()[0])
    packages = ["numpy", *(["numba"] if name != "article (dicts)" else []), *([package] if package else [])]
    result.setdefault("threads", threads)
    result["peak_gb"] = peak_gb()
    result["versions"] = {"python": platform.python_version(), **{p: metadata.version(p) for p in packages}}
    result["rate"] = result["steps"] / result["seconds"]
    result["undisturbed"] = result["steps"] * result["threads"] / result["cpu_seconds"]
    return result


# --- the race ----------------------------------------------------------------------------------------------------


def in_process(python: str, name: str, file: Path, threads: int) -> Result:
    command = [python, __file__, "--contender", name, "--graph", str(file), "--threads", str(threads)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "NUMBA_NUM_THREADS": str(threads)}
    )
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:160]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def targets(name: str, results: dict[str, Result], pairs: int) -> list[tuple[str, float, float, str]]:
    """Rows of (quantity, measured, undisturbed, target) for our own contenders."""
    result = results[name]
    rate, undisturbed = result["rate"] / 1e6, result["undisturbed"] / 1e6
    if name == "ours node2vec":
        memory = result["peak_gb"]
        return [("M steps/s", rate, undisturbed, ">= 11"), ("peak memory, GB", memory, memory, "<= 24")]
    if name != "ours first-order":
        return []
    tables = result["tables_seconds"], result["tables_undisturbed_seconds"]
    rows = [("M steps/s", rate, undisturbed, ">= 100")]
    if "gather" in results:
        limit = results["gather"]
        share = 100 * result["rate"] / limit["rate"], 100 * result["undisturbed"] / limit["undisturbed"]
        rows.append(("% of the gather rate", *share, ">= 60"))
    return [*rows, ("alias tables, s", *tables, "<= 0.5" if pairs <= 4_000_000 else "<= 3.5")]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=420_000)
    parser.add_argument("--pairs", type=int, default=4_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true", help="also run the other implementations")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter in which the peers are installed")
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), help="contenders to run")
    parser.add_argument("--graph", type=Path, help="CSR .npz to walk on; written if it does not exist")
    parser.add_argument("--out", type=Path, help="append one JSON line per contender")
    parser.add_argument("--contender", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contender:
        print(json.dumps(contend(args.contender, args.graph, args.threads)))
        return

    with tempfile.TemporaryDirectory() as folder:
        file = args.graph or Path(folder) / "graph.npz"
        if not file.exists():
            from core.graph import build_graph

            graph = build_graph(args.nodes, *synthetic_graph(args.nodes, args.pairs))
            np.savez(file, indptr=graph.indptr, indices=graph.indices, data=graph.weights)
        with np.load(file) as arrays:
            degree = np.diff(arrays["indptr"])
            nodes, pairs = len(degree), len(arrays["indices"]) // 2
        print(f"{nodes:,} nodes, {pairs:,} pairs, largest degree {degree.max():,}, {args.threads} threads")
        race(args, file, nodes, pairs)


def race(args: argparse.Namespace, file: Path, nodes: int, pairs: int) -> None:
    """Run the rounds and print the table."""
    names = args.only or (list(CONTENDERS) if args.peers else list(OURS))
    results: dict[str, list[Result]] = {name: [] for name in names}
    for _ in range(args.rounds):
        for name in names:
            if any("failed" in result for result in results[name]):
                continue
            python = sys.executable if name in OURS else args.peer_python
            results[name].append(in_process(python, name, file, args.threads))
    failed = {name: runs[-1]["failed"] for name, runs in results.items() if "failed" in runs[-1]}
    middle = {
        name: sorted(runs, key=lambda run: run["undisturbed"])[len(runs) // 2]
        for name, runs in results.items()
        if name not in failed
    }
    head = ("M steps/s", "undisturbed", "spread", "ours is", "threads", "peak GB")
    print(f"{'':22}" + "".join(f"{title:>12}" for title in head) + "  versions, notes")
    for name in names:
        if name in failed:
            print(f"{name:22}      failed: {failed[name]}")
            continue
        one = middle[name]
        undisturbed = [run["undisturbed"] / 1e6 for run in results[name]]
        reference = "ours node2vec" if "node2vec" in name else "ours first-order"
        known = reference in middle and name not in OURS
        cells = (
            f"{one['rate'] / 1e6:.3g}",
            f"{one['undisturbed'] / 1e6:.3g}",
            f"{min(undisturbed):.3g}-{max(undisturbed):.3g}",
            f"{middle[reference]['undisturbed'] / one['undisturbed']:.3g} x" if known else "",
            f"{one['threads']}",
            f"{one['peak_gb']:.2f}",
        )
        versions = " ".join(f"{package} {version}" for package, version in one["versions"].items())
        notes = "; ".join(filter(None, [versions, one.get("note", "")]))
        print(f"{name:22}" + "".join(f"{cell:>12}" for cell in cells) + f"  {notes}")
        if args.out:
            line = {"benchmark": "walks", "contender": name, "nodes": nodes, "pairs": pairs, "runs": results[name]}
            with args.out.open("a") as lines:
                lines.write(json.dumps(line) + "\n")
    for name, one in middle.items():
        if "call_seconds" in one:
            print(
                f"\n{name}: tables {one['tables_seconds']:.2f} s, whole call {one['call_seconds']:.2f} s (first in a "
                f"process {one['first_call_seconds']:.2f} s), loading the kernels {one['kernel_loading_seconds']:.2f} s"
            )
        for quantity, measured, undisturbed, target in targets(name, middle, pairs):
            sign, _, limit = target.partition(" ")
            reached = [
                value >= float(limit) if sign == ">=" else value <= float(limit) for value in (measured, undisturbed)
            ]
            verdict = "reached" if all(reached) else "reached undisturbed" if reached[1] else "MISSED"
            print(f"  {quantity:22}{measured:>10.2f}{undisturbed:>10.2f} undisturbed   target {target:8} {verdict}")


if __name__ == "__main__":
    main()
