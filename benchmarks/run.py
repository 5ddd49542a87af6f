"""All benchmarks one after the other, and what they found as a table with the targets beside it.

    python benchmarks/run.py short [--data ../shared/data] [--peer-python .venv-peers/bin/python] [--only walks ...]
    python benchmarks/run.py large

``make bench`` and ``make bench-large`` call this. ``short`` is made to fit a quarter of an hour on two cores; ``large``
(books scale, the whole pipeline up to two million products) takes longer. Beauty and Cell Phones are measured on too,
where their sources lie in --data; they are materialized up to the walks in a temporary folder. A slow machine makes
fewer rounds. Made only when --only asks for them: ``step-start``, which has no peer, and ``lists``, where Beauty is
listed. Results go to benchmarks/results/NAME.jsonl; a run replaces only the files of what it ran. Nothing else should
run on the machine meanwhile.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pipeline import installation
from table import RESULTS, markdown, read

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
REAL = ("beauty", "cell_phones")


def real_categories(data: Path, folder: Path) -> dict[str, Path]:
    """Materialize the real categories up to their walks in ``folder / "store"``; category → its graph for walks.py."""
    from core.categories import load_categories
    from core.store import Store

    categories = load_categories(ROOT / "categories.yaml")
    store = Store(folder / "store")
    found = {}
    for name in REAL:
        if not (data / categories[name].source).exists():
            print(f"not measured on {name}: there is no {data / categories[name].source}", flush=True)
            continue
        shutil.copy(ROOT / "dagster.yaml", folder)
        env = installation(folder) | {"RAW_DIR": str(data.resolve()), "ALSOBOUGHT_STORE": str(folder / "store")}
        env["ALSOBOUGHT_CATEGORIES"] = str(ROOT / "categories.yaml")
        command = [sys.executable, "-m", "orchestration.cli", "materialize", name, "--select", '+key:"walks"']
        subprocess.run(command, env=env, cwd=folder, check=True)
        graph = store.read("product_graph", name)
        found[name] = folder / f"{name}.npz"
        np.savez(found[name], indptr=graph.indptr, indices=graph.indices, data=graph.weights)
    return found


def short(data: Path, store: Path, peers: list[str], graphs: dict[str, Path]) -> dict[str, list[str]]:
    """Result file → command, for ``make bench``."""
    on = ["--store", str(store), "--category"]
    twice = ["--rounds", "2", "--within"]
    walkers = ["gather", "ours first-order", "ours node2vec", "csrgraph first-order", "csrgraph node2vec"]
    walkers += ["pecanpy first-order", "pecanpy node2vec"]
    learners = ["ours", "gensim skip-gram", "gensim cbow"]
    made = {"walks": ["walks.py", *peers, *twice, "200"]}
    for name, graph in graphs.items():
        made[f"walks-{name}"] = ["walks.py", "--graph", str(graph), *peers, *twice, "100", "--only", *walkers]
    made["skipgram"] = ["word2vec.py", *twice, "140"]
    for name in graphs:
        made[f"skipgram-{name}"] = ["word2vec.py", *on, name, "--rounds", "1", "--only", *learners]
    made["factorization"] = ["factorization.py", *twice, "80"]
    made["reading"] = ["parse.py", "--data", str(data), "--rounds", "2"]
    made["orders"] = ["orders.py", *peers, *twice, "60", "--only", "ours", "scipy", "duckdb", "pandas"]
    made["lists"] = ["evaluation.py", "--rounds", "1"]
    for number, name in enumerate(graphs):
        lists = ["--no-lists"] if number else []
        made[f"evaluation-{name}"] = ["evaluation.py", *on, name, "--rounds", "1", *lists]
    made["step-start"] = ["step_startup.py", "--rounds", "1"]
    made["pipeline-small"] = ["pipeline.py", "--scale", "20000:10"]
    return made


def large(peers: list[str]) -> dict[str, list[str]]:
    """Result file → command, for ``make bench-large``."""
    size = ["2000000", "--pairs", "26500000"]
    walkers = ["gather", "ours first-order", "ours node2vec", "article", "csrgraph first-order", "csrgraph node2vec"]
    return {
        "walks-books": ["walks.py", "--nodes", *size, *peers, "--rounds", "3", "--only", *walkers],
        "reading-books": ["parse.py", "--graph-only", "--products", *size, "--rounds", "1"],
        "orders-instacart": [
            "orders.py",
            "--lines",
            "32000000",
            *peers,
            "--rounds",
            "1",
            "--only",
            "ours",
            "scipy",
            "duckdb",
        ],
        "skipgram-electronics": ["word2vec.py", "--nodes", "420000", "--rounds", "1"],
        "delivery": ["delivery.py"],
        "api": ["api.py"],
        "pipeline": ["pipeline.py", "--scale", "100000:10", "--scale", "420000:9.52"],
        "pipeline-books": ["pipeline.py", "--scale", "2000000:13.25", "--models", "skipgram"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("size", choices=("short", "large"))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="where real sources lie")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter in which the peers are installed")
    parser.add_argument("--only", nargs="+", help="names of results; default: all but step-start and lists")
    args = parser.parse_args()
    started, failed = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        on_real = args.size == "short" and (not args.only or any(name.endswith(REAL) for name in args.only))
        graphs = real_categories(args.data, Path(folder)) if on_real else {}
        peers = ["--peers", "--peer-python", args.peer_python]
        todo = short(args.data, Path(folder) / "store", peers, graphs) if args.size == "short" else large(peers)
        if unknown := set(args.only or ()) - set(todo):
            parser.error(f"no {', '.join(sorted(unknown))} here; there is {', '.join(todo)}")
        on_request = {"step-start", "lists"} if "evaluation-beauty" in todo else {"step-start"}
        wanted = args.only or [name for name in todo if name not in on_request]
        todo = {name: todo[name] for name in wanted}
        for number, (name, command) in enumerate(todo.items(), 1):
            print(f"\n[{number}/{len(todo)}, {time.monotonic() - started:.0f} s] {' '.join(command)}", flush=True)
            out = RESULTS / f"{name}.jsonl"
            done = subprocess.run(
                [sys.executable, str(HERE / command[0]), *command[1:], "--out", str(out)], check=False
            )
            if done.returncode:
                failed.append(name)
    print(f"\n{markdown(read(list(todo)))}\n\n{time.monotonic() - started:.0f} s")
    for name in failed:
        print(f"FAILED: {name}; its messages stand above", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
