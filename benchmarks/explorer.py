"""How fast the explorer opens and answers at the scale of Electronics, for one person and for 20 at once.

    python benchmarks/explorer.py                 # 420,000 products, ten models; some minutes, about 8 GB of disk
    python benchmarks/explorer.py --products 20000 --models 3   # a quick look

A session is a WebSocket connection that asks for a script run and reads what the server sends until the run is
finished, as the page in a browser does; so its time is the server's and the wire's. "open" is the first run of a
session, "product" the run after another product was chosen. The first session of all meets a server that has nothing
in memory yet. People at once each wait --think seconds between two products. The store is made by core's own
functions, but for the neighbours, which are random products near by. It is kept with --store and used again.

One JSON line is appended to --out (default benchmarks/results/explorer.jsonl) and printed.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import psutil
import pyarrow as pa
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from core.evaluation import CURVES, METRICS, SCORES, Evaluation
from core.graph import ProductGraph, build_graph
from core.interfaces import TrainedModel
from core.models import MODELS
from core.pairs import PairsConfig, build_pairs
from core.pairs.split import SplitConfig, split_pairs
from core.projection import Projection, has_map
from core.sample import sample_catalog
from core.scoring.neighbours import NEIGHBOURS, Neighbours
from core.store import Store

ROOT = Path(__file__).resolve().parent.parent
CATEGORY = "sample"  # any name that categories.yaml knows
K = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=420_000)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--answers", type=int, default=15, help="products that every session asks for")
    parser.add_argument("--think", type=float, default=3.0, help="seconds between two products of one session")
    parser.add_argument("--store", type=Path, help="keep the synthetic store here, and use it if it is there")
    parser.add_argument("--browser", action="store_true", help="also open pages in headless Chromium")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "explorer.jsonl")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        folder = args.store or Path(temporary) / "store"
        if not (folder / "product_pairs").exists():
            make_store(Store(folder), args.products, args.models, args.dim)
        result = measure(folder, args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(result)
    with args.out.open("a") as out:
        out.write(line + "\n")
    print(line)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Times in milliseconds, memory in MB."""
    ids = Store(folder).read("product_pairs", CATEGORY).products["product_id"].to_pylist()
    rng = np.random.default_rng(1)

    def products() -> list[str]:
        return [ids[i] for i in rng.integers(0, len(ids), args.answers)]

    with Server(folder) as server:
        before = server.memory()
        first = asyncio.run(session(server.port, products(), 0))
        alone = asyncio.run(session(server.port, products(), 0))
        pages = {name: asyncio.run(session(server.port, [], 0, name)).opened for name in PAGES}
        single = server.memory()
        many = asyncio.run(together(server.port, [products() for _ in range(args.sessions)], args.think))
        result = {
            "what": "explorer",
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "products": len(ids),
            "models": len(list((folder / "neighbours").iterdir())),
            "store_gb": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e9, 2),
            "open_cold_ms": round(first.opened),
            "open_ms": round(alone.opened),
            "product_ms": summary(first.answers + alone.answers),
            "first_visit_of_page_ms": {name: round(value) for name, value in pages.items()},
            "sessions": args.sessions,
            "think_s": args.think,
            "open_together_ms": summary([one.opened for one in many]),
            "product_together_ms": summary([t for one in many for t in one.answers]),
            "memory_mb": {"started": before, "one session": single, f"{args.sessions} sessions": server.memory()},
            "cores": len(os.sched_getaffinity(0)),
            "load_average": round(os.getloadavg()[0], 1),
            "machine": platform.machine(),
        }
        if args.browser:
            result["browser_ms"] = in_browser(server.port, products()[0])
    result["within_targets"] = result["open_cold_ms"] < 3000 and result["product_ms"]["p95"] < 300
    return result


PAGES = ("evaluation", "map", "data", "freshness")


