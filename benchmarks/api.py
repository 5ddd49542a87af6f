"""How fast `alsobought api` answers, on one core, from 2,000,000 products, while another version is written.

    python benchmarks/api.py                    # some minutes, about 6 GB of disk; needs wrk (Debian's package)
    python benchmarks/api.py --products 50000 --seconds 3

The server has one worker, pinned to the first core; wrk and the rebuild (a process that stores the lists again and
again, each time a new version, which the server then takes up) share the second core. There wrk goes first: a shop asks
from another machine, and otherwise its times would be those of waiting for its core. It asks for random products over
keep-alive connections as fast as it gets answers, so its latencies are those under full load. Memory is read from
/proc/PID/smaps_rollup at the end. "Private" is what one more worker costs; the rest are pages of mapped files, which
all workers share and the kernel can drop at any time.
"""

import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measurements import Measurement, parser, report

from core.recommendations import GOES_WITH, SIMILAR, Recommendations
from core.recommendations.served import ASSET, served
from core.store import Store

CATEGORY = "bench"
K = 20
TARGETS = {"lists": (">= 2000", "<= 5"), "baskets": ("", "<= 20")}
"""Kind of request → requests per second, p99 in milliseconds."""


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--products", type=int, default=2_000_000)
    options.add_argument("--seconds", type=int, default=20, help="length of each load")
    options.add_argument("--connections", type=int, default=4)
    options.add_argument("--store", type=Path, help="folder to keep the store in, or to use it again")
    arguments = options.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing; install Debian's package wrk")
    folder = arguments.store or Path(tempfile.mkdtemp(prefix="alsobought-api-"))
    try:
        store = Store(folder / "data" / "store")
        if store.manifest(ASSET, CATEGORY) is None:
            store.write(ASSET, CATEGORY, synthetic(arguments.products))
        found = measure(folder, arguments)
    finally:
        if arguments.store is None:
            shutil.rmtree(folder, ignore_errors=True)
    report(found, arguments.out)


def product_id(node: int) -> str:
    return f"B{node:09d}"


def synthetic(n: int) -> Recommendations:
    """Products with titles of six words and lists that favour some products, as popular ones are."""
    rng = np.random.default_rng(7)
    words = np.array([f"word{i}" for i in range(20_000)])
    named = pa.array([f"Brand {i}" for i in range(5_000)])
    shelves = pa.array([f"Shelf {i}" for i in range(300)])
    titles = [" ".join(row) for row in words[(20_000 * rng.random((n, 6)) ** 2).astype(int)]]
    starts = np.arange(0, 2 * n + 1, 2, dtype=np.int32)
    products = pa.table(
        {
            "product_id": pa.array([product_id(node) for node in range(n)]),
            "title": pa.array(titles),
            "brand": named.take(pa.array((5_000 * rng.random(n) ** 2).astype(int))),
            "price": pa.array(rng.random(n, dtype=np.float32) * 100),
            "categories": pa.ListArray.from_arrays(starts, shelves.take(pa.array(rng.integers(0, 300, 2 * n)))),
        }
    )
    nodes = {slot: (n * rng.random((n, K), np.float32) ** 2).astype(np.int32) for slot in (GOES_WITH, SIMILAR)}
    scores = {slot: -np.sort(-rng.random((n, K), np.float32), axis=1) for slot in nodes}
    return Recommendations(products, nodes, scores, {slot: np.ones((n, K), np.uint8) for slot in nodes})


def rebuild(folder: str, port: int, stop) -> None:
    """Store the lists again and again, as a rebuild does; the next time once the server has taken up the last ones."""
    os.sched_setaffinity(0, {1})
    os.nice(19)
    store = Store(Path(folder) / "data" / "store")
    lists = served(store, CATEGORY).recommendations
    while not stop.is_set():
        written = store.write(ASSET, CATEGORY, lists).version
        while version(port) != written and not stop.wait(1):
            pass


