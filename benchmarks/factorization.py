"""How fast matrix factorization learns from pairs, beside skip-gram and the article's design.

    python benchmarks/factorization.py                           # synthetic catalogue of 50,000 products
    python benchmarks/factorization.py --nodes 420000 --rounds 1

What is counted is what all of them learn from: a product with another that it belongs to (center and context), each
with the same number of negatives in the objective. A pair of products is two of these, for both of its products are
drawn together and held against negatives; of a walk these are the two ways of every two places within the window, whose
reach is drawn, so that their number is the expected one. The rate counts the whole call, from pairs or walks in memory
to the vectors, with the epochs of each: a pass over the walks holds many more pairs than one over the pairs.

Contenders run in processes of their own, in interleaved rounds. ROC-AUC is that of held-out pairs against as many
uniform negatives, all of products seen in training, by each model's own score.

``article`` re-creates the article's design (a Dataset of pairs, a DataLoader, nn.Embedding(sparse=True), negatives
drawn per pair, autograd and SparseAdam) on a small share of the pairs; its ROC-AUC says nothing about the design.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measurements import (
    Measurement,
    Run,
    in_process,
    interleaved,
    parser,
    peak_gb,
    report,
    spread,
    summary,
    turns,
    versions,
)
from word2vec import DIM, NEGATIVES, REPEAT_SECONDS, WINDOW, article_epoch, make_data

from core.interfaces import TrainedModel

ARTICLE_PAIRS = 5_000
ON_WALKS: dict[str, dict[str, Any]] = {
    "skipgram": {"epochs": 1, "learning_rate": 0.045},  # as in word2vec
    "matrix_factorization_sequences": {"epochs": 1, "learning_rate": 0.02},
}
"""Settings of those that learn from walks; epochs on pairs are ``--epochs``."""
CONTENDERS = [
    "skipgram",
    "matrix_factorization",
    "matrix_factorization_bias",
    "matrix_factorization_sequences",
    "article",
]
TARGET = ">= 0.5"
"""Share of skip-gram's rate that matrix factorization shall reach."""

Data = dict[str, np.ndarray]


def ours(name: str, data: Data, epochs: int, threads: int) -> tuple[TrainedModel, float]:
    """Train a model of the registry; its vectors and how many positive pairs it learned from, both ways counted."""
    from core.graph import build_graph
    from core.interfaces import Inputs, TrainContext
    from core.models import MODELS

    n_nodes, walks, train = int(data["n_nodes"]), data["walks"], data["train"]
    graph = build_graph(n_nodes, train[:, 0], train[:, 1], np.ones(len(train), np.float32))
    entry = MODELS[name]
    settings = ON_WALKS.get(name, {"epochs": epochs})
    config = entry.config_class(dim=DIM, negatives=float(NEGATIVES), **settings)
    trained = entry.fit(Inputs(n_nodes=n_nodes, graph=graph, walks=walks), config, TrainContext(threads=threads))
    per_epoch = expected_pairs(walks) if name in ON_WALKS else 2 * len(train)
    return trained, per_epoch * config.epochs


def expected_pairs(walks: np.ndarray) -> float:
    """Centers with contexts in the walks where the reach is drawn from 1..window."""
    lengths = (walks >= 0).sum(axis=1)
    at_distance = (2 * np.maximum(lengths - d, 0).sum() * (WINDOW + 1 - d) / WINDOW for d in range(1, WINDOW + 1))
    return float(sum(at_distance))