def summary(milliseconds: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return {"p50": round(float(p50)), "p95": round(float(p95)), "n": len(milliseconds)}


class Server:
    """The explorer on a free port; a context manager."""

    def __init__(self, store: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [
            sys.executable, "-m", "streamlit", "run", str(ROOT / "explorer" / "app.py"), f"--server.port={self.port}",
            "--server.address=127.0.0.1", "--server.headless=true",
        ]  # fmt: skip
        environment = os.environ | {"ALSOBOUGHT_STORE": str(store), "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)

    def __enter__(self) -> "Server":
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stcore/health", timeout=5):
                    return self
            except OSError:
                time.sleep(0.2)
        self._process.kill()
        raise SystemExit("the explorer did not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def memory(self) -> dict[str, int]:
        """Resident memory, and the part of it that is no mapped file (the store's pages are the system's to drop)."""
        found = psutil.Process(self._process.pid).memory_info()
        return {"rss": round(found.rss / 1e6), "private": round((found.rss - found.shared) / 1e6)}


class Times:
    """Milliseconds of one session: its first run and those after it."""

    def __init__(self, opened: float, answers: list[float]) -> None:
        self.opened, self.answers = opened, answers


async def session(port: int, products: list[str], think: float, page: str = "") -> Times:
    """Open a page, then ask for one product after the other."""
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    started = time.perf_counter()
    async with connect(address, subprotocols=["streamlit"], max_size=None) as socket_:  # type: ignore[list-item]
        await run(socket_, page, {"category": CATEGORY})
        opened = 1000 * (time.perf_counter() - started)
        answers = []
        for product in products:
            await asyncio.sleep(think)
            started = time.perf_counter()
            await run(socket_, page, {"category": CATEGORY, "product": product})
            answers.append(1000 * (time.perf_counter() - started))
    return Times(opened, answers)


async def together(port: int, wishes: list[list[str]], think: float) -> list[Times]:
    """All sessions at once; their clocks are spread over the thinking time, as people's are."""

    async def one(number: int, products: list[str]) -> Times:
        await asyncio.sleep(think * number / len(wishes))
        return await session(port, products, think)

    return list(await asyncio.gather(*(one(number, products) for number, products in enumerate(wishes))))


async def run(socket_: Any, page: str, query: dict[str, str]) -> None:
    """One script run from request to end. Raises RuntimeError when the page shows an exception."""
    message = BackMsg()
    message.rerun_script.query_string = urlencode(query)
    message.rerun_script.page_name = page
    await socket_.send(message.SerializeToString())
    async for data in socket_:
        found = ForwardMsg.FromString(data)
        if found.delta.new_element.HasField("exception"):
            raise RuntimeError(found.delta.new_element.exception.message)
        if found.WhichOneof("type") == "script_finished":
            if found.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                continue
            return
    raise RuntimeError("the server closed the connection")


def in_browser(port: int, product: str) -> dict[str, int]:
    """Milliseconds until Chromium has drawn a page: one visit each, in a new context."""
    from playwright.sync_api import sync_playwright

    found = {}
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for page_name in ("", *PAGES):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            page.goto(f"http://127.0.0.1:{port}/{page_name}?category={CATEGORY}&product={product}")
            page.wait_for_selector('[data-testid="stHeading"]')
            page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
            found[page_name or "neighbours"] = round(1000 * (time.perf_counter() - started))
            page.close()
        browser.close()
    return found


def make_store(store: Store, n: int, count: int, dim: int) -> None:
    """Everything the explorer reads, and the vectors it does not read."""
    catalog = sample_catalog(n, 10.0)
    pairs = build_pairs(catalog.products, catalog.relationships, PairsConfig())
    ids = pairs.products["product_id"].combine_chunks().cast(pa.string())
    n = len(ids)
    print(f"{n:,} products, {len(pairs.source):,} pairs", flush=True)
    has_metadata = pairs.products["has_metadata"].to_numpy()
    split = split_pairs(n, pairs.source, pairs.target, pairs.weight, has_metadata, SplitConfig())
    graph = build_graph(n, split.train.source, split.train.target, split.train.weight)
    values = {"product_pairs": pairs, "pair_split": split, "product_graph": graph, "quarantine": catalog.quarantine}
    for asset, value in values.items():
        store.write(asset, CATEGORY, value)
    boards = []
    # The models with vectors first: theirs are the largest artefacts, with lists of two scorings.
    for number, model in enumerate(sorted(MODELS.values(), key=lambda m: -len(m.scorings))[:count]):
        rng = np.random.default_rng(number)
        center = rng.standard_normal((n, dim), dtype=np.float32)
        store.write(f"embeddings/{model.name}", CATEGORY, TrainedModel(model.name, graph.degree > 0, center, center))
        lists = neighbours(ids, graph, model.scorings, rng)
        store.write(f"neighbours/{model.name}", CATEGORY, lists)
        measured = evaluation(model.name, model.scorings, rng)
        store.write(f"metrics/{model.name}", CATEGORY, measured)
        boards.append(measured.metrics.add_column(0, "category", pa.repeat(CATEGORY, measured.metrics.num_rows)))
        if has_map(model) and not store.categories(f"projection/{model.name}") and number == 0:
            nodes = np.flatnonzero(graph.degree).astype(np.int32)
            position = rng.uniform(-1, 1, (len(nodes), 2)).astype(np.float32)
            store.write(
                f"projection/{model.name}", CATEGORY,
                Projection(model.name, nodes, position, np.ones(len(nodes), bool), {"products": len(nodes)}),
            )  # fmt: skip
        print(f"{model.name} written", flush=True)
    store.write("leaderboard", CATEGORY, pa.concat_tables(boards).combine_chunks())


def neighbours(ids: pa.Array, graph: ProductGraph, scorings: tuple[str, ...], rng: np.random.Generator) -> Neighbours:
    """K random products near by for every product that has a pair."""
    sources = np.flatnonzero(graph.degree).astype(np.int32)
    tables = []
    for number in range(len(scorings)):
        near = (np.repeat(sources, K) + rng.integers(1, 3_000, len(sources) * K)) % graph.n_nodes
        score = -np.sort(-rng.random((len(sources), K), dtype=np.float32), axis=1).ravel()
        number_of = np.full(len(near), number, np.int8)
        columns = {
            "product": pa.DictionaryArray.from_arrays(np.repeat(sources, K), ids),
            "rank": np.tile(np.arange(1, K + 1, dtype=np.int16), len(sources)),
            "neighbour": pa.DictionaryArray.from_arrays(near.astype(np.int32), ids),
            "score": score,
            "scoring": pa.DictionaryArray.from_arrays(number_of, pa.array(scorings, pa.string())),
        }
        tables.append(pa.table(columns, schema=NEIGHBOURS))
    info = {scoring: {"index": "exact", "recall": 1.0} for scoring in scorings}
    return Neighbours(pa.concat_tables(tables), info)


def evaluation(model: str, scorings: tuple[str, ...], rng: np.random.Generator) -> Evaluation:
    """Tables of the usual lengths with made-up numbers."""
    metrics, curves, scores = [], [], []
    for scoring in scorings:
        for protocol in ("published", "degree_matched"):
            place = {"model": model, "scoring": scoring, "protocol": protocol}
            for subset in ("all", "seen"):
                value = float(rng.uniform(0.8, 0.99))
                for metric in ("roc_auc", "average_precision"):
                    row = {"metric": metric, "value": value, "low": value - 0.001, "high": value + 0.001}
                    metrics.append({**place, "subset": subset, **row})
                for t in np.linspace(1, 0, 200):
                    recall, false = float(1 - t), float((1 - t) ** 6)
                    precision = recall / (recall + false) if recall else 1.0
                    f1 = 2 * precision * recall / (precision + recall)
                    row = {"threshold": float(t), "precision": precision, "recall": recall, "f1": f1}
                    curves.append({**place, "subset": subset, **row, "false_positive_rate": false})
            for label in ("positive", "negative"):
                for low, count in enumerate(rng.integers(0, 1_000, 50).tolist()):
                    scores.append({**place, "label": label, "low": low / 50, "high": (low + 1) / 50, "count": count})
    return Evaluation(
        pa.Table.from_pylist(metrics, METRICS),
        pa.Table.from_pylist(curves, CURVES),
        pa.Table.from_pylist(scores, SCORES),
    )


if __name__ == "__main__":
    main()