def measure(folder: Path, arguments: Any) -> list[Measurement]:
    found = []

    def add(quantity: str, value: float, unit: str, target: str = "", **detail: Any) -> None:
        found.append(
            Measurement(
                "serving", f"{arguments.products:,} products", quantity, value, unit, target, None, None, detail
            )
        )

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"ALSOBOUGHT_HOME": str(folder)}
    command = ["taskset", "-c", "0", str(Path(sys.executable).with_name("alsobought")), "api", "--port", str(port)]
    started = time.perf_counter()
    server = subprocess.Popen(command, env=environment)
    try:
        await_health(port)
        add("start", round(time.perf_counter() - started, 1), "s")
        scripts = lua(folder, arguments.products)
        for kind in scripts:
            wrk(port, scripts[kind], arguments.connections, 3)
        for busy in (False, True):
            stop = multiprocessing.get_context("spawn").Event()
            writer = multiprocessing.get_context("spawn").Process(target=rebuild, args=(str(folder), port, stop))
            before = version(port)
            if busy:
                writer.start()
                time.sleep(5)
            for kind, script in scripts.items():
                used = processor_seconds(server.pid)
                told = wrk(port, script, arguments.connections, arguments.seconds)
                used = processor_seconds(server.pid) - used
                told |= {"connections": arguments.connections, "processor_us": round(used / told["requests"] * 1e6)}
                what = f"{kind}, while a version is written" if busy else kind
                rate, limit = TARGETS.get(kind, ("", ""))
                add(f"{what}: requests", round(told["requests_per_second"]), "a second", rate, **told)
                add(f"{what}: p99", told["p99_ms"], "ms", limit, **told)
            sizes = memory(server.pid)
            what = "memory, while a version is written" if busy else "memory"
            add(what, sizes["resident_mb"], "MB", "<= 300", **sizes)
            if busy:
                found[-1].detail["taken_up_meanwhile"] = version(port) != before
                stop.set()
                writer.join()
    finally:
        server.terminate()
        server.wait(60)
    return found


def await_health(port: int) -> None:
    for _ in range(6_000):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("the server did not start")


def version(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
        return json.load(answer)["versions"][CATEGORY]


def lua(folder: Path, n: int) -> dict[str, Path]:
    """wrk's scripts: random products, the same ones with rules, baskets of five, and new products."""
    random_id = f'string.format("B%09d", math.random(0, {n - 1}))'
    bodies = {
        "lists": f'return wrk.format("GET", "/v1/{CATEGORY}/products/" .. {random_id} .. "/goes-with?k=20")',
        "lists with rules": f'return wrk.format("GET", "/v1/{CATEGORY}/products/" .. {random_id} .. '
        '"/similar?k=10&price_to=50&max_per_brand=1&not_categories=Shelf%207")',
        "baskets": "local ids = {} for i = 1, 5 do ids[i] = '\"' .. " + random_id + " .. '\"' end "
        f'return wrk.format("POST", "/v1/{CATEGORY}/basket", nil, '
        "'{\"products\":[' .. table.concat(ids, ',') .. ']}')",
        "new products": f'return wrk.format("POST", "/v1/{CATEGORY}/new-product", nil, string.format('
        '\'{"brand":"Brand %d","categories":["Shelf %d"]}\', math.random(0, 4999), math.random(0, 299)))',
    }
    scripts = {}
    for name, body in bodies.items():
        scripts[name] = folder / f"{name.replace(' ', '-')}.lua"
        scripts[name].write_text(f"math.randomseed(os.time())\nfunction request() {body} end\n")
    return scripts


_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def wrk(port: int, script: Path, connections: int, seconds: int) -> dict:
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    text = subprocess.run([*command, f"http://127.0.0.1:{port}"], check=True, capture_output=True, text=True).stdout
    found = {}
    for share in ("50", "99"):
        value, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)", text).groups()
        found[f"p{share}_ms"] = round(float(value) * _UNITS[unit], 2)
    found["requests_per_second"] = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    found["requests"] = int(re.search(r"(\d+) requests in", text)[1])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: (.*)", text)
    return found | {"failed": int(failed[1]) if failed else 0, "socket_errors": sockets[1] if sockets else ""}


def processor_seconds(pid: int) -> float:
    """Of the server alone, which other programs on the machine do not change."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> dict:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    mega = {name: int(size) / 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    private = mega["Private_Clean"] + mega["Private_Dirty"]
    return {
        "anonymous_mb": round(mega["Anonymous"]), "private_mb": round(private), "resident_mb": round(mega["Rss"]),
    }  # fmt: skip


if __name__ == "__main__":
    main()
