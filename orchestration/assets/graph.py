"""Stages 2 and 3: pairs and their split, the training graph, its transition matrix and the walks on it."""

from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.graph import ProductGraph, build_graph
from core.graph import transition_matrix as normalize
from core.pairs import ProductPairs, build_pairs, product_hashes
from core.split import PairSplit, split_pairs
from orchestration.launchpad import form, resolve
from orchestration.partitions import BY_CATEGORY, SEED
from orchestration.reporting import StepReport, log_histogram, table
from orchestration.resources import Machine

PairsForm, SplitForm, WalksForm = form("pairs"), form("split"), form("walks")
Node2VecForm = form("node2vec_walks")


@dg.asset(
    partitions_def=BY_CATEGORY,
    group_name="pairs",
    kinds={"parquet"},
    io_manager_key="store",
    code_version="1",
)
def product_pairs(
    context: dg.AssetExecutionContext,
    config: PairsForm,  # type: ignore[valid-type]
    raw_products: pa.Table,
    raw_relationships: pa.Table,
) -> dg.Output[ProductPairs]:
    """Undirected weighted pairs: bought_together 1.2, also_bought 1.0, also_viewed 0.5, both directions summed."""
    settings = resolve(context, "pairs", config)
    report = StepReport(context, settings)
    pairs = build_pairs(raw_products, raw_relationships, settings)
    degree = np.bincount(np.r_[pairs.source, pairs.target], minlength=pairs.products.num_rows)
    return report.output(
        pairs,
        products=pairs.products.num_rows,
        products_with_metadata=int(np.sum(pairs.products["has_metadata"].to_numpy())),
        pairs=len(pairs.source),
        degrees=log_histogram(degree, "products by number of pairs"),
        head=table(pairs.products.select(["product_id", "title", "brand", "price", "has_metadata"])),
    )


@dg.asset(
    partitions_def=BY_CATEGORY,
    group_name="pairs",
    kinds={"numpy"},
    io_manager_key="store",
    code_version="2",
)
def pair_split(
    context: dg.AssetExecutionContext,
    config: SplitForm,  # type: ignore[valid-type]
    product_pairs: ProductPairs,
) -> dg.Output[PairSplit]:
    """Training and validation pairs, uniform and degree-matched negatives, and whole products held out cold."""
    settings = resolve(context, "split", config)
    report = StepReport(context, settings)
    p = product_pairs
    has_metadata = p.products["has_metadata"].to_numpy()
    split = split_pairs(
        len(has_metadata), p.source, p.target, p.weight, has_metadata, settings,
        seed=SEED, hashes=product_hashes(p.products),
    )  # fmt: skip
    return report.output(
        split,
        training_pairs=len(split.train_source),
        validation_pairs=len(split.valid_source),
        published_negatives=len(split.published_source),
        degree_matched_negatives=len(split.matched_source),
        cold_products=len(split.cold),
        cold_pairs=len(split.cold_source),
    )


@dg.asset(
    partitions_def=BY_CATEGORY,
    group_name="graph",
    kinds={"scipy"},
    io_manager_key="store",
    code_version="1",
)
def product_graph(context: dg.AssetExecutionContext, pair_split: PairSplit) -> dg.Output[ProductGraph]:
    """The weighted undirected graph of the training pairs, as CSR."""
    report = StepReport(context)
    s = pair_split
    graph = build_graph(s.n_nodes, s.train_source, s.train_target, s.train_weight)
    connected = int(np.count_nonzero(graph.degree))
    return report.output(
        graph,
        nodes=graph.n_nodes,
        edges=graph.n_edges,
        isolated_nodes=graph.n_nodes - connected,
        largest_degree=int(graph.degree.max(initial=0)),
        degrees=log_histogram(graph.degree, "nodes by degree"),
    )


@dg.asset(
    partitions_def=BY_CATEGORY,
    group_name="graph",
    kinds={"scipy"},
    io_manager_key="store",
    code_version="1",
)
def transition_matrix(context: dg.AssetExecutionContext, product_graph: ProductGraph) -> dg.Output[sp.csr_matrix]:
    """Row-stochastic transition probabilities; the row of an isolated product is empty."""
    report = StepReport(context)
    matrix = normalize(product_graph)
    sums = np.asarray(matrix.sum(axis=1)).ravel()[product_graph.degree > 0]
    error = float(np.abs(sums - 1).max(initial=0))
    return report.output(matrix, stored=int(matrix.nnz), largest_row_sum_error=error)


@dg.asset(
    partitions_def=BY_CATEGORY,
    group_name="graph",
    kinds={"numba"},
    io_manager_key="store",
    code_version="1",
)
def walks(
    context: dg.AssetExecutionContext,
    config: WalksForm,  # type: ignore[valid-type]
    machine: Machine,
    transition_matrix: sp.csr_matrix,
) -> dg.Output[np.ndarray]:
    """Weighted first-order random walks from every product that has a pair: int32 node ids, one walk a row."""
    from core.walks import random_walks

    settings = resolve(context, "walks", config)
    report = StepReport(context, settings)
    found = random_walks(
        transition_matrix, settings, seed=SEED, threads=machine.thread_count(), progress=report.progress
    )
    return report.output(found, **_walk_facts(found))


@dg.asset(
    partitions_def=BY_CATEGORY,
    group_name="graph",
    kinds={"numba"},
    io_manager_key="store",
    code_version="1",
)
def node2vec_walks(
    context: dg.AssetExecutionContext,
    config: Node2VecForm,  # type: ignore[valid-type]
    machine: Machine,
    product_graph: ProductGraph,
) -> dg.Output[np.ndarray]:
    """Second-order random walks with return and in-out parameters p and q (node2vec), as int32 node ids."""
    from core.walks import node2vec_walks as second_order_walks

    settings = resolve(context, "node2vec_walks", config)
    report = StepReport(context, settings)
    found = second_order_walks(
        product_graph, settings, seed=SEED, threads=machine.thread_count(), progress=report.progress
    )
    return report.output(found, **_walk_facts(found))


def _walk_facts(found: np.ndarray) -> dict[str, Any]:
    rows = pa.table({f"step {i}": column for i, column in enumerate(found[:5].T)})
    return {"walks": found.shape[0], "steps": int(np.count_nonzero(found >= 0)), "head": table(rows)}
