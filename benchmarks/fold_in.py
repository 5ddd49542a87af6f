"""What folding in costs and is worth beside a full rebuild.

One in a hundred products and one in twenty of the remaining training pairs are held back. A model is trained on the
rest, and what was held back is folded in; another is trained on all training pairs. The lists of both, and those of the
model that never saw what was held back, are judged on the held-out pairs of the usual split.

    python benchmarks/fold_in.py data/raw/meta_Beauty.json.gz                     # the model blend
    python benchmarks/fold_in.py data/raw/meta_Beauty.json.gz --model skipgram --products-share 0.001 --pairs-share 0
    python benchmarks/fold_in.py sample --model rp3beta                           # the built-in catalogue
"""

import argparse
import dataclasses
import time
from typing import Any

import numpy as np
from recommendations import pairs_of

from core.evaluation.bootstrap import mean_intervals
from core.evaluation.metrics import recall
from core.graph import build_graph
from core.models import MODELS
from core.orders.history import HISTORY
from core.pairs import ProductPairs
from core.pairs.ranking_task import ranking_task
from core.pairs.split import SplitConfig, split_product_pairs, training_pairs
from core.recommendations.choice import Choice
from core.recommendations.config import FinalModelsConfig
from core.recommendations.final import train_final, with_candidates
from core.recommendations.fold_in import fold_in
from core.recommendations.form import GOES_WITH, FinalModels
from core.scoring.factory import scorer

_SOURCES = 20_000
_SAMPLES = 1000
_NOTHING = HISTORY.empty_table()


def main() -> None:
    """Print seconds, overlap and recall."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a file that a category's source may be, or sample")
    parser.add_argument("--model", default="blend", choices=list(MODELS))
    parser.add_argument("--products", type=int, default=3000, help="size of the built-in catalogue")
    parser.add_argument("--products-share", type=float, default=0.01, help="share of the products held back")
    parser.add_argument("--pairs-share", type=float, default=0.05, help="share of the other pairs held back")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    given = parser.parse_args()
    pairs = pairs_of(given.source, given.products)
    split = split_product_pairs(pairs, SplitConfig(), given.seed)
    graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
    today = training_pairs(pairs, split.train)
    rng = np.random.default_rng(given.seed)
    new = rng.random(split.n_nodes) < given.products_share
    earlier = _without(today, new, rng.random(len(today.source)) >= given.pairs_share)
    print(
        f"{split.n_nodes:,} products, {len(today.source):,} pairs; held back: {int(new.sum()):,} products and "
        f"{len(today.source) - len(earlier.source):,} pairs"
    )
    model = MODELS[given.model]
    choice = {GOES_WITH: Choice(model.name, model.scorings[0])}
    config, threads = FinalModelsConfig(), given.threads

    def train(known: ProductPairs) -> FinalModels:
        return train_final(choice, known, _NOTHING, {}, seed=given.seed, threads=threads)

    before = with_candidates(train(earlier), config, threads)
    folded, folding = _timed(lambda: fold_in(before, today, _NOTHING, {}, config, threads=threads))
    trained, training = _timed(lambda: train(today))
    rebuilt, searching = _timed(lambda: with_candidates(trained, config, threads))
    again = dataclasses.replace(folded, candidates={}, candidate_scores={})
    print(f"{model.name}: folded in within {folding:.1f} s; rebuilt in {training + searching:.1f} s "
          f"({training:.1f} s of training, {searching:.1f} s for the candidates)")  # fmt: skip
    print(f"  {folded.folded_in}")
    kept_up, _ = _timed(lambda: with_candidates(again, config, threads))
    for what, rows in (("new products", new), ("other products", ~new)):
        rows = np.flatnonzero(rows & (graph.degree > 0))
        overlaps = [_overlap(made, rebuilt, rows) for made in (folded, kept_up)]
        print(
            f"  overlap@10 with the rebuild, {what}: {overlaps[0]:.3f}; {overlaps[1]:.3f} if all lists are made again"
        )
    task = ranking_task(split, graph, _SOURCES, given.seed)
    mask = graph.adjacency()[task.sources]
    lists = {
        "not folded in": _lists_before(before, task.sources, mask, new, threads),
        "folded in": _lists(folded, task.sources, mask, threads),
        "rebuilt": _lists(rebuilt, task.sources, mask, threads),
    }
    recalls = {name: recall(task.hits(ids), task.n_targets, 10) for name, ids in lists.items()}
    for what, rows in (("new products", new[task.sources]), ("other products", ~new[task.sources])):
        columns = np.column_stack([values[rows] for values in recalls.values()])
        intervals = mean_intervals(columns, _SAMPLES, np.random.default_rng(given.seed)) or []
        print(f"  recall@10 of {len(columns):,} {what}:")
        for name, column, (low, high) in zip(recalls, columns.T, intervals, strict=True):
            print(f"    {name:15} {column.mean():.4f}  (95 % interval {low:.4f} to {high:.4f})")


def _without(pairs: ProductPairs, new: np.ndarray, kept: np.ndarray) -> ProductPairs:
    """The catalogue before the new products came: they have no row, so that the others have other numbers."""
    number = np.cumsum(~new) - 1
    known = pairs.only(kept & ~new[pairs.source] & ~new[pairs.target])
    return dataclasses.replace(
        known,
        products=pairs.products.filter(~new),
        source=number[known.source].astype(np.int32),
        target=number[known.target].astype(np.int32),
    )


def _timed(act: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    return act(), time.perf_counter() - started


def _overlap(lists: FinalModels, rebuilt: FinalModels, rows: np.ndarray) -> float:
    ours, theirs = (made.candidates[GOES_WITH][rows, :10] for made in (lists, rebuilt))
    shared = ((ours[:, :, None] == theirs[:, None, :]) & (ours[:, :, None] >= 0)).any(axis=2).sum(axis=1)
    return float(np.mean(shared / np.maximum((theirs >= 0).sum(axis=1), 1)))


def _lists(final: FinalModels, sources: np.ndarray, mask: Any, threads: int) -> np.ndarray:
    choice = final.slots[GOES_WITH]
    asked = scorer(MODELS[choice["model"]], final.models[choice["model"]], choice["scoring"], threads)
    lists: np.ndarray = asked.top_k(sources, 10, mask=mask)[0]
    return lists


def _lists_before(final: FinalModels, sources: np.ndarray, mask: Any, new: np.ndarray, threads: int) -> np.ndarray:
    """The lists of a model that has no rows for new products, in today's numbers; those of new products are empty."""
    lists = np.full((len(sources), 10), -1, np.int32)
    number, of_number = np.cumsum(~new) - 1, np.flatnonzero(~new)
    known = ~new[sources]
    found = _lists(final, number[sources[known]].astype(np.int32), mask[known][:, of_number], threads)
    lists[known] = np.where(found < 0, -1, of_number[found])
    return lists


if __name__ == "__main__":
    main()
