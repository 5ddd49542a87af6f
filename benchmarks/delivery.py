"""Delivery of the lists of 2,000,000 products, 20 entries each, to files, PostgreSQL and Redis on this machine.

    python benchmarks/delivery.py                                  # 2,000,000 products
    python benchmarks/delivery.py --products 100000 --only redis   # a try

Random lists are stored once. Every delivery runs in a process of its own, which maps them from the store, so that its
peak memory is its own; it counts what is resident, pages of the memory-mapped lists included. The servers are fresh
ones with the settings of Debian's packages: PostgreSQL writes to the disk (fsync), Redis keeps everything in memory.
The lists are delivered twice, the second time over the first, and then put back.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from measurements import Measurement, parser, report  # noqa: E402

from core.categories import Category  # noqa: E402
from core.delivery.config import parse_publish  # noqa: E402
from core.delivery.place import Shipment, deliver  # noqa: E402
from core.delivery.publish import place_of  # noqa: E402
from core.progress import silent  # noqa: E402
from core.recommendations import Recommendations  # noqa: E402
from core.store import Store  # noqa: E402

CATEGORY = "benchmark"
PLACES = ("files", "postgresql", "redis")


def lists(products: int, k: int, seed: int = 0) -> Recommendations:
    """Random lists of every product in one slot."""
    rng = np.random.default_rng(seed)
    ids = pa.array([f"B{i:09d}" for i in range(products)])
    nodes = rng.integers(0, products, (products, k), dtype=np.int32)
    scores = np.sort(rng.random((products, k), dtype=np.float32), axis=1)[:, ::-1].copy()
    return Recommendations(
        pa.table({"product_id": ids}),
        {"goes_with": nodes}, {"goes_with": scores}, {"goes_with": np.ones((products, k), np.uint8)},
    )  # fmt: skip


def one(place: str, folder: str) -> None:
    """Deliver twice and put back, in this process; prints a JSON line."""
    publish = {
        "files": {"files": {"url": f"{folder}/files"}},
        "postgresql": {"postgresql": {"url_env": "BENCHMARK_URL"}},
        "redis": {"redis": {"url_env": "BENCHMARK_URL"}},
    }[place]
    category = Category(CATEGORY, CATEGORY, "sample", publish=parse_publish("publish", publish))
    recommendations = Store(folder).read("recommendations", CATEGORY)
    target = place_of(category, place)
    receipts = [deliver(target, Shipment(CATEGORY, recommendations, digest), silent) for digest in ("first", "second")]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.monotonic()
    target.put_back()
    print(
        json.dumps(
            {
                "place": place,
                "rows": receipts[0].rows,
                "first_s": receipts[0].info["seconds"],
                "second_s": receipts[1].info["seconds"],
                "put_back_s": round(time.monotonic() - started, 3),
                "peak_mb": round(peak),
                "problems": [receipt.problem for receipt in receipts if receipt.problem],
            }
        )
    )


def measured(place: str, folder: str, url: str) -> dict[str, object]:
    """What a process that delivers to a place says."""
    environment = os.environ | {"BENCHMARK_URL": url}
    command = [sys.executable, __file__, "--one", place, "--folder", folder]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--products", type=int, default=2_000_000)
    options.add_argument("--k", type=int, default=20)
    options.add_argument("--only", nargs="+", choices=PLACES, default=PLACES)
    options.add_argument("--one", choices=PLACES, help=argparse.SUPPRESS)
    options.add_argument("--folder", help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.one:
        one(args.one, args.folder)
        return
    import psycopg
    import redis

    from tests import postgres, redis_server

    measurements = []
    with tempfile.TemporaryDirectory(prefix="delivery-") as folder:
        Store(folder).write("recommendations", CATEGORY, lists(args.products, args.k))
        for place in args.only:
            if place == "postgresql":
                with postgres.server(fsync="on") as variables:
                    url = postgres.url(variables)
                    found = measured(place, folder, url)
                    with psycopg.connect(url) as connection:
                        size = "SELECT pg_total_relation_size(c.inhrelid) FROM pg_inherits c"
                        found["server_mb"] = round(connection.execute(size).fetchone()[0] / 1e6)
            elif place == "redis":
                with redis_server.server() as url:
                    found = measured(place, folder, url)
                    memory = redis.Redis.from_url(url).info("memory")
                    found["server_mb"] = round(memory["used_memory"] / 1e6)
                    found["server_peak_mb"] = round(memory["used_memory_peak"] / 1e6)
            else:
                found = measured(place, folder, "")
                found["server_mb"] = round(
                    sum(f.stat().st_size for f in Path(folder, "files").rglob("*") if f.is_file()) / 2e6
                )
            print(json.dumps(found), flush=True)
            measurements += _measurements(found, args.products, args.k)
    report(measurements, args.out)


def _measurements(found: dict[str, Any], products: int, k: int) -> list[Measurement]:
    data, place = f"{products:,} products × {k}", found["place"]
    if found["problems"]:
        raise SystemExit(f"{place}: {'; '.join(found['problems'])}")
    target = "" if place == "files" else "<= 180"
    low, high = sorted((found["first_s"], found["second_s"]))
    return [
        Measurement("delivery", data, f"{place}: time", (low + high) / 2, "s", target, low, high, found),
        Measurement("delivery", data, f"{place}: previous version put back", found["put_back_s"], "s", "<= 1"),
        Measurement("delivery", data, f"{place}: peak memory", found["peak_mb"] / 1000, "GB"),
    ]


if __name__ == "__main__":
    main()
