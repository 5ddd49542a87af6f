"""How fast catalogues are read: ours against ast.literal_eval and against bare orjson.

    python benchmarks/parse.py [--data ../shared/data] [--repeats 5] [--out FILE]

Four things are timed in turn, one thread, over each file that is there: ``catalog`` (the whole of
``read_catalog``: decompression, parsing, cleaning, columns), ``parse_literal`` (lines to dicts), and for comparison
``ast.literal_eval`` or ``orjson.loads`` (lines to dicts, nothing else). What counts is processor time, all threads
together, and the turns are interleaved, so that a busy machine slows all of them alike; medians are reported.
``synthetic`` stands for the 2014 release as published: titles, descriptions, prices and ranks, every third title with
an apostrophe, so that Python wrote it in double quotes.
"""

import argparse
import ast
import gzip
import json
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from core.catalog import Source, read_catalog
from core.catalog.literals import parse_literal

ROOT = Path(__file__).resolve().parents[1]
WORDS = "wireless charger cable adapter stand case for phone tablet premium black quick portable dual mount"
LITERAL_EVAL_LINES = 1000  # it is slow, and its rate does not depend on their number


def synthetic(path: Path, lines: int = 12_000) -> None:
    """Write lines like those of the 2014 release of a whole category."""
    rng = random.Random(1)
    words = WORDS.split()
    with gzip.open(path, "wt", compresslevel=1) as file:
        for i in range(lines):
            title = " ".join(rng.choices(words, k=9)).title() + (" - Men's" if i % 3 == 0 else "")
            related = {
                kind: [f"B{int(rng.random() ** 3 * 10**5):09d}" for _ in range(rng.randrange(size))]
                for kind, size in (("also_bought", 80), ("also_viewed", 40), ("bought_together", 4))
            }
            description = " ".join(rng.choices(words, k=60)) + (" 5\" screen, it's new" if i % 10 == 0 else "")
            record = {
                "asin": f"B{i:09d}",
                "title": title,
                "price": rng.randrange(10**4) / 100,
                "imUrl": f"http://ecx.images-amazon.com/images/I/{i}.jpg",
                "description": description,
                "related": related,
                "salesRank": {"Electronics": rng.randrange(1, 10**6)},
                "brand": rng.choice(words).title(),
                "categories": [["Electronics", "Accessories & Supplies", rng.choice(words).title()]],
            }
            file.write(f"{record!r}\n")


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def measure(path: Path, repeats: int) -> dict[str, float]:
    """Lines per second of each contender, medians over interleaved repeats."""
    with gzip.open(path) as file:
        lines = file.read().splitlines()
    is_json = lines[0].startswith(b'{"')
    contenders: dict[str, tuple[int, Callable[[], object]]] = {
        "catalog": (len(lines), lambda: read_catalog(Source(str(path)), path.parent, path.parent)),
        "parse_literal": (len(lines), lambda: [None for line in lines if parse_literal(line) is None]),
    }
    if is_json:
        contenders["orjson"] = (len(lines), lambda: [None for line in lines if orjson.loads(line) is None])
    else:
        few = [line.decode() for line in lines[:: max(1, len(lines) // LITERAL_EVAL_LINES)]]
        contenders["ast.literal_eval"] = (len(few), lambda: [None for line in few if ast.literal_eval(line) is None])
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, (count, work) in contenders.items():
            rates[name].append(count / seconds(work))
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of meta_*.json.gz")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="append the result to this file as one line of JSON")
    options = parser.parse_args()

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "synthetic.json.gz"
        synthetic(made)
        for path in [*sorted(options.data.glob("meta_*.json.gz")), made]:
            rates = measure(path, options.repeats)
            results[path.name] = {name: round(rate) for name, rate in rates.items()}
            yardstick = next(name for name in rates if name in ("orjson", "ast.literal_eval"))
            print(path.name)
            for name, rate in rates.items():
                print(f"  {name:17} {rate:10,.0f} lines/s {rate / rates[yardstick]:7.2f} x {yardstick}")
    if options.out:
        record = {
            "benchmark": "parse",
            "lines_per_second": results,
            "repeats": options.repeats,
            "python": platform.python_version(),
            "machine": platform.machine(),
        }
        with options.out.open("a") as file:
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
