"""Why side information failed in the article: its causes put back one by one, as a Markdown table.

    python benchmarks/side_info_ablation.py --store data/store --category beauty

A product is the average of a vector of its own and those of its brand, categories and price band, trained along with
the walks, as in the article and in EGES. (The package's models fit the side vectors after the walks instead, in closed
form; the header of that module says why.) The first row does everything right, as far as training along allows; each
other row undoes one thing:

- tables shared: a value has one vector, as a center and as a context;
- missing is a value: what a product lacks is filled with a value "missing" that has a vector like any other;
- values not weighted: the root category counts as much as the rarest (placeholder brands are not put back: the
  catalogue has dropped them; "missing" stands for them);
- summed, not averaged: a product is the sum of its vectors;
- random weights: learned weights of the fields start random and nothing holds them;
- batch steps summed: a value's row takes the sum of its gradients in a batch, not their mean per occurrence.

The gradient step, softmax, fields and evaluation are the package's.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
import torch
from experiments import category, markdown, parser

from core.errors import InputError
from core.interfaces import TrainedModel
from core.models.product_fields import brands, categories, distinct_values, price_bands
from core.models.side_info.direct_fit import softmax
from core.training.corpus import WalkCorpus, build_corpus, keep_probability, walk_order
from core.training.noise import noise_table
from core.training.objectives import SkipGramObjective
from core.training.torch_batches import step

WINDOW, NEGATIVES, SHARED_NEGATIVES, BANDS, SEED = 5, 5.0, 16, 10, 42
MODEL = "skipgram_side_info_mean"


@dataclass(frozen=True)
class Variant:
    """What is done wrong."""

    tables_shared: bool = False
    missing_is_a_value: bool = False
    values_not_weighted: bool = False
    summed_not_averaged: bool = False
    random_weights: bool = False
    batch_steps_summed: bool = False


def side_shares(products: pa.Table, variant: Variant) -> list[sp.csr_matrix]:
    """As ``core.models.side_info.fields``, with two switches."""
    shares = []
    for field in (brands(products), categories(products), price_bands(products, BANDS)):
        node, number, idf = distinct_values(*field)
        weight = np.ones(len(node)) if variant.values_not_weighted else idf[number]
        matrix = sp.csr_matrix((weight, (node, number)), shape=(products.num_rows, len(idf)))
        if variant.missing_is_a_value:
            lacking = (np.diff(matrix.indptr) == 0).astype(float)
            matrix = sp.hstack([matrix, sp.csr_matrix(lacking[:, None])]).tocsr()
        matrix.eliminate_zeros()
        matrix.data /= np.repeat(np.asarray(matrix.sum(axis=1)).ravel(), np.diff(matrix.indptr))
        shares.append(matrix.astype(np.float32))
    return shares


class Joint:
    """The vectors of products and side values, and how products are made of them."""

    def __init__(self, counts: np.ndarray, shares: list[sp.csr_matrix], variant: Variant, dim: int) -> None:
        rng = np.random.default_rng(SEED)

        def start(rows: int) -> np.ndarray:
            return (rng.random((rows, dim), dtype=np.float32) - np.float32(0.5)) / np.float32(dim)

        self.shares, self.variant = shares, variant
        self.has = np.column_stack([counts > 0, *(np.diff(field.indptr) > 0 for field in shares)])
        self.logits = np.zeros(self.has.shape, np.float32)
        if variant.random_weights:
            self.logits[:] = rng.standard_normal(self.has.shape)
        own = start(len(counts)) * (counts > 0)[:, None]
        sides = [start(field.shape[1]) for field in shares]
        self.tables = [[own, *sides], [np.zeros_like(own), *(np.zeros_like(side) for side in sides)]]
        if variant.tables_shared:
            self.tables[1][1:] = sides

    def compose(self, rows: np.ndarray) -> tuple[np.ndarray, list[list[np.ndarray]], list[np.ndarray]]:
        """Field weights ``[r, 1 + K]``, parts and vectors ``[r, dim]`` of products, as centers and as contexts."""
        weights = softmax(self.logits[rows], self.has[rows])
        if self.variant.summed_not_averaged:
            weights = self.has[rows].astype(np.float32)
        parts = [
            [own[rows], *(field[rows] @ side for field, side in zip(self.shares, sides, strict=True))]
            for own, *sides in self.tables
        ]
        vectors = [np.sum([weights[:, [k]] * one for k, one in enumerate(table)], axis=0) for table in parts]
        return weights, parts, vectors

    def learn(self, nodes: np.ndarray, reach: np.ndarray, noise: np.ndarray, rate: float) -> None:
        """One step on a batch of walks ``[B, L]``: the package's step on the products, handed on to their parts."""
        rows, place = np.unique(np.concatenate([nodes[nodes >= 0], noise.ravel()]), return_inverse=True)
        local, inside = np.full(nodes.shape, -1), int((nodes >= 0).sum())
        local[nodes >= 0] = place[:inside]
        weights, parts, vectors = self.compose(rows)
        moved = [torch.from_numpy(vector.copy()) for vector in vectors]
        batch = (
            torch.from_numpy(local),
            torch.from_numpy(reach),
            torch.from_numpy(place[inside:].reshape(noise.shape)),
        )
        step(moved[0], moved[1], *batch, NEGATIVES, rate)

        often = np.bincount(place, minlength=len(rows)).astype(np.float32)
        for table, part, vector, after in zip(self.tables, parts, vectors, moved, strict=True):
            change = after.numpy() - vector
            table[0][rows] += weights[:, [0]] * change
            for k, field in enumerate(self.shares, start=1):
                upward = field[rows].T.tocsr()
                touched = np.flatnonzero(np.diff(upward.indptr))
                total = upward[touched] @ (weights[:, [k]] * change)
                occurrences = upward[touched] @ (weights[:, k] * often)
                divisor = 1 if self.variant.batch_steps_summed else np.maximum(1, occurrences)[:, None]
                table[k][touched] += total / divisor
            if self.variant.random_weights:
                for k, one in enumerate(part):
                    self.logits[rows, k] += weights[:, k] * ((one - vector) * change).sum(axis=1)


