"""Customers' vectors and their lists "for you"."""

import dagster as dg
import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core import checks
from core.customers.vectors import CustomerVectors
from core.interfaces import TrainedModel
from core.orders.history import known_lines
from core.pairs import ProductPairs
from core.pairs.split import PairSplit
from orchestration.assets.arguments import asset_arguments
from orchestration.config import config_schema, resolve_config
from orchestration.metadata import StepReport, check_specs, table
from orchestration.partitions import SEED
from orchestration.resources import Machine

CustomersSchema = config_schema("customers")


@dg.asset(**asset_arguments("customer_vectors"))
def customer_vectors(
    context: dg.AssetExecutionContext,
    config: CustomersSchema,  # type: ignore[valid-type]
    machine: Machine,
    history: pa.Table,
    pairs: ProductPairs,
    trained: TrainedModel,
) -> dg.MaterializeResult[CustomerVectors]:
    """A vector for every customer in the space of the products."""
    from core.customers.histories import histories_of
    from core.customers.vectors import customer_vectors as vectors_of

    settings = resolve_config(context, "customers", config)
    report = StepReport(context, settings)
    histories = histories_of(known_lines(history), pairs.products["product_id"].combine_chunks())
    result = vectors_of(histories, trained, settings, SEED)
    own = int(result.customers["own"].to_numpy().sum())
    return report.output(result, customers=histories.n_customers, with_own_vector=own)


@dg.asset(**asset_arguments("customer_lists"), check_specs=check_specs("customer_lists", checks.CUSTOMER_LISTS))
def customer_lists(
    context: dg.AssetExecutionContext,
    config: CustomersSchema,  # type: ignore[valid-type]
    history: pa.Table,
    pairs: ProductPairs,
    split: PairSplit,
    trained: TrainedModel,
):
    """What each customer may buy next, from the history and the model that are measured."""
    from core.customers.histories import histories_of
    from core.customers.lists import customer_lists as lists_of
    from core.customers.lists import measure_lists

    settings = resolve_config(context, "customers", config)
    report = StepReport(context, settings)
    ids = pairs.products["product_id"].combine_chunks()
    matrix = trained.matrices.get("chain_0", sp.csr_matrix((len(ids), len(ids)), dtype=np.float32))
    measured = measure_lists(split.orders, matrix, settings)
    lists = lists_of(histories_of(known_lines(history), ids), matrix, ids, settings, report.progress)
    return report.output(
        lists,
        checks.check_customer_lists(measured),
        rows=lists.num_rows,
        measured=dg.MetadataValue.json(measured),
        head=table(lists, 10),
    )
