"""Order lines to product pairs, beside pandas, SciPy, DuckDB, mlxtend and rusket.

    python benchmarks/orders.py [--lines 3200000] [--peers --peer-python .venv-peers/bin/python] [--only ours duckdb]
    python benchmarks/orders.py --lines 32000000 --only ours scipy duckdb

Every contender counts how often each two products stand in one order, from the same arrays of order and product
numbers, and keeps the pairs that did so at least twice. Each run has a process of its own, and its time begins when the
arrays are in memory and ends when the counts are. The lines are synthetic: at 32 million the size of Instacart's data
set (3.2 million orders of 50,000 products), with products drawn by a power law and orders of up to 145 lines.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measurements import Measurement, Run, in_process, interleaved, parser, peak_gb, ratio, report, spread

PRODUCTS = 50_000
PEERS = {"pandas", "duckdb", "mlxtend", "rusket"}
MIN_COUNT = 2


def synthetic(path: Path, lines: int) -> None:
    """Write ``order`` (int64, ascending) and ``product`` (int32) of about that many lines."""
    rng = np.random.default_rng(0)
    size = np.minimum(rng.geometric(1 / 10, max(1, lines // 10)), 145)
    popularity = 1 / np.arange(1, PRODUCTS + 1) ** 0.8
    cumulative = np.cumsum(popularity / popularity.sum())
    product = np.searchsorted(cumulative, rng.random(int(size.sum()))).clip(0, PRODUCTS - 1).astype(np.int32)
    product = rng.permutation(PRODUCTS).astype(np.int32)[product]  # numbers say nothing about popularity
    np.savez(path, order=np.repeat(np.arange(len(size)), size), product=product)


def ours(order: np.ndarray, product: np.ndarray) -> tuple[int, int]:
    from core.orders.cooccurrence import count_cooccurrences
    from core.orders.lines import NONE, OrderLines, within_groups

    nothing = np.full(len(order), NONE)
    lines = OrderLines(product, order, nothing, nothing, np.zeros(len(order), np.int64), np.zeros(len(order), np.uint8))
    meetings, _ = within_groups(lines, order, 0.0, 1_000, 0.0)
    pairs = count_cooccurrences(meetings, PRODUCTS, MIN_COUNT)
    return len(pairs), int(pairs.count.sum(dtype=np.int64))


def scipy(order: np.ndarray, product: np.ndarray) -> tuple[int, int]:
    import scipy.sparse as sp

    matrix = sp.csr_matrix((np.ones(len(order), np.int32), (order, product)), shape=(order[-1] + 1, PRODUCTS))
    matrix.data[:] = 1
    counts = sp.triu((matrix.T.tocsr() @ matrix).tocsr(), k=1, format="csr").data
    kept = counts[counts >= MIN_COUNT]
    return len(kept), int(kept.sum(dtype=np.int64))


def pandas(order: np.ndarray, product: np.ndarray) -> tuple[int, int]:
    import pandas as pd

    frame = pd.DataFrame({"order": order, "product": product}).drop_duplicates()
    merged = frame.merge(frame, on="order")
    merged = merged[merged["product_x"] < merged["product_y"]]
    counts = merged.groupby(["product_x", "product_y"]).size()
    kept = counts[counts >= MIN_COUNT]
    return len(kept), int(kept.sum())


def duckdb(order: np.ndarray, product: np.ndarray) -> tuple[int, int]:
    import duckdb as db
    import pandas as pd

    frame = pd.DataFrame({"o": order, "p": product})  # noqa: F841 (DuckDB finds it by its name)
    connection = db.connect()
    connection.execute("SET threads = 2")
    counted = """
        WITH lines AS (SELECT DISTINCT o, p FROM frame)
        SELECT count(*), sum(n) FROM (
            SELECT a.p, b.p, count(*) AS n FROM lines a JOIN lines b ON a.o = b.o AND a.p < b.p GROUP BY 1, 2
        ) WHERE n >= 2
    """
    row = connection.execute(counted).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def mlxtend(order: np.ndarray, product: np.ndarray) -> tuple[int, int]:
    import pandas as pd
    import scipy.sparse as sp
    from mlxtend.frequent_patterns import fpgrowth

    matrix = sp.csr_matrix((np.ones(len(order), bool), (order, product)), shape=(order[-1] + 1, PRODUCTS))
    used = np.unique(product)
    table = pd.DataFrame.sparse.from_spmatrix(matrix[:, used], columns=[str(p) for p in used])
    found = fpgrowth(table, min_support=MIN_COUNT / len(table) - 1e-12, max_len=2)
    pairs = found[found["itemsets"].map(len) == 2]
    return len(pairs), int((pairs["support"] * len(table)).round().sum())


def rusket(order: np.ndarray, product: np.ndarray) -> tuple[int, int]:
    import pandas as pd
    import rusket as miner

    frame = pd.DataFrame({"order": order, "product": product})
    model = miner.FPGrowth.from_transactions(
        frame, transaction_col="order", item_col="product", min_support=MIN_COUNT / (order[-1] + 1), max_len=2
    )
    found = model.mine()
    pairs = found[found["itemsets"].map(len) == 2]
    return len(pairs), int((pairs["support"] * (order[-1] + 1)).round().sum())


CONTENDERS: dict[str, Callable[[np.ndarray, np.ndarray], tuple[int, int]]] = {
    "ours": ours, "scipy": scipy, "pandas": pandas, "duckdb": duckdb, "mlxtend": mlxtend, "rusket": rusket,
}  # fmt: skip


def contend(name: str, path: Path) -> Run:
    """One contender's run in this process; compiled code and imports are warm when the time begins."""
    with np.load(path) as arrays:
        order, product = arrays["order"], arrays["product"]
    few = order < 50
    CONTENDERS[name](order[few], product[few])
    started = time.perf_counter()
    pairs, meetings = CONTENDERS[name](order, product)
    seconds = time.perf_counter() - started
    return {
        "rate": len(order) / seconds, "seconds": seconds, "peak_gb": peak_gb(), "pairs": pairs, "meetings": meetings
    }  # fmt: skip


