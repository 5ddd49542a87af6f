"""What a model learned, for the products and pairs of today, without training.

A registry entry may name a function of its own for it (``core.interfaces.Model.fold_in``), with the signature of
:func:`place_new_products`. Its inputs are the graph of all pairs, the products, and the models that this one is built
of, which are folded in already.

Nodes are numbered by sorted product id, so rows are found again by the products' keys. A product that the training
knew keeps its vectors. A new one is placed by its first pairs, or, while it has none, by its brand and categories.
"""

import dataclasses

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.arrays import largest_by_row
from core.graph import ProductGraph
from core.interfaces import Inputs, TrainContext, TrainedModel

_ALIKE = 20
"""Maximum number of similar products that give a product without pairs its vectors."""
_POWER = 3
"""Power of the cosine by which they are weighted, that of ``content_knn``."""
_FLOOR = 0.1
"""Minimum cosine of a similar product, that of ``content_knn``."""
_BLOCK = 512
"""Number of products without pairs that are compared with all others at a time, which limits memory."""


def renumbered(trained: TrainedModel, old: np.ndarray) -> TrainedModel:
    """The model with its rows in the order of today's products.

    Args:
        trained: what was learned, and possibly folded in since.
        old: int64 ``[n_nodes]``: the row that each of today's products had, or -1 for a new product, whose vectors are
            zero and which the model has not seen.
    """

    def moved(rows: np.ndarray | None) -> np.ndarray | None:
        if rows is None:
            return None
        table = np.zeros((len(old), *rows.shape[1:]), rows.dtype)
        table[old >= 0] = np.asarray(rows)[old[old >= 0]]
        return table

    seen = np.zeros(len(old), bool)
    seen[old >= 0] = np.asarray(trained.seen)[old[old >= 0]]
    parts = {name: renumbered(part, old) for name, part in trained.parts.items()}
    return dataclasses.replace(
        trained, seen=seen, center=moved(trained.center), context=moved(trained.context), parts=parts
    )


def place_new_products(trained: TrainedModel, known: np.ndarray, inputs: Inputs, context: TrainContext) -> TrainedModel:
    """Vectors for the products that the training did not know.

    With N(i) the known partners of product i, a new product gets

        v(i) = mean over j in N(i) of (v(j) + mean over k in N(j) of v(k)) / 2,

    for its center and its context alike. The partners alone would show new products far too often in the lists of
    others, and the products two steps away, which are like it, far too seldom
    (``benchmarks/fold_in.py``). A product all of whose partners are new as well follows once they have vectors. One
    without pairs gets the mean of the products with the most similar brand and categories.

    Args:
        trained: what was learned, in the order of today's products.
        known: bool ``[n_nodes]``: the product had a pair when the model was trained.
        inputs: with ``graph``, of all pairs of today, and ``products``.
        context: circumstances of the run.
    """
    if inputs.graph is None or inputs.products is None or trained.center is None:
        raise ValueError(f"{trained.model} needs vectors, the products and the graph")
    tables = [trained.center.copy()] + ([] if trained.context is None else [trained.context.copy()])
    placed = known & trained.seen
    with context.clock.phase("training"):
        _place_by_pairs(tables, placed, inputs.graph)
        _place_by_content(tables, placed, ~placed & ~trained.seen, inputs.products)
    center, contexts = tables[0], tables[1] if len(tables) > 1 else None
    return dataclasses.replace(trained, seen=trained.seen | placed, center=center, context=contexts)


def _place_by_pairs(tables: list[np.ndarray], placed: np.ndarray, graph: ProductGraph) -> None:
    """Set the rows of the products with pairs, in place, and mark them in ``placed``."""
    links = sp.csr_matrix(
        (np.ones(len(graph.indices), np.float32), graph.indices, graph.indptr), shape=(graph.n_nodes, graph.n_nodes)
    )
    rest = np.flatnonzero(~placed & (graph.degree > 0))
    while len(rest):
        ways = _rows_of_means(links[rest], placed)
        reached = np.diff(ways.indptr) > 0
        if not reached.any():
            return  # they are only paired with each other
        rows, ways = rest[reached], ways[reached]
        partners = np.unique(ways.indices)
        further = _rows_of_means(links[partners], placed)
        for table in tables:
            near = table[partners] / 2
            alone = np.diff(further.indptr) == 0
            near[~alone] += (further @ table)[~alone] / 2
            near[alone] *= 2
            table[rows] = ways[:, partners] @ near
        placed[rows] = True
        rest = rest[~reached]


def _rows_of_means(links: sp.csr_matrix, among: np.ndarray) -> sp.csr_matrix:
    """The rows with only the columns of ``among``, each scaled to the sum 1."""
    row = np.repeat(np.arange(links.shape[0]), np.diff(links.indptr))
    kept = among[links.indices]
    row, column = row[kept], links.indices[kept]
    counts = np.bincount(row, minlength=links.shape[0])
    share = (1 / np.maximum(counts, 1)).astype(np.float32)[row]
    return sp.csr_matrix((share, (row, column)), shape=links.shape)


def _place_by_content(tables: list[np.ndarray], placed: np.ndarray, new: np.ndarray, products: pa.Table) -> None:
    """Set the rows of new products without pairs, in place, and mark them in ``placed``."""
    from core.models.content_knn.similarity import features  # Numba comes with it

    rows = np.flatnonzero(new & ~placed)
    if not len(rows) or not placed.any():
        return
    described = features(products)
    examples = np.flatnonzero(placed)
    candidates = described[examples].T.tocsr()
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        cosines = described[block] @ candidates
        cosines.data[cosines.data < _FLOOR] = 0
        row, column, cosine, _ = largest_by_row(cosines.tocsr(), _ALIKE)
        weights = sp.csr_matrix((cosine**_POWER, (row, examples[column])), shape=(len(block), len(placed)))
        total = np.asarray(weights.sum(axis=1)).ravel()
        alike = total > 0
        for table in tables:
            table[block[alike]] = (weights[alike] @ table) / total[alike, None]
        placed[block[alike]] = True
