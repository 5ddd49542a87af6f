"""What customers buy next: a matrix of steps in their histories."""

from dataclasses import asdict

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.customers.histories import histories_of
from core.interfaces import Inputs, TrainContext, TrainedModel
from core.models.next_purchase.config import NextPurchaseConfig
from core.models.next_purchase.spread import spread
from core.models.next_purchase.transitions import damped, transitions
from core.progress import Progress, silent


def train(inputs: Inputs, config: NextPurchaseConfig, context: TrainContext) -> TrainedModel:
    """Score of product j for a customer who has i = how often j follows i in the histories of customers.

    A pair within ``window`` steps counts ``decay`` per step, backwards less; the counts are divided by powers of the
    popularity of both products. Products of similar brand and categories share their counts
    (:func:`core.models.next_purchase.spread.spread`). A category without customers has no histories; there the weights
    of the training pairs take the place of the counts.

    Returns:
        TrainedModel with ``chain_0``, float32 CSR ``[n_nodes, n_nodes]``, which is not symmetric. ``seen`` marks the
        products with an entry in their row or column.
    """
    if inputs.products is None or inputs.graph is None or inputs.orders is None:
        raise ValueError("next_purchase needs the products, the training graph and the history of orders")
    with context.clock.phase("training"):
        histories = histories_of(inputs.orders, inputs.products["product_id"].combine_chunks())
        if histories.n_customers:
            counts = transitions(
                histories.customer, histories.node, inputs.n_nodes, config.window, config.decay, config.backward
            )
            popularity = np.bincount(histories.node, minlength=inputs.n_nodes)
        else:
            counts, popularity = inputs.graph.adjacency(), inputs.graph.degree
        matrix = purchase_matrix(counts, popularity, inputs.products, config, context.threads, context.progress)
    seen = np.diff(matrix.indptr) > 0
    seen[matrix.indices] = True
    facts = {"customers": histories.n_customers, "events": len(histories.node), "stored": int(matrix.nnz)}
    return TrainedModel(
        model="next_purchase",
        seen=seen,
        matrices={"chain_0": matrix},
        info={"config": asdict(config), "device": "cpu", **facts},
    )


def purchase_matrix(
    counts: sp.csr_matrix,
    popularity: np.ndarray,
    products: pa.Table,
    config: NextPurchaseConfig,
    threads: int = 2,
    progress: Progress = silent,
) -> sp.csr_matrix:
    """The counts, divided by powers of popularity and spread over similar products; see :func:`train`.

    Args:
        counts: CSR ``[n_nodes, n_nodes]`` from :func:`core.models.next_purchase.transitions.transitions`.
        popularity: ``[n_nodes]``: number of events.
        products: node-aligned metadata with columns ``brand`` and ``categories``.
        config: settings; those of the counts are not used.
        threads: CPU threads; they do not change the result.
        progress: progress callback.

    Returns:
        float32 CSR ``[n_nodes, n_nodes]``.
    """
    from core.models.content_knn.similarity import features, similar_products  # Numba comes with it

    similar = similar_products(
        features(products), popularity, config.floor, _COSINE_POWER, config.keep, _FAN_OUT, threads, progress
    )
    return spread(
        damped(counts, popularity, config.source_power, config.target_power), similar, popularity,
        neighbours=config.similar, from_similar=config.from_similar, to_similar=config.to_similar,
        alike=config.alike, keep=config.keep, threads=threads, progress=progress,
    )  # fmt: skip


_COSINE_POWER = 2.0
_FAN_OUT = 1000
"""Maximum number of products that are searched per brand or category, the popular ones first."""
