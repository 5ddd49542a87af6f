"""How fast our skip-gram learns from walks, and how well, beside gensim and the article's design on the same walks.

    python benchmarks/word2vec.py                                # synthetic catalogue of 50,000 products
    python benchmarks/word2vec.py --nodes 420000 --rounds 1
    python benchmarks/word2vec.py --store data/store --category beauty

Every contender runs in a process of its own, so that its peak memory is its own; rounds are interleaved, so that a busy
machine is unfair to all alike. Dimension, window, negatives and epochs are the same for all; no word is subsampled. A
word is one product on a walk; words/s counts the whole call, from the walks in memory to the vectors. ROC-AUC is that
of held-out pairs against as many uniform negatives, all of products seen in training, by the better of two scorings.

gensim reads a text file (``corpus_file``, its quickest way, written by our own model ``gensim_word2vec``; writing it
counts) or lists of strings (as its tutorials do; making them does not count).
``article`` re-creates the article's design (a Dataset of walks, a DataLoader, two nn.Embedding(sparse=True), negatives
drawn per pair, autograd and SparseAdam) and runs it on a small share of the walks, for the whole would take hours; its
ROC-AUC says nothing about the design and is not told.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
    ratio,
    report,
    spread,
    turns,
    versions,
)

DIM, WINDOW, NEGATIVES = 128, 5, 5
ARTICLE_WALKS = 2_000
REPEAT_SECONDS = 5.0

Trained = tuple[np.ndarray, np.ndarray, int, float]
"""Center and context vectors, words read, seconds of the whole call."""


def make_data(file: Path, nodes: int, threads: int) -> None:
    """Walks on two thirds of the pairs of a synthetic catalogue, these pairs, and pairs to measure the vectors on."""
    from core.graph import build_graph, transition_matrix
    from core.pairs import build_pairs
    from core.pairs.split import SplitConfig, split_pairs
    from core.sample import sample_catalog
    from core.walks import random_walks

    catalog = sample_catalog(nodes)
    pairs = build_pairs(catalog.products, catalog.relationships)
    has_metadata = np.asarray(pairs.products["has_metadata"])
    split = split_pairs(len(has_metadata), pairs.source, pairs.target, pairs.weight, has_metadata, SplitConfig())
    graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
    np.savez(
        file,
        n_nodes=split.n_nodes,
        walks=random_walks(transition_matrix(graph), threads=threads),
        train=np.stack([split.train.source, split.train.target], axis=1),
        positive=np.stack([split.validation.source, split.validation.target], axis=1),
        negative=np.stack([split.uniform_negatives.source, split.uniform_negatives.target], axis=1),
    )


def stored_data(file: Path, store: Path, category: str) -> None:
    """The same of a category that is materialized."""
    from core.store import Store

    split, walks = (Store(store).read(asset, category) for asset in ("pair_split", "walks"))
    positive = np.stack([split.validation.source, split.validation.target], axis=1)
    negative = np.stack([split.uniform_negatives.source, split.uniform_negatives.target], axis=1)
    np.savez(file, n_nodes=split.n_nodes, walks=walks, positive=positive, negative=negative)


# --- contenders: each takes walks and gives the vectors and how many words it read -----------------------------------


def ours(walks: np.ndarray, n_nodes: int, epochs: int, threads: int) -> Trained:
    from core.models import MODELS

    entry = MODELS["skipgram"]
    config = entry.config_class(
        dim=DIM, window=WINDOW, negatives=float(NEGATIVES), epochs=epochs, learning_rate=0.045 / epochs
    )
    return _fit(entry, config, walks, n_nodes, threads)


def _fit(entry: Any, config: Any, walks: np.ndarray, n_nodes: int, threads: int) -> Trained:
    from core.interfaces import Inputs, TrainContext

    started = time.perf_counter()
    trained = entry.fit(Inputs(n_nodes=n_nodes, walks=walks), config, TrainContext(threads=threads))
    seconds = time.perf_counter() - started
    assert trained.center is not None and trained.context is not None
    return trained.center, trained.context, trained.info["words"], seconds


def gensim(walks: np.ndarray, n_nodes: int, epochs: int, threads: int, architecture: str) -> Trained:
    from core.models import MODELS

    entry = MODELS["gensim_word2vec"]
    config = entry.config_class(
        architecture=architecture, dim=DIM, window=WINDOW, negatives=NEGATIVES, epochs=epochs, subsample=0.0
    )
    return _fit(entry, config, walks, n_nodes, threads)


def gensim_lists(walks: np.ndarray, n_nodes: int, epochs: int, threads: int) -> Trained:
    """gensim as its own tutorials use it, skip-gram on lists of strings; making these is not part of it."""
    from gensim.models.word2vec import Word2Vec

    lists = [[str(node) for node in walk if node >= 0] for walk in walks.tolist()]
    started = time.perf_counter()
    model = Word2Vec(
        lists, sg=1, vector_size=DIM, window=WINDOW, negative=NEGATIVES, epochs=epochs, workers=threads, sample=0,
        min_count=1, seed=1,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    nodes = np.array(model.wv.index_to_key, dtype=np.int64)
    center, context = np.zeros((2, n_nodes, DIM), np.float32)
    center[nodes], context[nodes] = model.wv.vectors, model.syn1neg
    return center, context, int((walks >= 0).sum()) * epochs, seconds


def article_epoch(center: Any, context: Any, batches: Any) -> None:
    """One epoch of the article's training: autograd on pairs with negatives of their own, SparseAdam, cosine.

    Args:
        center, context: sparse torch.nn.Embedding; may be the same.
        batches: a DataLoader of sources ``[B]``, targets ``[B]`` and negatives ``[B, K]``.
    """
    import torch

    optimizer = torch.optim.SparseAdam(list({*center.parameters(), *context.parameters()}), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    log_sigmoid = torch.nn.functional.logsigmoid
    for source, target, noise in batches:
        optimizer.zero_grad()
        rows = center(source)
        near = log_sigmoid((rows * context(target)).sum(1))
        far = log_sigmoid(-torch.bmm(context(noise), rows.unsqueeze(2)).squeeze(2)).sum(1)
        (-(near + far).mean()).backward()
        optimizer.step()
        schedule.step()


def article(walks: np.ndarray, n_nodes: int, epochs: int, threads: int) -> Trained:
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

    started = time.perf_counter()
    center, context = (torch.nn.Embedding(n_nodes, DIM, sparse=True) for _ in range(2))
    torch.nn.init.uniform_(center.weight, -0.5 / DIM, 0.5 / DIM)
    torch.nn.init.zeros_(context.weight)
    article_epoch(center, context, DataLoader(Walks(), batch_size=128, shuffle=True, collate_fn=collate))
    seconds = time.perf_counter() - started
    return center.weight.detach().numpy(), context.weight.detach().numpy(), int((share >= 0).sum()), seconds


CONTENDERS: dict[str, Callable[..., Trained]] = {
    "ours": ours,
    "gensim skip-gram": lambda *given: gensim(*given, "skip-gram"),
    "gensim skip-gram on lists": gensim_lists,
    "gensim cbow": lambda *given: gensim(*given, "cbow"),
    "article": article,
}
TARGETS = {"gensim skip-gram": ">= 6", "gensim skip-gram on lists": ">= 6", "gensim cbow": "", "article": ">= 75"}
"""How many times as many words per second ours shall reach."""


def contend(name: str, file: Path, epochs: int, threads: int) -> Run:
    """Run one contender in this process, warmed up on a few walks."""
    with np.load(file) as data:
        walks, n_nodes = data["walks"], int(data["n_nodes"])
        positive, negative = data["positive"], data["negative"]
    CONTENDERS[name](walks[:200], n_nodes, 1, threads)
    rates = []
    for _ in turns(REPEAT_SECONDS):
        center, context, words, seconds = CONTENDERS[name](walks, n_nodes, epochs, threads)
        rates.append(words / seconds)
    peak = peak_gb()

    seen = np.zeros(n_nodes, bool)
    seen[walks[walks >= 0]] = True
    aucs = [auc(center, other, positive, negative, seen) for other in (center, context)]
    return {
        "rate": statistics.median(rates),
        "peak_gb": peak,
        "auc_center_center": aucs[0],
        "auc_center_context": aucs[1],
        "words": words,
        "threads": threads,
        "versions": versions("numpy", "numba", "gensim", "torch"),
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


def measurements(runs: dict[str, list[Run]], data: str) -> list[Measurement]:
    own = runs["ours"]
    found = [spread("skip-gram", data, "words per second", [run["rate"] / 1e6 for run in own], "M/s", ours=own[-1])]
    for name, target in TARGETS.items():
        if name in runs:
            found.append(ratio("skip-gram", data, f"against {name}", own, runs[name], target))
    best = {
        name: [max(run["auc_center_center"], run["auc_center_context"]) for run in one] for name, one in runs.items()
    }
    found += [
        spread("skip-gram", data, f"ROC-AUC of seen pairs, {name}", values, "")
        for name, values in best.items()
        if name != "article"
    ]
    if "gensim cbow" in best:
        ahead = [a - b for a, b in zip(best["ours"], best["gensim cbow"], strict=True)]
        found.append(spread("skip-gram", data, "ROC-AUC, ours less gensim cbow's", ahead, "", ">= 0"))
    found.append(spread("skip-gram", data, "peak memory", [run["peak_gb"] for run in own], "GB"))
    return found


def main() -> None:
    options = parser(__doc__, race=True)
    options.add_argument("--nodes", type=int, default=50_000, help="products of the synthetic catalogue")
    options.add_argument("--epochs", type=int, default=1)
    options.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    options.add_argument("--store", type=Path, help="take the walks of a category that is materialized here")
    options.add_argument("--category", default="beauty")
    options.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--contender", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.contender:
        print(json.dumps(contend(args.contender, args.data, args.epochs, args.threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "walks.npz"
        if args.store:
            stored_data(file, args.store, args.category)
        else:
            make_data(file, args.nodes, args.threads)
        with np.load(file) as arrays:
            nodes, walks = int(arrays["n_nodes"]), len(arrays["walks"])
        name = args.category if args.store else "synthetic"
        data = f"{name}, {nodes:,} products, {walks:,} walks, epochs: {args.epochs}"

        def run(name: str) -> Run:
            given = ("--contender", name, "--data", file, "--epochs", args.epochs, "--threads", args.threads)
            return in_process(sys.executable, __file__, *given, threads=args.threads)

        report(measurements(interleaved(args.only, args.rounds, run, args.within), data), args.out)


if __name__ == "__main__":
    main()