def main() -> None:
    options = parser(__doc__, race=True)
    options.add_argument("--lines", type=int, default=3_200_000)
    options.add_argument("--peers", action="store_true", help="with the contenders of the peers' environment")
    options.add_argument("--peer-python", default=sys.executable)
    options.add_argument("--only", nargs="+", choices=list(CONTENDERS))
    options.add_argument("--contender", help=argparse.SUPPRESS)
    options.add_argument("--arrays", type=Path, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.contender:
        print(json.dumps(contend(args.contender, args.arrays)))
        return
    names = args.only or [name for name in CONTENDERS if args.peers or name not in PEERS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.npz"
        synthetic(path, args.lines)

        def run(name: str) -> Run:
            python = args.peer_python if name in PEERS else sys.executable
            return in_process(python, __file__, "--contender", name, "--arrays", path)

        runs = interleaved(names, args.rounds, run, args.within)
    data = f"synthetic, {args.lines:,} order lines, {PRODUCTS:,} products"
    counted = {(one["pairs"], one["meetings"]) for made in runs.values() for one in made}
    if len(counted) > 1:
        raise SystemExit(f"the contenders counted differently: {counted}")
    large = args.lines >= 32_000_000
    found: list[Measurement] = []
    if "ours" in runs:
        own = runs["ours"]
        seconds, peak = [one["seconds"] for one in own], [one["peak_gb"] for one in own]
        found.append(spread("orders", data, "lines to pairs", seconds, "s", "<= 60" if large else ""))
        found.append(spread("orders", data, "peak memory", peak, "GB", "<= 8" if large else ""))
        found += [
            ratio("orders", data, f"rate by that of {name}", own[: len(made)], made, ">= 1")
            for name, made in runs.items() if name != "ours" and made
        ]  # fmt: skip
    report(found, args.out)


if __name__ == "__main__":
    main()
