"""How fast the explorer's search answers, and what its index costs.

    python -P benchmarks/search.py                   # 2,000,000 products
    python -P benchmarks/search.py --products 420000

Titles have 6 to 17 words, drawn by Zipf's law from a vocabulary that grows with the catalogue; brands come from the
same words, and ids are unlike each other. Each query is asked three times without the cache; the fastest counts. One
JSON line is printed. With -P, Python does not take benchmarks/explorer.py for the explorer.
"""

import argparse
import json
import resource
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer.search.product_index import ProductIndex

LETTERS = "etaoinshrdlucmfwypvbgkjqxz0123456789"
KNOWN = ["shampoo", "helmet", "nightstick", "night", "stick", "red"]
"""The most frequent words."""
QUERIES = [
    "r", "red", "the", "shampoo", "shampo", "nightstick", "night stick", "nightstickshampoo", "red helmet", "shamppo",
    "hemlet", "helmet shamppo", "B000123", "000", "zzzzqq", "qqqqzz xxyyq", "shelf 7", "red night stick helmet shampoo",
]  # fmt: skip


def catalogue(n: int, rng: np.random.Generator) -> pa.Table:
    """Products with titles, brands, categories and ids."""
    size = max(20_000, n // 4)
    lengths = rng.integers(2, 10, size)
    weight = np.r_[np.linspace(12, 0.5, 26), np.full(10, 0.3)]
    drawn = "".join(rng.choice(list(LETTERS), lengths.sum(), p=weight / weight.sum()))
    ends = np.cumsum(lengths)
    words = [drawn[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    words[: len(KNOWN)] = KNOWN
    cumulative = np.cumsum(1 / np.arange(1, size + 1) ** 0.9)
    counts = rng.integers(6, 18, n)
    codes = np.searchsorted(cumulative, rng.random(counts.sum()) * cumulative[-1]).clip(0, size - 1)
    vocabulary = pa.array(words, pa.string())
    offsets = pa.array(np.r_[0, np.cumsum(counts)], pa.int32())
    shelves = [["Beauty", f"Department {i % 20}", f"Shelf {i} {words[i * 7]}"] for i in range(800)]
    return pa.table(
        {
            "product_id": [f"B{i:09d}" for i in np.sort(rng.choice(10**9, n, replace=False)).tolist()],
            "title": pc.binary_join(pa.ListArray.from_arrays(offsets, vocabulary.take(pa.array(codes))), " "),
            "brand": vocabulary.take(pa.array(rng.integers(0, min(size, 100_000), n))),
            "categories": pa.array(shelves, pa.list_(pa.string())).take(pa.array(rng.integers(0, 800, n))),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=2_000_000)
    n = parser.parse_args().products
    rng = np.random.default_rng(1)
    index = ProductIndex(catalogue(n, rng), (1e5 / (1 + rng.permutation(n))).astype(int))
    start = time.perf_counter()
    index.build_search()
    built = time.perf_counter() - start
    milliseconds = {}
    for query in QUERIES:
        times = []
        for limit in (20, 21, 22):  # which the cache does not know
            start = time.perf_counter()
            index.find(query, limit)
            times.append(1e3 * (time.perf_counter() - start))
        milliseconds[query] = round(min(times), 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"products": n, "build_seconds": round(built, 1), "peak_gb": round(peak, 2), "ms": milliseconds}))


if __name__ == "__main__":
    main()
