"""How fast our skip-gram learns from walks, and how well, beside gensim and the article's design on the same walks.

    python benchmarks/word2vec.py                                # synthetic catalogue of 50,000 products
    python benchmarks/word2vec.py --nodes 300000 --rounds 1
    python benchmarks/word2vec.py --data beauty.npz              # arrays as make_data() writes them

Every contender runs in a process of its own, so that its peak memory is its own; rounds are interleaved, so that a busy
machine is unfair to all alike; medians are reported. Dimension, window, negatives and epochs are the same for all; no
word is subsampled. A word is one product on a walk; words/s counts the whole call, from the walks in memory to the
vectors. ``undisturbed`` is what the contender would reach if no other process took its cores from it: words x threads /
CPU seconds. ROC-AUC is that of held-out pairs against as many uniform negatives, all of products seen in training.

``article`` re-creates the article's design (a Dataset of walks, a DataLoader, two nn.Embedding(sparse=True), negatives
drawn per pair, autograd and SparseAdam) and runs it on a small share of the walks, for the whole would take hours; its
ROC-AUC is that of vectors trained on the share alone and says nothing about the design.

Belongs here: the data, the contenders, the table. Not here: anything the package itself uses.
"""

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from contenders import Result, in_process, run

DIM, WINDOW, NEGATIVES = 128, 5, 5
ARTICLE_WALKS = 2_000

Vectors = tuple[np.ndarray, np.ndarray]


def make_data(file: Path, nodes: int, threads: int) -> None:
    """Walks on two thirds of the pairs of a synthetic catalogue, these pairs, and pairs to measure the vectors on."""
    from core.graph import build_graph, transition_matrix
    from core.pairs import build_pairs
    from core.sample import sample_catalog
    from core.split import SplitConfig, split_pairs
    from core.walks import random_walks

    catalog = sample_catalog(nodes)
    pairs = build_pairs(catalog.products, catalog.relationships)
    has_metadata = np.asarray(pairs.products["has_metadata"])
    split = split_pairs(len(has_metadata), pairs.source, pairs.target, pairs.weight, has_metadata, SplitConfig())
    graph = build_graph(split.n_nodes, split.train_source, split.train_target, split.train_weight)
    np.savez(
        file,
        n_nodes=split.n_nodes,
        walks=random_walks(transition_matrix(graph), threads=threads),
        train=np.stack([split.train_source, split.train_target], axis=1),
        positive=np.stack([split.valid_source, split.valid_target], axis=1),
        negative=np.stack([split.published_source, split.published_target], axis=1),
    )


# --- contenders: each takes walks and gives the vectors and how many words it read -----------------------------------


def ours(walks: np.ndarray, n_nodes: int, epochs: int, threads: int) -> tuple[Vectors, int]:
    from core.models import MODELS
    from core.models.base import Inputs, TrainContext

    entry = MODELS["skipgram"]
    config = entry.config_class(
        dim=DIM, window=WINDOW, negatives=float(NEGATIVES), epochs=epochs, learning_rate=0.045 / epochs
    )
    trained = entry.fit(Inputs(n_nodes=n_nodes, walks=walks), config, TrainContext(threads=threads))
    assert trained.center is not None and trained.context is not None
    return (trained.center, trained.context), trained.info["words"]


def gensim(walks: np.ndarray, n_nodes: int, epochs: int, threads: int, architecture: str) -> tuple[Vectors, int]:
    from core.models import MODELS
    from core.models.base import Inputs, TrainContext

    entry = MODELS["gensim_word2vec"]
    config = entry.config_class(
        architecture=architecture, dim=DIM, window=WINDOW, negatives=NEGATIVES, epochs=epochs, subsample=0.0
    )
    trained = entry.fit(Inputs(n_nodes=n_nodes, walks=walks), config, TrainContext(threads=threads))
    assert trained.center is not None and trained.context is not None
    return (trained.center, trained.context), trained.info["words"]


