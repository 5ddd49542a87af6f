"""Vectors of customers in the space of a product model."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.customers.config import CustomersConfig
from core.customers.histories import Histories
from core.interfaces import TrainedModel
from core.pairs.held_out_orders import ProductSets

CUSTOMERS = pa.schema([("customer", pa.string()), ("events", pa.int64()), ("type", pa.int32()), ("own", pa.bool_())])


@dataclass(frozen=True)
class CustomerVectors:
    """Vectors of customers.

    Attributes:
        customers: table of schema :data:`CUSTOMERS`: id, number of events, type (its number), and whether the vector is
            the customer's own or the mean of its type.
        vectors: float32 ``[c, dim]``; zero if neither the customer nor its type has a product that the model knows.
    """

    customers: pa.Table
    vectors: np.ndarray


def customer_vectors(
    histories: Histories, trained: TrainedModel, config: CustomersConfig | None = None, seed: int = 42
) -> CustomerVectors:
    """The recency-weighted mean of the unit vectors of each customer's latest products.

    A customer with fewer than ``min_events`` products that the model knows gets the mean vector of its type. The types
    are clusters (k-means) of the customers with vectors of their own, by their vectors, number of events and popularity
    of their products; a customer belongs to the type with the nearest center, as with the user types of Grbovic and
    Cheng, "Real-time Personalization using Embeddings for Search Ranking at Airbnb" (KDD 2018).

    Args:
        histories: what training may know of the customers.
        trained: a model with vectors.
        config: settings.
        seed: seed of the clusters.
    """
    from core.scoring.vectors import normalized  # Numba comes with it

    config = config or CustomersConfig()
    table = getattr(trained, config.vectors) if getattr(trained, config.vectors) is not None else trained.center
    if table is None:
        raise ValueError(f"{trained.model} has no vectors")
    known = np.flatnonzero(trained.seen[histories.node])
    counted = Histories(histories.customers, histories.customer[known], histories.node[known])
    products = counted.latest_first()
    vectors = mean_vectors(products.first(config.history), normalized(table), config.vector_recency)
    own = products.sizes >= config.min_events
    events = np.bincount(histories.customer, minlength=histories.n_customers)
    types = np.zeros(len(own), np.int32)
    if len(own):
        described = np.hstack([vectors, _segments(histories, events)]).astype(np.float32)
        types = _types(described, own if own.any() else np.ones(len(own), bool), config.types, seed)
        vectors = _with_types(vectors, types, own)
    columns = [histories.customers.cast(pa.string()), pa.array(events), pa.array(types), pa.array(own)]
    return CustomerVectors(pa.table(columns, schema=CUSTOMERS), vectors)


def mean_vectors(sets: ProductSets, vectors: np.ndarray, recency: float) -> np.ndarray:
    """float32 ``[s, dim]``: the mean of the vectors of each set; the product at place p counts ``recency ** p``."""
    weights = sets.matrix(len(vectors), recency)
    total = np.asarray(weights.sum(axis=1))
    return np.asarray(weights @ vectors / np.where(total > 0, total, 1), dtype=np.float32)


def _segments(histories: Histories, events: np.ndarray) -> np.ndarray:
    """float64 ``[c, 2]``: logarithms of the number of events and of the mean popularity of the products, with mean 0
    and as much variance in all as the unit vectors at most have."""
    popularity = np.bincount(histories.node)
    total = np.bincount(histories.customer, popularity[histories.node], minlength=len(events))
    columns = np.log1p(np.column_stack([events, total / np.maximum(events, 1)]))
    columns -= columns.mean(axis=0)
    deviation = columns.std(axis=0)
    scaled: np.ndarray = columns / np.where(deviation > 0, deviation, 1) / np.sqrt(2)
    return scaled


def _types(described: np.ndarray, own: np.ndarray, types: int, seed: int) -> np.ndarray:
    from sklearn.cluster import MiniBatchKMeans

    n_types = min(types, len(np.unique(described[own], axis=0)))
    clusters = MiniBatchKMeans(n_types, random_state=seed, n_init=3, batch_size=4096).fit(described[own])
    return np.asarray(clusters.predict(described), dtype=np.int32)


def _with_types(vectors: np.ndarray, types: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The vectors, with those that are not the customer's own replaced by the mean of their type's own vectors."""
    count = np.bincount(types[own], minlength=int(types.max()) + 1)
    members = sp.csr_matrix((np.ones(own.sum()), (types[own], np.flatnonzero(own))), shape=(len(count), len(own)))
    means = np.asarray(members @ vectors) / np.maximum(count, 1)[:, None]
    replaced = ~own & (count[types] > 0)
    result = vectors.copy()
    result[replaced] = means[types[replaced]]
    return result
