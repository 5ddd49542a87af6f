"""The next purchase of each customer, by our model and by simple ones, beside published figures, as a Markdown table.

    python benchmarks/customers.py --data data/raw [--validation]

The folder holds ``events_Beauty.csv.gz`` (``user_id, product_id, event``: purchases of 22,363 customers in order) and
``meta_Beauty.json.gz`` (brand and categories). The last event of each customer is held out; models learn from the
others. The scores of all products rank the held-out one, with the products of the customer's history left out; of equal
scores that of the smaller number is first. With ``--validation`` the last event but one is held out instead, and the
last one is not used at all: this is what the settings were chosen on.

The co-purchase lists of ``meta_Beauty`` were crawled after these events and so know the future. No row uses them.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import scipy.sparse as sp
from experiments import markdown
from scipy.linalg import lapack

from core.catalog import read_catalog
from core.catalog.sources.source import Source
from core.customers.config import CustomersConfig
from core.models.next_purchase.config import NextPurchaseConfig
from core.models.next_purchase.train import purchase_matrix
from core.models.next_purchase.transitions import damped, transitions

K = 10
RIDGE = 100.0
PUBLISHED = (("SASRec", 0.060), ("TIGER", 0.065), ("ActionPiece", 0.078))
"""HR@10 on this data set as these papers' authors or successors report it. They also hold out the last event of each
customer and rank all products."""

Scores = Callable[[sp.csr_matrix], np.ndarray]


class Events:
    """Events by customer and time, cut before the held-out one."""

    def __init__(self, folder: Path, held_out: int) -> None:
        """``held_out`` is 1 for the last event, 2 for the last but one."""
        table = pcsv.read_csv(folder / "events_Beauty.csv.gz").sort_by(
            [("user_id", "ascending"), ("event", "ascending")]
        )
        self.products = pc.unique(table["product_id"]).sort()
        customer = np.asarray(table["user_id"].combine_chunks().dictionary_encode().indices)
        node = np.asarray(pc.index_in(table["product_id"], value_set=self.products).combine_chunks()).astype(np.int32)
        ends = np.append(np.flatnonzero(np.diff(customer)), len(customer) - 1)
        age = ends[customer] - np.arange(len(customer)) - held_out
        known = age >= 0
        self.customer, self.node, self.age = customer[known], node[known], age[known]
        self.target = node[ends - held_out + 1]
        self.shape = (len(ends), len(self.products))
        self.popularity = np.bincount(self.node, minlength=self.shape[1])

    def histories(self, recency: float = 1.0) -> sp.csr_matrix:
        """float32 CSR ``[customers, products]``: recency ** (number of events since)."""
        return sp.csr_matrix((recency**self.age, (self.customer, self.node)), self.shape, dtype=np.float32)

    def measure(self, scores: Scores, recency: float = 1.0) -> tuple[float, float]:
        """HR@10 and NDCG@10."""
        histories, rank = self.histories(recency), np.empty(self.shape[0])
        for first in range(0, len(rank), 1024):
            block = histories[first : first + 1024]
            row, target = np.arange(block.shape[0]), self.target[first : first + 1024]
            value = np.array(scores(block), dtype=np.float32)
            value[block.nonzero()] = -np.inf
            ours = value[row, target][:, None]
            before = (value > ours) | ((value == ours) & (np.arange(self.shape[1]) < target[:, None]))
            # A product that the customer has already is never ranked.
            rank[first : first + 1024] = np.where(np.isfinite(ours[:, 0]), before.sum(axis=1), K)
        hit = rank < K
        return float(hit.mean()), float(np.where(hit, 1 / np.log2(rank + 2), 0).mean())


def metadata(folder: Path, products: pa.Array) -> pa.Table:
    """Brand and categories in the order of the products."""
    catalog = read_catalog(Source("meta_Beauty.json.gz", "mcauley"), folder, folder)
    row = pc.index_in(products, value_set=catalog.products["product_id"].combine_chunks())
    return catalog.products.take(row).set_column(
        catalog.products.schema.get_field_index("product_id"), "product_id", products
    )


def cosine(events: Events) -> sp.csr_matrix:
    bought = events.histories()
    scale = sp.diags(1 / np.sqrt(np.maximum(events.popularity, 1)))
    matrix = (scale @ (bought.T @ bought) @ scale).tolil()
    matrix.setdiag(0)
    return matrix.tocsr().astype(np.float32)


def ease(events: Events) -> np.ndarray:
    """Embarrassingly shallow autoencoder (Steck, WWW 2019): -P / diag(P), P the inverse of XᵀX + ridge."""
    bought = events.histories()
    gram = np.asfortranarray((bought.T @ bought).toarray() + RIDGE * np.eye(events.shape[1], dtype=np.float32))
    factor, _ = lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.ascontiguousarray(weights)


def next_purchase(events: Events, products: pa.Table | None, threads: int) -> sp.csr_matrix:
    """The registry's model with its default settings; without products it has no metadata to spread counts by."""
    config = NextPurchaseConfig()
    counts = transitions(events.customer, events.node, events.shape[1], config.window, config.decay, config.backward)
    if products is None:
        return damped(counts, events.popularity, config.source_power, config.target_power)
    return purchase_matrix(counts, events.popularity, products, config, threads)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path("data/raw"))
    arguments.add_argument("--validation", action="store_true")
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    events = Events(given.data, 2 if given.validation else 1)
    products = metadata(given.data, events.products)
    next_purchase(events, products, given.threads)  # compiles
    recency = CustomersConfig().recency
    popularity = events.popularity.astype(np.float32)
    rows = []
    for name, train, recencies in (
        ("popularity", lambda: None, (1.0,)),
        ("item-kNN, cosine", lambda: cosine(events), (1.0, 0.6)),
        ("EASE", lambda: ease(events), (1.0, 0.7)),
        ("**next_purchase**, without metadata", lambda: next_purchase(events, None, given.threads), (recency,)),
        ("**next_purchase**", lambda: next_purchase(events, products, given.threads), (recency,)),
    ):
        started = time.perf_counter()
        matrix = train()
        seconds = time.perf_counter() - started
        for power in recencies:
            hit_rate, ndcg = events.measure(_scores(matrix, popularity), power)
            shown = name if power == 1 else f"{name}, recency {power:g}"
            rows.append([shown, f"{hit_rate:.4f}", f"{ndcg:.4f}", f"{seconds:.1f}"])
    rows += [[f"{name} (published)", f"≈ {value:.3f}", "–", "–"] for name, value in PUBLISHED]
    print(markdown(("model", "HR@10", "NDCG@10", "seconds of training"), rows))


def _scores(matrix: sp.csr_matrix | np.ndarray | None, popularity: np.ndarray) -> Scores:
    def scores(histories: sp.csr_matrix) -> np.ndarray:
        if matrix is None:
            return np.tile(popularity, (histories.shape[0], 1))
        product = histories @ matrix
        return product.toarray() if sp.issparse(product) else product

    return scores


if __name__ == "__main__":
    main()
