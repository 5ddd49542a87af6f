"""Stages 2 and 3: pairs and their split, the training graph, its transition matrix and the walks on it."""

from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core import checks
from core.graph import ProductGraph, build_graph
from core.graph import transition_matrix as normalize
from core.pairs import ProductPairs, build_pairs
from core.pairs.split import PairSplit, split_product_pairs
from orchestration.assets.arguments import asset_arguments
from orchestration.config import config_schema, resolve_config
from orchestration.metadata import StepReport, check_specs, log_histogram, table
from orchestration.partitions import SEED
from orchestration.resources import Machine

OrdersSchema, PairsSchema = config_schema("orders"), config_schema("pairs")
SplitSchema, WalksSchema = config_schema("split"), config_schema("walks")
Node2VecSchema = config_schema("node2vec_walks")


@dg.asset(**asset_arguments("order_relationships"))
def order_relationships(
    context: dg.AssetExecutionContext,
    config: OrdersSchema,  # type: ignore[valid-type]
    machine: Machine,
    raw_orders: pa.Table,
) -> dg.MaterializeResult[pa.Table]:
    """Products bought together, also bought and also viewed, counted from order lines."""
    from core.orders.relationships import order_relationships as count

    settings = resolve_config(context, "orders", config)
    report = StepReport(context, settings)
    related, facts = count(raw_orders, settings, machine.thread_count(), report.progress)
    return report.output(related, rows=related.num_rows, orders=dg.MetadataValue.json(facts), head=table(related))


@dg.asset(**asset_arguments("product_pairs"), check_specs=check_specs("product_pairs", checks.PAIRS))
def product_pairs(
    context: dg.AssetExecutionContext,
    config: PairsSchema,  # type: ignore[valid-type]
    raw_products: pa.Table,
    raw_relationships: pa.Table,
    order_relationships: pa.Table,
):
    """Undirected weighted pairs: bought_together 1.2, also_bought 1.0, also_viewed 0.5, both directions summed."""
    settings = resolve_config(context, "pairs", config)
    report = StepReport(context, settings)
    relationships = order_relationships if order_relationships.num_rows else raw_relationships
    pairs = build_pairs(raw_products, relationships, settings)
    degree = np.bincount(np.r_[pairs.source, pairs.target], minlength=pairs.products.num_rows)
    return report.output(
        pairs,
        checks.check_pairs(pairs),
        products=pairs.products.num_rows,
        products_with_metadata=int(np.sum(pairs.products["has_metadata"].to_numpy())),
        pairs=len(pairs.source),
        **pairs.info,
        degrees=log_histogram(degree, "products by number of pairs"),
        head=table(pairs.products.select(["product_id", "title", "brand", "price", "has_metadata"])),
    )


@dg.asset(**asset_arguments("pair_split"), check_specs=check_specs("pair_split", checks.SPLIT))
def pair_split(
    context: dg.AssetExecutionContext,
    config: SplitSchema,  # type: ignore[valid-type]
    product_pairs: ProductPairs,
):
    """Training and validation pairs, uniform and degree-matched negatives, and whole products held out cold."""
    settings = resolve_config(context, "split", config)
    report = StepReport(context, settings)
    split = split_product_pairs(product_pairs, settings, seed=SEED)
    return report.output(
        split,
        checks.check_split(split),
        training_pairs=len(split.train.source),
        validation_pairs=len(split.validation.source),
        published_negatives=len(split.uniform_negatives.source),
        degree_matched_negatives=len(split.degree_matched_negatives.source),
        cold_products=len(split.cold),
        cold_pairs=len(split.cold_pairs.source),
    )


@dg.asset(**asset_arguments("product_graph"))
def product_graph(context: dg.AssetExecutionContext, pair_split: PairSplit) -> dg.MaterializeResult[ProductGraph]:
    """The weighted undirected graph of the training pairs, as CSR."""
    report = StepReport(context)
    s = pair_split
    graph = build_graph(s.n_nodes, s.train.source, s.train.target, s.train.weight)
    connected = int(np.count_nonzero(graph.degree))
    return report.output(
        graph,
        nodes=graph.n_nodes,
        edges=graph.n_edges,
        isolated_nodes=graph.n_nodes - connected,
        largest_degree=int(graph.degree.max(initial=0)),
        degrees=log_histogram(graph.degree, "nodes by degree"),
    )


@dg.asset(**asset_arguments("transition_matrix"), check_specs=check_specs("transition_matrix", checks.TRANSITION))
def transition_matrix(context: dg.AssetExecutionContext, product_graph: ProductGraph):
    """Row-stochastic transition probabilities; the row of an isolated product is empty."""
    report = StepReport(context)
    matrix = normalize(product_graph)
    return report.output(matrix, checks.check_transition(matrix), stored=int(matrix.nnz))


@dg.asset(**asset_arguments("walks"), check_specs=check_specs("walks", checks.WALKS))
def walks(
    context: dg.AssetExecutionContext,
    config: WalksSchema,  # type: ignore[valid-type]
    machine: Machine,
    transition_matrix: sp.csr_matrix,
):
    """Weighted first-order random walks from every product that has a pair: int32 node ids, one walk a row."""
    from core.walks import random_walks

    settings = resolve_config(context, "walks", config)
    report = StepReport(context, settings)
    rows = random_walks(
        transition_matrix, settings, seed=SEED, threads=machine.thread_count(), progress=report.progress
    )
    return report.output(rows, checks.check_walks(rows, transition_matrix, SEED), **_walk_facts(rows))


@dg.asset(**asset_arguments("node2vec_walks"), check_specs=check_specs("node2vec_walks", checks.WALKS))
def node2vec_walks(
    context: dg.AssetExecutionContext,
    config: Node2VecSchema,  # type: ignore[valid-type]
    machine: Machine,
    product_graph: ProductGraph,
):
    """Second-order random walks with return and in-out parameters p and q (node2vec), as int32 node ids."""
    from core.walks import node2vec_walks as second_order_walks

    settings = resolve_config(context, "node2vec_walks", config)
    report = StepReport(context, settings)
    rows = second_order_walks(
        product_graph, settings, seed=SEED, threads=machine.thread_count(), progress=report.progress
    )
    findings = checks.check_walks(rows, product_graph.adjacency(), SEED)
    return report.output(rows, findings, **_walk_facts(rows))


def _walk_facts(rows: np.ndarray) -> dict[str, Any]:
    head = pa.table({f"step {i}": column for i, column in enumerate(rows[:5].T)})
    return {"walks": rows.shape[0], "steps": int(np.count_nonzero(rows[:, 1:] >= 0)), "head": table(head)}