def article(data: Data, threads: int) -> tuple[TrainedModel, float]:
    """One epoch on a share of the pairs."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    n_nodes, train = int(data["n_nodes"]), data["train"]
    cumulative = np.cumsum(np.bincount(train.ravel(), minlength=n_nodes) ** 0.75)
    share = train[rng.choice(len(train), min(ARTICLE_PAIRS, len(train)), replace=False)]
    both = np.concatenate([share, share[:, ::-1]])

    class Pairs(Dataset):
        def __len__(self) -> int:
            return len(both)

        def __getitem__(self, index: int) -> tuple[int, int]:
            return int(both[index, 0]), int(both[index, 1])

    def collate(items: list[tuple[int, int]]) -> tuple[Any, Any, Any]:
        pairs = torch.tensor(items)
        draws = np.searchsorted(cumulative, rng.random((len(pairs), NEGATIVES)) * cumulative[-1])
        return pairs[:, 0], pairs[:, 1], torch.from_numpy(draws)

    vectors = torch.nn.Embedding(n_nodes, DIM, sparse=True)
    torch.nn.init.normal_(vectors.weight, std=0.02)
    article_epoch(vectors, vectors, DataLoader(Pairs(), batch_size=128, shuffle=True, collate_fn=collate))
    seen = np.bincount(train.ravel(), minlength=n_nodes) > 0
    return TrainedModel("matrix_factorization", seen, vectors.weight.detach().numpy()), len(both)


def contend(name: str, file: Path, epochs: int, threads: int) -> Run:
    """Run one contender in this process, warmed up on a few walks and pairs."""
    with np.load(file) as arrays:
        data = dict(arrays)

    def work(given: Data, passes: int) -> tuple[TrainedModel, float]:
        return article(given, threads) if name == "article" else ours(name, given, passes, threads)

    work(data | {"walks": data["walks"][:200], "train": data["train"][:200]}, 1)
    rates = []
    for _ in turns(REPEAT_SECONDS):
        started = time.perf_counter()
        trained, pairs = work(data, epochs)
        rates.append(pairs / (time.perf_counter() - started))
    peak = peak_gb()
    return {
        "rate": statistics.median(rates),
        "peak_gb": peak,
        "auc": auc(trained, data, threads),
        "pairs": pairs,
        "threads": threads,
        "versions": versions("numpy", "numba", "torch"),
    }


def auc(trained: TrainedModel, data: Data, threads: int) -> float:
    """ROC-AUC over pairs of seen products, by the model's last scoring (native, or center with context)."""
    from sklearn.metrics import roc_auc_score

    from core.interfaces import CENTER_CONTEXT, NATIVE
    from core.models import MODELS
    from core.scoring.factory import scorer

    model = MODELS[trained.model]
    one = scorer(model, trained, NATIVE if NATIVE in model.scorings else CENTER_CONTEXT, threads)
    parts = [data[part][one.seen[data[part]].all(axis=1)] for part in ("positive", "negative")]
    scores = [one.score_pairs(*part.T.astype(np.int32)) for part in parts]
    return float(roc_auc_score(np.repeat([1, 0], [len(part) for part in parts]), np.concatenate(scores)))


def measurements(runs: dict[str, list[Run]], data: str) -> list[Measurement]:
    found = []
    for name, own in runs.items():
        rates = [run["rate"] / 1e6 for run in own]
        found.append(spread("factorization", data, f"{name}, pairs per second", rates, "M/s", ours=summary(own)))
        if name != "skipgram" and "skipgram" in runs:
            share = [one["rate"] / other["rate"] for one, other in zip(own, runs["skipgram"], strict=True)]
            target = "" if name == "article" else TARGET
            found.append(spread("factorization", data, f"{name}, by the rate of skip-gram", share, "x", target))
        if name != "article":
            found.append(spread("factorization", data, f"{name}, ROC-AUC", [run["auc"] for run in own], ""))
    return found


def main() -> None:
    options = parser(__doc__, race=True)
    options.add_argument("--nodes", type=int, default=50_000, help="products of the synthetic catalogue")
    options.add_argument("--epochs", type=int, default=20, help="passes over the pairs")
    options.add_argument("--only", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    options.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.contender:
        print(json.dumps(contend(args.contender, args.data, args.epochs, args.threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.npz"
        make_data(file, args.nodes, args.threads)
        with np.load(file) as arrays:
            pairs, walks = len(arrays["train"]), len(arrays["walks"])
        data = f"synthetic, {args.nodes:,} products, {pairs:,} pairs, {walks:,} walks"

        def run(name: str) -> Run:
            given = ("--contender", name, "--data", file, "--epochs", args.epochs, "--threads", args.threads)
            return in_process(sys.executable, __file__, *given, threads=args.threads)

        report(measurements(interleaved(args.only, args.rounds, run, args.within), data), args.out)


if __name__ == "__main__":
    main()
