"""Places for products that training never saw, by regressions onto trained vectors, as a Markdown table.

    python benchmarks/cold_start.py --store data/store --category beauty
    python benchmarks/cold_start.py --seed 7                  # another split of the same pairs: skip-gram trained anew

A ridge regression from features (IDF-weighted brand and categories, unit length) is fitted on the warm products that
have metadata, and predicts center and context vectors of those without walks. The context is always the product's own
context vector; what the center is fitted to is varied:

- own: the product's own center vector;
- neighbours: the mean center of its neighbours in the graph, less the mean over all edges;
- whitened: the same, directions in which all centers vary turned down (a shrunk inverse second moment);
- calibrated: whitened, then moved along the edges' mean until its cosine with the mean context is what ``own`` has;
- drawn to the means: whitened, then placed as the package does (``core.models.side_info.new_products``).

``alike`` and ``partners`` are what the package's own fit makes of the materialized skip-gram, by its two settings of
``new_products``. Beside cold-start AUC by both scorings stand three recalls@10 by center-context: of cold products'
lists; of warm products' lists, against held-out pairs, which placed products may crowd out; and of warm products'
lists against their cold partners: whether new products are shown to others.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import scipy.linalg as sl
import scipy.sparse as sp
from experiments import Category, category, markdown, parser

from core.evaluation.metrics import recall
from core.graph import build_graph, transition_matrix
from core.interfaces import CENTER_CONTEXT, Inputs, TrainContext, TrainedModel
from core.models import MODELS
from core.models.product_fields import brands, categories, distinct_values
from core.models.side_info.direct_fit import fit_side_vectors
from core.models.side_info.fields import side_fields
from core.models.side_info.new_products import partner_directions, place_newcomers
from core.pairs.ranking_task import cold_task
from core.pairs.split import Pairs, SplitConfig, split_pairs
from core.scoring.factory import scorer
from core.scoring.vectors import normalized
from core.training.corpus import build_corpus
from core.walks import random_walks

RIDGE, SHRINK, SEED = 2.0, 10.0, 42
SHIPPED = "skipgram_side_info_mean"


def trained(data: Category, seed: int, threads: int) -> tuple[Category, TrainedModel, np.ndarray]:
    """The split, plain skip-gram and how often each product stands on its walks; materialized for seed 42."""
    if seed == SEED:
        plain, walks = data.store.read("embeddings/skipgram", data.name), data.store.read("walks", data.name)
    else:
        pairs = data.store.read("product_pairs", data.name)
        described = pairs.products["has_metadata"].to_numpy()
        split = split_pairs(len(described), pairs.source, pairs.target, pairs.weight, described, SplitConfig(), seed)
        graph = build_graph(split.n_nodes, split.train.source, split.train.target, split.train.weight)
        data, model = replace(data, split=split, graph=graph), MODELS["skipgram"]
        walks = random_walks(transition_matrix(graph), seed=seed, threads=threads)
        plain = model.fit(Inputs(split.n_nodes, walks=walks), model.config_class(), TrainContext(seed, threads))
    return data, plain, build_corpus(walks, data.split.n_nodes).counts


def features(products: pa.Table) -> sp.csr_matrix:
    """float64 CSR ``[n, brands + categories]``, rows of unit length or empty."""
    blocks = []
    for field in (brands(products), categories(products)):
        node, number, idf = distinct_values(*field)
        blocks.append(sp.csr_matrix((idf[number], (node, number)), shape=(products.num_rows, len(idf))))
    both = sp.hstack(blocks).tocsr()
    both.eliminate_zeros()
    length = np.sqrt(np.asarray(both.multiply(both).sum(axis=1)).ravel())
    both.data /= np.repeat(length, np.diff(both.indptr))
    return both


def ridge(x: sp.csr_matrix, y: np.ndarray, new: sp.csr_matrix) -> np.ndarray:
    gram = (x.T @ x).toarray() + RIDGE * np.eye(x.shape[1])
    return new @ sl.cho_solve(sl.cho_factor(gram), x.T @ y)


def calibrated(vectors: np.ndarray, along: np.ndarray, mean_context: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Each row moved along one direction until its cosine with the mean context is the wanted one, by bisection."""
    low, high = np.full(len(vectors), -5.0), np.full(len(vectors), 20.0)
    unit, direction = normalized(vectors), along / np.linalg.norm(along)
    for _ in range(40):
        middle = (low + high) / 2
        above = normalized(unit + middle[:, None] * direction) @ mean_context > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return unit + low[:, None] * direction


