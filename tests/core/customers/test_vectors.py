"""Customers' vectors, by hand and against a dense reference."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from core.customers.config import CustomersConfig
from core.customers.histories import Histories
from core.customers.vectors import CUSTOMERS, customer_vectors
from core.interfaces import TrainedModel


def model(vectors, seen=None):
    vectors = np.asarray(vectors, np.float32)
    seen = np.ones(len(vectors), bool) if seen is None else np.array(seen)
    return TrainedModel("skipgram", seen, center=vectors, context=vectors[:, ::-1].copy())


def histories(*products):
    customer = np.repeat(np.arange(len(products)), [len(p) for p in products])
    return Histories(
        pa.array([f"c{i}" for i in range(len(products))]), customer, np.concatenate(products).astype(np.int32)
    )


def test_the_mean_counts_the_latest_products_most_and_unit_vectors():
    # The latest product of the customer is 1; the vectors have lengths 2 and 3.
    result = customer_vectors(histories([0, 1]), model([[2, 0], [0, 3]]), CustomersConfig(vector_recency=0.5))
    np.testing.assert_allclose(result.vectors, [[0.5 / 1.5, 1 / 1.5]], rtol=1e-6)
    assert result.customers.schema == CUSTOMERS and result.vectors.dtype == np.float32
    context = customer_vectors(
        histories([0, 1]), model([[2, 0], [0, 3]]), CustomersConfig(vector_recency=0.5, vectors="context")
    )
    np.testing.assert_allclose(context.vectors, result.vectors[:, ::-1], rtol=1e-6)


def test_products_that_the_model_does_not_know_count_for_nothing():
    result = customer_vectors(
        histories([0, 1, 2]), model(np.eye(3), [True, True, False]), CustomersConfig(min_events=2)
    )
    assert result.customers.to_pylist() == [{"customer": "c0", "events": 3, "type": 0, "own": True}]
    assert result.vectors[0, 2] == 0 and result.vectors[0, 1] > result.vectors[0, 0] > 0


def test_customers_with_few_events_get_the_mean_of_their_type():
    # Two crowds of customers with several products each, and one customer of either kind with one product.
    crowd = [[0, 1]] * 5 + [[2, 3]] * 5 + [[0], [3]]
    vectors = np.array([[1, 0.1, 0], [1, 0, 0], [0, 0, 1], [0, 0.1, 1]])
    config = CustomersConfig(types=2, min_events=2, vector_recency=1.0)
    result = customer_vectors(histories(*crowd), model(vectors), config)
    table = result.customers.to_pydict()
    assert table["own"] == [True] * 10 + [False, False]
    assert table["type"][0] == table["type"][10] != table["type"][9] == table["type"][11]
    np.testing.assert_allclose(result.vectors[10], result.vectors[:5].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(result.vectors[11], result.vectors[5:10].mean(axis=0), rtol=1e-5)


def test_a_seed_repeats_itself_and_small_shops_work():
    rng = np.random.default_rng(3)
    many = histories(*[rng.integers(0, 30, size) for size in rng.integers(1, 9, 60)])
    trained = model(rng.normal(size=(30, 8)))
    first, second = (customer_vectors(many, trained, CustomersConfig(types=7), seed=5) for _ in range(2))
    assert np.array_equal(first.vectors, second.vectors) and first.customers.equals(second.customers)
    alone = customer_vectors(histories([4]), trained)  # nobody has a vector of its own
    np.testing.assert_allclose(alone.vectors[0], trained.center[4] / np.linalg.norm(trained.center[4]), rtol=1e-5)


def test_no_customers_no_vectors_and_no_vectors_an_error():
    nobody = Histories(pa.array([], pa.string()), np.empty(0, np.int64), np.empty(0, np.int32))
    result = customer_vectors(nobody, model(np.eye(3)))
    assert result.vectors.shape == (0, 3) and result.customers.schema == CUSTOMERS
    bare = dataclasses.replace(model(np.eye(3)), center=None, context=None)
    with pytest.raises(ValueError, match="skipgram has no vectors"):
        customer_vectors(nobody, bare)
