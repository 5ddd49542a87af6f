"""How fast matrix factorization learns from pairs, beside skip-gram and the article's design.

    python benchmarks/factorization.py                           # synthetic catalogue of 50,000 products
    python benchmarks/factorization.py --nodes 300000 --rounds 1

What is counted is what all of them learn from: a product with another that it belongs to (center and context), each
with the same number of negatives in the objective. A pair of products is two of these, for both of its products are
drawn together and held against negatives; of a walk these are the two ways of every two places within the window, whose
reach is drawn, so that their number is the expected one. The rate counts the whole call, from pairs or walks in memory
to the vectors, with the epochs of each: a pass over the walks holds many more pairs than one over the pairs.

Contenders run in processes of their own, in interleaved rounds; medians are reported. ``undisturbed`` is what a
contender would reach if no other process took its cores from it: pairs x threads / CPU seconds. ROC-AUC is that of
held-out pairs against as many uniform negatives, all of products seen in training, by each model's own score.

``article`` re-creates the article's design (a Dataset of pairs, a DataLoader, nn.Embedding(sparse=True), negatives
drawn per pair, autograd and SparseAdam) on a small share of the pairs; its ROC-AUC says nothing about the design.

Belongs here: the contenders and the table; the data are those of ``word2vec``. Not here: anything the package uses.
"""

import argparse
import json
import platform
import resource
import statistics
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from contenders import Result, in_process, run
from word2vec import DIM, NEGATIVES, WINDOW, make_data

from core.models.base import Embeddings

ARTICLE_PAIRS = 5_000
ON_WALKS: dict[str, dict[str, Any]] = {
    "skipgram": {"epochs": 1, "learning_rate": 0.045},  # as in word2vec
    "matrix_factorization_sequences": {"epochs": 1, "learning_rate": 0.02},
}
"""Settings of those that learn from walks; ``--epochs`` are passes over the pairs."""
CONTENDERS = [
    "skipgram",
    "matrix_factorization",
    "matrix_factorization_bias",
    "matrix_factorization_sequences",
    "article",
]
TARGET = 0.5
"""Share of skip-gram's rate that matrix factorization on pairs shall reach."""

Data = dict[str, np.ndarray]


def ours(name: str, data: Data, epochs: int, threads: int) -> tuple[Embeddings, float]:
    """Train a model of the registry; its vectors and how many positive pairs it learned from, both ways counted."""
    from core.graph import build_graph
    from core.models import MODELS
    from core.models.base import Inputs, TrainContext

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


def article(data: Data, threads: int) -> tuple[Embeddings, float]:
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
    optimizer = torch.optim.SparseAdam(vectors.parameters(), lr=0.01)
    loader = DataLoader(Pairs(), batch_size=128, shuffle=True, collate_fn=collate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(loader))
    log_sigmoid = torch.nn.functional.logsigmoid
    for source, target, noise in loader:
        optimizer.zero_grad()
        rows = vectors(source)
        near = log_sigmoid((rows * vectors(target)).sum(1))
        far = log_sigmoid(-torch.bmm(vectors(noise), rows.unsqueeze(2)).squeeze(2)).sum(1)
        (-(near + far).mean()).backward()
        optimizer.step()
        schedule.step()
    seen = np.bincount(train.ravel(), minlength=n_nodes) > 0
    return Embeddings("matrix_factorization", seen, vectors.weight.detach().numpy()), len(both)


def contend(name: str, file: Path, epochs: int, threads: int) -> Result:
    """Run one contender in this process, warmed up on a few walks and pairs."""
    with np.load(file) as arrays:
        data = dict(arrays)

    def work(given: Data, passes: int) -> tuple[Embeddings, float]:
        return article(given, threads) if name == "article" else ours(name, given, passes, threads)

    work(data | {"walks": data["walks"][:200], "train": data["train"][:200]}, 1)
    wall, cpu = time.perf_counter(), time.process_time()
    trained, pairs = work(data, epochs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "pairs": pairs,
        "seconds": wall,
        "cpu_seconds": cpu,
        "rate": pairs / wall,
        "undisturbed": pairs * threads / cpu,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "auc": auc(trained, data, threads),
        "versions": {"python": platform.python_version()}
        | {package: metadata.version(package) for package in ("numpy", "numba", "torch")},
    }


def auc(trained: Embeddings, data: Data, threads: int) -> float:
    """ROC-AUC over pairs of seen products, by the model's last scoring (native, or center with context)."""
    from sklearn.metrics import roc_auc_score

    from core.models import MODELS
    from core.models.base import CENTER_CONTEXT, NATIVE
    from core.models.scorers import scorer

    model = MODELS[trained.model]
    one = scorer(model, trained, NATIVE if NATIVE in model.scorings else CENTER_CONTEXT, threads)
    parts = [data[part][one.seen[data[part]].all(axis=1)] for part in ("positive", "negative")]
    scores = [one.score_pairs(*part.T.astype(np.int32)) for part in parts]
    return float(roc_auc_score(np.repeat([1, 0], [len(part) for part in parts]), np.concatenate(scores)))


def race(args: argparse.Namespace, file: Path) -> None:
    """Run the rounds and print the table."""
    with np.load(file) as data:
        nodes, n_pairs, n_walks = int(data["n_nodes"]), len(data["train"]), len(data["walks"])
    print(f"{nodes:,} products, {n_pairs:,} pairs, {n_walks:,} walks, dim {DIM}, {args.threads} threads")
    runs: dict[str, list[Result]] = {name: [] for name in args.only}
    for _ in range(args.rounds):
        for name in args.only:
            runs[name].append(in_process(__file__, name, file, args.epochs, args.threads))

    def middle(name: str, key: str) -> float:
        return statistics.median(run[key] for run in runs[name])

    titles = ("M pairs/s", "undisturbed", "of skipgram", "spread", "ROC-AUC", "peak GB")
    print(f"{'':31}" + "".join(f"{title:>13}" for title in titles))
    for name in args.only:
        shares = [
            run["undisturbed"] / other["undisturbed"]
            for run, other in zip(runs[name], runs.get("skipgram", []), strict=False)
        ]
        share = statistics.median(shares) if shares else None
        cells = (
            f"{middle(name, 'rate') / 1e6:,.3f}",
            f"{middle(name, 'undisturbed') / 1e6:,.3f}",
            f"{share:.3f}" if share else "",
            f"{min(shares):.3f}-{max(shares):.3f}" if shares else "",
            f"{middle(name, 'auc'):.4f}",
            f"{middle(name, 'peak_gb'):.2f}",
        )
        judged = share and name.startswith("matrix_factorization")
        verdict = f"  >= {TARGET}: " + ("reached" if share >= TARGET else "MISSED") if share and judged else ""
        print(f"{name:31}" + "".join(f"{cell:>13}" for cell in cells) + verdict)
        if args.out:
            line = {"benchmark": "factorization", "contender": name, "nodes": nodes, "train_pairs": n_pairs, "dim": DIM}
            line |= {"negatives": NEGATIVES, "epochs": args.epochs, "threads": args.threads}
            with args.out.open("a") as lines:
                lines.write(json.dumps(line | {"target": TARGET, "shares": shares, "runs": runs[name]}) + "\n")
    versions = runs[args.only[0]][0]["versions"]
    print(", ".join(f"{package} {version}" for package, version in versions.items()))


if __name__ == "__main__":
    run(__doc__, CONTENDERS, 20, make_data, contend, race)