def places(
    data: Category, products: pa.Table, plain: TrainedModel, counts: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """The products to place, their centers by method, and their contexts."""
    center, context = normalized(plain.center), normalized(plain.context)
    x = features(products)
    described = np.diff(x.indptr) > 0
    train, new = np.flatnonzero(described & (counts > 0)), np.flatnonzero(described & (counts == 0))

    degree = data.graph.degree.astype(float)
    adjacency = data.graph.adjacency().astype(np.float64)
    adjacency.data[:] = 1
    mean_center, mean_context = (degree @ side / degree.sum() for side in (center, context))
    neighbours = (adjacency @ center / np.maximum(degree, 1)[:, None] - mean_center) * (degree > 0)[:, None]
    spread = ((center - mean_center) * degree[:, None]).T @ (center - mean_center)
    spread += SHRINK * np.trace(spread) / len(spread) * np.eye(len(spread))

    targets = (center, normalized(neighbours), normalized(neighbours @ np.linalg.inv(spread)), context)
    own, near, whitened, placed = np.hsplit(ridge(x[train], np.hstack([t[train] for t in targets]), x[new]), 4)
    moved = calibrated(whitened, mean_center, mean_context, normalized(own) @ mean_context)
    return new, {"own": own, "neighbours": near, "whitened": whitened, "calibrated": moved}, placed


def shipped(data: Category, products: pa.Table, plain: TrainedModel, counts: np.ndarray) -> dict[str, TrainedModel]:
    """The package's own fit with equal weights, by both settings of ``new_products``."""
    learned = np.hstack([plain.center, plain.context, partner_directions(plain.center, data.graph)])
    fit = fit_side_vectors(learned, counts, side_fields(products, 10), 1.0, 1.0)
    center, context, direction = np.hsplit(fit.vectors, 3)
    seen = np.logical_and(center.any(axis=1), context.any(axis=1))
    moved = center.copy(), context.copy()
    place_newcomers(*moved, direction, seen & ~plain.seen, data.graph)
    return {"alike": TrainedModel(SHIPPED, seen, center, context), "partners": TrainedModel(SHIPPED, seen, *moved)}


def shown(data: Category, embeddings: TrainedModel, threads: int) -> float:
    """recall@10 of the lists of at most 2000 warm products with a cold partner, against their cold partners."""
    swapped = replace(data.split, cold_pairs=Pairs(data.split.cold_pairs.target, data.split.cold_pairs.source))
    task = cold_task(swapped, 2000, 42)
    mask = data.graph.adjacency()[task.sources]
    lists, _ = scorer(MODELS[SHIPPED], embeddings, CENTER_CONTEXT, threads).top_k(task.sources, 10, mask=mask)
    return float(recall(task.hits(lists), task.n_targets, 10).mean())


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--seed", type=int, default=SEED, help="of the split")
    args = arguments.parse_args()
    data, plain, counts = trained(category(args), args.seed, args.threads)
    products = data.store.read("product_pairs", data.name).products
    new, centers, contexts = places(data, products, plain, counts)
    tried = {}
    for name, vectors in centers.items():
        center, context = np.array(plain.center), np.array(plain.context)
        center[new], context[new] = vectors, contexts
        tried[name] = TrainedModel(SHIPPED, np.logical_and(center.any(axis=1), context.any(axis=1)), center, context)
    drawn = tried["whitened"]
    drawn = replace(drawn, center=np.array(drawn.center), context=np.array(drawn.context))
    is_new = np.isin(np.arange(data.split.n_nodes), new)
    place_newcomers(drawn.center, drawn.context, np.array(drawn.center), is_new, data.graph)
    tried |= {"drawn to the means": drawn} | shipped(data, products, plain, counts)
    rows = []
    for name, embeddings in tried.items():
        n = data.measure(SHIPPED, embeddings, args.threads)
        numbers = (n.cold_start, n.cold_start_context, n.cold_recall, n.recall, shown(data, embeddings, args.threads))
        rows.append([name, *(f"{value:.3f}" for value in numbers)])
    head = (
        "new products' centers",
        "cold AUC, center-center",
        "center-context",
        "recall of cold",
        "of warm",
        "shown to others",
    )
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
