"""Stages 2 and 3: pairs and their split, the training graph, its transition matrix and the walks on it."""

import dataclasses
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core import checks
from core.graph import ProductGraph, build_graph
from core.graph import transition_matrix as normalize
from core.orders.held_out import held_out_orders
from core.orders.relationships import OrderRelationships
from core.pairs import ProductPairs, build_pairs
from core.pairs.split import PairSplit, split_product_pairs
from orchestration.assets.arguments import asset_arguments
from orchestration.config import config_schema, resolve_config
from orchestration.metadata import StepReport, check_specs, log_histogram, table
from orchestration.partitions import SEED
from orchestration.resources import Machine

OrdersSchema, PairsSchema = config_schema("orders"), config_schema("pairs")
SplitSchema, WalksSchema = config_schema("split"), config_schema("walks")
Node2VecSchema, SessionsSchema = config_schema("node2vec_walks"), config_schema("sessions")


@dg.asset(**asset_arguments("order_history"), check_specs=check_specs("order_history", checks.ORDERS))
def order_history(
    context: dg.AssetExecutionContext,
    config: SplitSchema,  # type: ignore[valid-type]
    raw_orders: pa.Table,
):
    """What was bought and viewed and not returned, and which of it is held out for the test in time."""
    from core.orders.history import order_history as clean_and_split

    settings = resolve_config(context, "split", config)
    report = StepReport(context, settings)
    history, facts = clean_and_split(raw_orders, settings)
    findings = checks.check_orders(facts)
    return report.output(
        history, findings, rows=history.num_rows, orders=dg.MetadataValue.json(facts), head=table(history)
    )


@dg.asset(**asset_arguments("order_relationships"))
def order_relationships(
    context: dg.AssetExecutionContext,
    config: OrdersSchema,  # type: ignore[valid-type]
    machine: Machine,
    order_history: pa.Table,
) -> dg.MaterializeResult[OrderRelationships]:
    """Products bought together, also bought and also viewed, counted from order lines."""
    from core.orders.relationships import order_relationships as count

    settings = resolve_config(context, "orders", config)
    report = StepReport(context, settings)
    related = count(order_history, settings, machine.thread_count(), report.progress)
    return report.output(
        related,
        rows=related.relationships.num_rows,
        later_rows=0 if related.later is None else related.later.num_rows,
        counted=dg.MetadataValue.json(related.info),
        head=table(related.relationships),
    )


@dg.asset(**asset_arguments("product_pairs"), check_specs=check_specs("product_pairs", checks.PAIRS))
def product_pairs(
    context: dg.AssetExecutionContext,
    config: PairsSchema,  # type: ignore[valid-type]
    raw_products: pa.Table,
    raw_relationships: pa.Table,
    order_relationships: OrderRelationships,
):
    """Undirected weighted pairs: what a listing weighs follows from its relationship and its place in the list."""
    settings = resolve_config(context, "pairs", config)
    report = StepReport(context, settings)
    counted = order_relationships
    if counted.products.num_rows:
        more_ids = counted.products["product_id"].combine_chunks()
        pairs = build_pairs(raw_products, counted.relationships, settings, counted.later, more_ids)
    else:
        pairs = build_pairs(raw_products, raw_relationships, settings)
    degree = np.bincount(np.r_[pairs.source, pairs.target], minlength=pairs.products.num_rows)
    return report.output(
        pairs,
        checks.check_pairs(pairs),
        products=pairs.products.num_rows,
        products_with_metadata=int(np.sum(pairs.products["has_metadata"].to_numpy())),
        pairs=len(pairs.source),
        listings_with_place=0 if pairs.listings is None else int(np.count_nonzero(pairs.listings.place)),
        **pairs.info,
        degrees=log_histogram(degree, "products by number of pairs"),
        head=table(pairs.products.select(["product_id", "title", "brand", "price", "has_metadata"])),
    )


@dg.asset(**asset_arguments("pair_split"), check_specs=check_specs("pair_split", checks.SPLIT))
def pair_split(
    context: dg.AssetExecutionContext,
    config: SplitSchema,  # type: ignore[valid-type]
    product_pairs: ProductPairs,
    order_history: pa.Table,
):
    """Training and validation pairs, uniform and degree-matched negatives, and whole products held out cold."""
    settings = resolve_config(context, "split", config)
    report = StepReport(context, settings)
    split = split_product_pairs(product_pairs, settings, seed=SEED)
    orders = held_out_orders(order_history, product_pairs.products["product_id"].combine_chunks())
    split = dataclasses.replace(split, orders=orders)
    return report.output(
        split,
        checks.check_split(split),
        training_pairs=len(split.train.source),
        validation_pairs=len(split.validation.source),
        published_negatives=len(split.uniform_negatives.source),
        degree_matched_negatives=len(split.degree_matched_negatives.source),
        cold_products=len(split.cold),
        cold_pairs=len(split.cold_pairs.source),
        later_orders=0 if orders is None else len(orders.orders),
        customers_with_later_orders=0 if orders is None else len(orders.history),
    )


@dg.asset(**asset_arguments("sessions"))
def sessions(
    context: dg.AssetExecutionContext,
    config: SessionsSchema,  # type: ignore[valid-type]
    order_history: pa.Table,
    product_pairs: ProductPairs,
    pair_split: PairSplit,
) -> dg.MaterializeResult[np.ndarray]:
    """The products of each order, session or customer in time: int32 node ids, one a row, without what is held out."""
    from core.orders.sessions import sessions as rows_in_time

    settings = resolve_config(context, "sessions", config)
    report = StepReport(context, settings)
    ids = product_pairs.products["product_id"].combine_chunks()
    made = rows_in_time(order_history, ids, pair_split, settings)
    head = pa.table({f"product {i}": column for i, column in enumerate(made.rows[:5, :10].T, 1)})
    return report.output(
        made.rows,
        rows=len(made.rows),
        lines_used=made.info.get("lines_used", 0),
        sessions=dg.MetadataValue.json(made.info),
        head=table(head),
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
