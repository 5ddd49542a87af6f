"""How fast catalogues are read and made into a graph, beside ast.literal_eval and bare orjson.

    python benchmarks/parse.py [--data ../shared/data]
    python benchmarks/parse.py --pairs 26500000 --products 2000000

Per file that is there, in turn, on one thread: ``catalog`` (the whole of ``read_catalog``: decompression, parsing,
cleaning, columns), ``parse_literal`` (lines to values), and for comparison ``ast.literal_eval`` or ``orjson.loads``
(lines to values, nothing else). ``synthetic`` stands for the 2014 release as published: titles, descriptions, prices
and ranks, every third title with an apostrophe, so that Python wrote it in double quotes. Then a relationships table of
--pairs listings between string ids is read from Parquet and made into pairs and the graph (CSR), in a process of its
own.
"""

import argparse
import ast
import gzip
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson
from measurements import Measurement, Run, in_process, parser, peak_gb, report, spread

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


def rate(work: Callable[[], int]) -> float:
    """Lines per second; ``work`` says how many it read."""
    started = time.perf_counter()
    lines = work()
    return lines / (time.perf_counter() - started)


def read_file(path: Path, rounds: int) -> list[Measurement]:
    """Everything about one file."""
    with gzip.open(path) as file:
        lines = file.read().splitlines()
    few = [line.decode() for line in lines[:: max(1, len(lines) // LITERAL_EVAL_LINES)]]
    yardstick = "orjson" if lines[0].startswith(b'{"') else "ast.literal_eval"

    def catalog() -> int:
        read_catalog(Source(str(path)), path.parent, path.parent)
        return len(lines)

    contenders: dict[str, Callable[[], int]] = {
        "catalog": catalog,
        "parse_literal": lambda: len([line for line in lines if parse_literal(line) is not None]),
        "orjson": lambda: len([line for line in lines if orjson.loads(line) is not None]),
        "ast.literal_eval": lambda: len([line for line in few if ast.literal_eval(line) is not None]),
    }
    rates: dict[str, list[float]] = {name: [] for name in ("catalog", "parse_literal", yardstick)}
    for _ in range(rounds):
        for name, values in rates.items():
            values.append(rate(contenders[name]))
    data = f"{path.name}, {len(lines):,} lines"
    parsing = list(zip(rates["parse_literal"], rates[yardstick], strict=True))
    found = [spread("reading", data, "whole catalogue", [value / 1e3 for value in rates["catalog"]], "k lines/s")]
    if yardstick == "orjson":
        slower = [theirs / ours for ours, theirs in parsing]
        found.append(spread("reading", data, "lines to values, time by that of orjson", slower, "x", "<= 1.5"))
    else:
        faster = [ours / theirs for ours, theirs in parsing]
        found.append(spread("reading", data, "lines to values, against ast.literal_eval", faster, "x"))
    if path.name.startswith("synthetic"):
        whole = [500_000 / value for value in rates["catalog"]]
        found.append(spread("reading", data, "whole catalogue, for 500,000 lines", whole, "s", "<= 30"))
    return found


def listings(path: Path, products: int, pairs: int) -> None:
    """Write a relationships table between string ids, with places."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from walks import synthetic_graph

    from core.arrays import run_starts
    from core.catalog.tables import relationships_table
    from core.relationships import KINDS

    source, target, _ = synthetic_graph(products, pairs)
    kind = np.random.default_rng(1).integers(0, len(KINDS), len(source)).astype(np.int8)
    lists = source.astype(np.int64) * len(KINDS) + kind
    order = np.argsort(lists, kind="stable")  # as a source has them: list by list
    starts = np.flatnonzero(run_starts(lists[order]))
    place = np.arange(len(lists)) - np.repeat(starts, np.diff(np.r_[starts, len(lists)])) + 1
    ids = pa.array([f"B{i:09d}" for i in range(products)])
    columns = (part[order] for part in (source, target, kind))
    pq.write_table(relationships_table(ids, *columns, KINDS, None, place=place.astype(np.int32)), path)


def to_graph(path: Path) -> Run:
    """Read a relationships table and make the graph of it, in this process."""
    import pyarrow.parquet as pq

    from core.catalog.tables import PRODUCTS
    from core.graph import build_graph
    from core.pairs import build_pairs

    started = time.perf_counter()
    pairs = build_pairs(PRODUCTS.empty_table(), pq.read_table(path))
    graph = build_graph(len(pairs.products), pairs.source, pairs.target, pairs.weight)
    seconds = time.perf_counter() - started
    return {"rate": len(pairs.source) / seconds, "seconds": seconds, "peak_gb": peak_gb(), "products": graph.n_nodes}


def build(products: int, pairs: int, rounds: int) -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "relationships.parquet"
        listings(path, products, pairs)
        runs = [in_process(sys.executable, __file__, "--to-graph", path) for _ in range(rounds)]
    data = f"synthetic, {products:,} products, {pairs:,} pairs"
    seconds, peak = ([run[key] for run in runs] for key in ("seconds", "peak_gb"))
    return [
        spread("reading", data, "listings between string ids to CSR", seconds, "s", "<= 60"),
        spread("reading", data, "listings to CSR, peak memory", peak, "GB", "<= 8"),
    ]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of meta_*.json.gz")
    options.add_argument("--products", type=int, default=420_000)
    options.add_argument("--pairs", type=int, default=4_000_000)
    options.add_argument("--graph-only", action="store_true", help="leave the files out")
    options.add_argument("--to-graph", type=Path, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.to_graph:
        print(json.dumps(to_graph(args.to_graph)))
        return
    found = build(args.products, args.pairs, args.rounds)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "synthetic.json.gz"
        synthetic(made)
        for path in [] if args.graph_only else [*sorted(args.data.glob("meta_*.json.gz")), made]:
            found += read_file(path, args.rounds)
    report(found, args.out)


if __name__ == "__main__":
    main()