def article(walks: np.ndarray, n_nodes: int, epochs: int, threads: int) -> tuple[Vectors, int]:
    """One epoch on a share of the walks."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    counts = np.bincount(walks[walks >= 0], minlength=n_nodes)
    cumulative = np.cumsum(counts**0.75)
    share = walks[rng.choice(len(walks), min(ARTICLE_WALKS, len(walks)), replace=False)]

    class Walks(Dataset):
        def __len__(self) -> int:
            return len(share)

        def __getitem__(self, index: int) -> list[tuple[int, int]]:
            walk = [int(node) for node in share[index] if node >= 0]
            return [
                (center, walk[j])
                for i, center in enumerate(walk)
                for j in range(max(0, i - WINDOW), min(len(walk), i + WINDOW + 1))
                if j != i
            ]

    def collate(items: list[list[tuple[int, int]]]) -> tuple[Any, Any, Any]:
        pairs = torch.tensor([pair for item in items for pair in item])
        draws = np.searchsorted(cumulative, rng.random((len(pairs), NEGATIVES)) * cumulative[-1])
        return pairs[:, 0], pairs[:, 1], torch.from_numpy(draws)

    center, context = (torch.nn.Embedding(n_nodes, DIM, sparse=True) for _ in range(2))
    torch.nn.init.uniform_(center.weight, -0.5 / DIM, 0.5 / DIM)
    torch.nn.init.zeros_(context.weight)
    optimizer = torch.optim.SparseAdam([*center.parameters(), *context.parameters()], lr=0.01)
    loader = DataLoader(Walks(), batch_size=128, shuffle=True, collate_fn=collate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(loader))
    log_sigmoid = torch.nn.functional.logsigmoid
    for source, target, noise in loader:
        optimizer.zero_grad()
        rows = center(source)
        near = log_sigmoid((rows * context(target)).sum(1))
        far = log_sigmoid(-torch.bmm(context(noise), rows.unsqueeze(2)).squeeze(2)).sum(1)
        (-(near + far).mean()).backward()
        optimizer.step()
        schedule.step()
    return (center.weight.detach().numpy(), context.weight.detach().numpy()), int((share >= 0).sum())


CONTENDERS: dict[str, Callable[..., tuple[Vectors, int]]] = {
    "ours": ours,
    "gensim skip-gram": lambda *given: gensim(*given, "skip-gram"),
    "gensim cbow": lambda *given: gensim(*given, "cbow"),
    "article": article,
}
TARGETS = {"gensim skip-gram": 6.0, "article": 75.0}
"""How many times as many words per second ours shall reach."""


def contend(name: str, file: Path, epochs: int, threads: int) -> Result:
    """Run one contender in this process, warmed up on a few walks."""
    with np.load(file) as data:
        walks, n_nodes = data["walks"], int(data["n_nodes"])
        positive, negative = data["positive"], data["negative"]
    CONTENDERS[name](walks[:200], n_nodes, 1, threads)
    wall, cpu = time.perf_counter(), time.process_time()
    (center, context), words = CONTENDERS[name](walks, n_nodes, epochs, threads)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    seen = np.zeros(n_nodes, bool)
    seen[walks[walks >= 0]] = True
    return {
        "words": words,
        "seconds": wall,
        "cpu_seconds": cpu,
        "rate": words / wall,
        "undisturbed": words * threads / cpu,
        "peak_gb": peak,
        "auc_center_center": auc(center, center, positive, negative, seen),
        "auc_center_context": auc(center, context, positive, negative, seen),
        "versions": {"python": platform.python_version()}
        | {package: metadata.version(package) for package in ("numpy", "numba", "gensim", "torch")},
    }


def auc(center: np.ndarray, context: np.ndarray, positive: np.ndarray, negative: np.ndarray, seen: np.ndarray) -> float:
    """ROC-AUC of cos(center, context), both ways, over pairs of seen products."""
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import normalize

    c, x = normalize(center), normalize(context)
    scores = []
    for pairs in (positive, negative):
        i, j = pairs[seen[pairs].all(axis=1)].T
        scores.append(np.einsum("ij,ij->i", c[i], x[j]) + np.einsum("ij,ij->i", c[j], x[i]))
    labels = np.repeat([1, 0], [len(part) for part in scores])
    return float(roc_auc_score(labels, np.concatenate(scores)))


# --- the race ----------------------------------------------------------------------------------------------------


def race(args: argparse.Namespace, file: Path) -> None:
    """Run the rounds and print the table."""
    with np.load(file) as data:
        nodes, walks, words = int(data["n_nodes"]), len(data["walks"]), int((data["walks"] >= 0).sum())
    print(f"{nodes:,} products, {walks:,} walks, {words:,} words, {args.epochs} epochs, {args.threads} threads")
    runs: dict[str, list[Result]] = {name: [] for name in args.only}
    for _ in range(args.rounds):
        for name in args.only:
            runs[name].append(in_process(__file__, name, file, args.epochs, args.threads))

    def middle(name: str, key: str) -> float:
        return statistics.median(run[key] for run in runs[name])

    titles = ("k words/s", "undisturbed", "ours is", "target", "AUC c-c", "AUC c-x", "peak GB")
    print(f"{'':18}" + "".join(f"{title:>12}" for title in titles))
    for name in args.only:
        ratio = middle("ours", "undisturbed") / middle(name, "undisturbed") if "ours" in runs else None
        target = TARGETS.get(name)
        cells = (
            f"{middle(name, 'rate') / 1e3:,.1f}",
            f"{middle(name, 'undisturbed') / 1e3:,.1f}",
            f"{ratio:.1f} x" if ratio and name != "ours" else "",
            f">= {target:g} x" if target else "",
            f"{middle(name, 'auc_center_center'):.4f}",
            f"{middle(name, 'auc_center_context'):.4f}",
            f"{middle(name, 'peak_gb'):.2f}",
        )
        verdict = "" if not (ratio and target) else "  reached" if ratio >= target else "  MISSED"
        print(f"{name:18}" + "".join(f"{cell:>12}" for cell in cells) + verdict)
        if args.out:
            line = {"benchmark": "word2vec", "contender": name, "nodes": nodes, "words": words, "dim": DIM}
            line |= {"window": WINDOW, "negatives": NEGATIVES, "epochs": args.epochs, "threads": args.threads}
            with args.out.open("a") as lines:
                lines.write(json.dumps(line | {"runs": runs[name]}) + "\n")
    versions = runs[args.only[0]][0]["versions"]
    print(", ".join(f"{package} {version}" for package, version in versions.items()))


if __name__ == "__main__":
    run(__doc__, list(CONTENDERS), 1, make_data, contend, race)
