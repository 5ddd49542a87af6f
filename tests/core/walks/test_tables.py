"""The tables behind random walks: alias records, neighbour sets and the symmetry checksum."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from core.graph import ProductGraph, build_graph
from core.kernels.intrinsics import draw, mix, multiply_wide, unit
from core.walks import alias, neighbour_sets


def probabilities(rows: np.ndarray, records: np.ndarray) -> np.ndarray:
    """The dense matrix of probabilities that a table of alias records stands for."""
    n = len(rows)
    result = np.zeros((n, n))
    for node in np.flatnonzero(rows["degree"]):
        lo, d = int(rows[node]["offset"]), int(rows[node]["degree"])
        part = records[lo : lo + d]
        own = part["threshold"] / 2.0**64
        np.add.at(result[node], part["neighbour"], own / d)
        np.add.at(result[node], part["alias"], (1 - own) / d)
    return result


def with_the_end(dense: np.ndarray) -> np.ndarray:
    """The probabilities of the rows of a dense matrix, and one more node to which rows without any lead."""
    n = len(dense)
    result = np.zeros((n + 1, n + 1))
    result[:n, :n] = dense
    result[result.sum(1) == 0, n] = 1.0
    return result / result.sum(1, keepdims=True)


def tables(matrix: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    rows = alias.empty_table(matrix.shape[0] + 1, alias.ROW)
    records = alias.empty_table(matrix.nnz + 1, alias.RECORD)
    alias.add_the_end(rows, records)
    alias.fill_records(
        matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data, 0, matrix.shape[0], rows, records
    )
    return rows, records


weights = st.one_of(st.sampled_from([0.5, 1.0, 1.2, 2.7]), st.floats(2.0**-30, 2.0**30, width=32))


@given(st.lists(weights, min_size=1, max_size=60), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=200, deadline=None)
def test_a_row_of_records_has_the_probabilities_of_the_row(row: list[float], dtype: type) -> None:
    n = len(row)
    matrix = sp.csr_matrix((np.array(row, dtype), np.arange(n), np.array([0, n] + [n] * (n - 1))), shape=(n, n))
    expected = with_the_end(matrix.toarray())
    np.testing.assert_allclose(probabilities(*tables(matrix)), expected, rtol=0, atol=1e-14)


def test_records_have_the_probabilities_of_a_sparse_matrix() -> None:
    rng = np.random.default_rng(1)
    dense = rng.lognormal(0, 2, (80, 80)) * (rng.random((80, 80)) < 0.2)
    dense[[3, 50]] = 0  # rows without neighbours
    expected = with_the_end(dense)
    np.testing.assert_allclose(probabilities(*tables(sp.csr_matrix(dense))), expected, rtol=0, atol=1e-14)


def test_a_hub_with_one_dominant_neighbour() -> None:
    """One neighbour holds half the mass of 200,000: the rounding of many subtractions must not add up."""
    d = 200_000
    data = np.random.default_rng(0).lognormal(0, 1, d)
    data[1234] = data.sum()
    records = alias.empty_table(d + 1, alias.RECORD)
    rows = alias.empty_table(2, alias.ROW)
    alias.fill_records(np.array([0, d]), np.arange(d, dtype=np.int32), data, 0, 1, rows, records)
    records = records[:d]
    own = records["threshold"] / 2.0**64
    result = np.bincount(records["neighbour"], own / d, d) + np.bincount(records["alias"], (1 - own) / d, d)
    np.testing.assert_allclose(result, data / data.sum(), rtol=1e-7, atol=1e-13)


def graph(n: int, m: int, seed: int = 0) -> ProductGraph:
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, n, (2, m))
    keep = source != target
    return build_graph(n, source[keep], target[keep], rng.choice([0.5, 1.2, 2.7], keep.sum()).astype(np.float32))


def test_weighted_records_also_know_the_weight_of_both_edges() -> None:
    g = graph(60, 300)
    rows = alias.empty_table(g.n_nodes, alias.WEIGHTED_ROW)
    records = alias.empty_table(len(g.indices), alias.WEIGHTED_RECORD)
    alias.fill_weighted_records(g.indptr, g.indices, g.weights, 0, g.n_nodes, rows, records)
    dense = g.adjacency().toarray().astype(float)
    at = np.repeat(np.arange(g.n_nodes), g.degree)
    np.testing.assert_array_equal(records["neighbour_weight"], dense[at, records["neighbour"]])
    np.testing.assert_array_equal(records["alias_weight"], dense[at, records["alias"]])
    np.testing.assert_allclose(rows["strength"], dense.sum(1), rtol=1e-14)
    np.testing.assert_allclose(
        probabilities(rows, records), dense / np.maximum(dense.sum(1, keepdims=True), 1e-300), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("dtype", [alias.ROW, alias.RECORD, alias.WEIGHTED_ROW, alias.WEIGHTED_RECORD])
def test_no_entry_straddles_two_cache_lines(dtype: np.dtype) -> None:
    for length in (1, 7, 100_000):
        table = alias.empty_table(length, dtype)
        assert table.shape == (length,)
        assert table.ctypes.data % 64 == 0
        assert 64 % table.itemsize == 0


@given(st.integers(2, 60), st.integers(0, 400), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_neighbour_sets_know_all_neighbours_and_no_others(n: int, m: int, seed: int) -> None:
    g = graph(n, m, seed)
    sets = alias.empty_table(2 * len(g.indices), np.dtype(np.int32))
    neighbour_sets.fill_sets(g.indptr, g.indices, 0, n, sets)
    dense = g.adjacency().toarray() > 0
    for node in np.flatnonzero(g.degree):
        offset, degree = int(g.indptr[node]), int(g.degree[node])
        members = [
            neighbour_sets.has_neighbour(sets, offset, degree, neighbour_sets.first_slot(other, degree), other)
            for other in range(n)
        ]
        np.testing.assert_array_equal(members, dense[node])


def test_asymmetry_of_a_symmetric_graph_is_zero_in_any_parts() -> None:
    g = graph(100, 500)
    parts = [neighbour_sets.asymmetry(g.indptr, g.indices, g.weights, a, a + 25) for a in range(0, 100, 25)]
    assert all(int(part) for part in parts)
    assert sum(int(part) for part in parts) % 2**64 == 0


def test_any_single_change_breaks_the_symmetry() -> None:
    g = graph(30, 60)
    for e in range(len(g.indices)):
        changed = g.weights.copy()
        changed[e] *= 1.5
        assert neighbour_sets.asymmetry(g.indptr, g.indices, changed, 0, 30) != 0


@njit
def _wide(a, b):  # type: ignore[no-untyped-def]
    return multiply_wide(a, b)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_wide_products(a: int, b: int) -> None:
    high, low = _wide(np.uint64(a), np.uint64(b))
    assert (int(high) << 64) | int(low) == a * b


def test_random_numbers_are_those_of_splitmix64() -> None:
    """First outputs for seed 1234567, as published with the reference implementation (Vigna, prng.di.unimi.it)."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [int(draw(np.uint64(1234567), counter)) for counter in range(1, 5)] == published
    assert mix(np.uint64(0)) == 0


def test_units_lie_in_zero_to_one() -> None:
    assert unit(np.uint64(0)) == 0.0
    assert unit(np.uint64(2**64 - 1)) == 1 - 2.0**-53