def train(corpus: WalkCorpus, joint: Joint, epochs: int, learning_rate: float) -> TrainedModel:
    """Skip-gram with a linearly falling learning rate. Raises FloatingPointError where vectors grow out of bounds."""
    noise = noise_table(corpus.counts, 0.75)
    keep = keep_probability(corpus.counts, 0)
    objective = SkipGramObjective(corpus, keep, noise, WINDOW, True, NEGATIVES, SHARED_NEGATIVES)
    size = objective.stable_batch(1024, learning_rate)
    rng = np.random.default_rng(SEED)
    starts = range(0, corpus.n_walks, size)
    for epoch in range(epochs):
        order = walk_order(corpus.n_walks, SEED, epoch)
        for done, first in enumerate(starts):
            position = np.arange(first, min(first + size, corpus.n_walks))
            nodes = corpus.walks[(position * order.stride + order.offset) % corpus.n_walks]
            slot = rng.integers(len(noise.accept), size=(len(nodes), SHARED_NEGATIVES))
            drawn = np.where(rng.random(slot.shape) < noise.accept[slot], slot, noise.alias[slot])
            reach = rng.integers(1, WINDOW + 1, nodes.shape)
            with np.errstate(over="raise", invalid="raise"):
                joint.learn(nodes, reach, drawn, learning_rate * (1 - (epoch + done / len(starts)) / epochs))
    center, context = joint.compose(np.arange(len(corpus.counts)))[2]
    return TrainedModel(MODEL, np.logical_and(center.any(axis=1), context.any(axis=1)), center, context)


def variants() -> dict[str, Variant]:
    names = [field.name for field in fields(Variant)]
    single = {name.replace("_", " "): replace(Variant(), **{name: True}) for name in names}
    article = Variant(**{name: name != "summed_not_averaged" for name in names})
    return {"nothing wrong": Variant(), **single, "all but the sum": article}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--dim", type=int, default=32)
    arguments.add_argument("--epochs", type=int, default=1)
    arguments.add_argument("--learning-rate", type=float, default=0.06)
    arguments.add_argument("--only", nargs="+", help="the rows to measure; default all")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    data = category(args)
    products = data.store.read("product_pairs", args.category).products
    corpus = build_corpus(data.store.read("walks", args.category), data.split.n_nodes)
    nothing = [sp.csr_matrix((products.num_rows, 1), dtype=np.float32)]
    rows = []
    for name, variant in {"no side information": Variant(), **variants()}.items():
        if args.only and name not in args.only:
            continue
        shares = nothing if name == "no side information" else side_shares(products, variant)
        try:
            trained = train(corpus, Joint(corpus.counts, shares, variant, args.dim), args.epochs, args.learning_rate)
            numbers = data.measure(MODEL, trained, args.threads)
        except (FloatingPointError, InputError):  # the second: from the evaluation, of vectors that are not finite
            rows.append([name, *["diverged"] * 4])
            continue
        measured = (numbers.published_seen, numbers.matched_all, numbers.recall, numbers.cold_start)
        rows.append([name, *(f"{value:.3f}" for value in measured)])
    head = ("variant", "published, seen", "degree-matched, all", "recall@10", "cold-start AUC")
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
