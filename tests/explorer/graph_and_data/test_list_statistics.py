"""Statistics of whole sets of lists, against plain loops."""

import numpy as np
import pyarrow as pa
import pytest

from core.store import Store
from explorer.graph_and_data import list_statistics
from explorer.graph_and_data.list_statistics import ListSample


def test_lists_of_ranges_are_those_of_the_file(tmp_path):
    """A file of several row groups, some of which begin or end in the middle of a list."""
    n, k = 6_000, 25
    rng = np.random.default_rng(0)
    ids = pa.array([f"P{i:06d}" for i in range(n)])
    product = np.repeat(np.arange(n), k)
    neighbour = rng.integers(0, n, n * k)
    rows = {"product": product, "neighbour": neighbour}
    table = pa.table(
        {
            name: pa.DictionaryArray.from_arrays(pa.array(np.tile(v, 2).astype(np.int32)), ids)
            for name, v in rows.items()
        }
        | {
            "rank": np.tile(np.arange(1, k + 1), 2 * n).astype(np.int16),
            "score": np.zeros(2 * n * k, np.float32),
            "scoring": np.repeat(["center_center", "native"], n * k),
        }
    )
    store = Store(tmp_path)
    store.write("lists", "alpha", table)
    ranges = list_statistics.sample_ranges(n, 1_000)
    sample = list_statistics.load_list_sample(store.file("lists", "alpha", "value"), "native", ids, ranges)
    expected = np.concatenate([np.arange(start, stop) for start, stop in ranges])
    assert 900 < len(expected) <= 1_000 and expected[-1] == n - 1
    assert sample.products.tolist() == expected.tolist()
    assert np.array_equal(sample.neighbours, neighbour.reshape(n, k)[expected, :10])
    empty = list_statistics.load_list_sample(store.file("lists", "alpha", "value"), "center_context", ids, ranges)
    assert not len(empty.products)


def test_ranges_of_small_categories_hold_everything():
    assert list_statistics.sample_ranges(0) == []
    assert list_statistics.sample_ranges(7) == [(0, 7)]


def test_overlap_is_that_of_sets():
    rng = np.random.default_rng(1)
    lists = []
    for _ in range(2):
        products = np.sort(rng.choice(100, 60, replace=False))
        neighbours = np.array([rng.choice(30, 10, replace=False) for _ in products])
        neighbours[:5, 6:] = -1
        lists.append(ListSample(products, neighbours))
    a, b = lists
    products, shared = list_statistics.shared_neighbours(a, b)
    for product, count in zip(products, shared, strict=True):
        sets = [set(sample.neighbours[sample.products == product][0].tolist()) - {-1} for sample in lists]
        assert count == len(sets[0] & sets[1])
    assert set(products) == set(a.products) & set(b.products)
    popularity = rng.integers(0, 9, 100)
    rows = list_statistics.agreement_extremes(products, shared, popularity, count=5)
    least, most = (rows[rows["which"] == w] for w in ("least agreed", "most agreed"))
    assert least["shared"].tolist() == sorted(shared)[:5] and most["shared"].tolist() == sorted(shared)[::-1][:5]
    tied = least[least["shared"] == least["shared"].iloc[0]]
    assert popularity[tied["node"]].tolist() == sorted(popularity[tied["node"]], reverse=True)


def test_popularity_by_tenths():
    degree = np.r_[np.zeros(5, int), np.arange(1, 101)]  # nodes 5 to 104, the last one is the most popular
    lists = ListSample(np.arange(2), np.array([[104] * 9 + [-1], [5] * 3 + [0] * 7]))
    share = list_statistics.popularity_shares(lists, degree)
    assert share[9] == pytest.approx(9 / 12) and share[0] == pytest.approx(3 / 12) and share.sum() == pytest.approx(1)
    everyone = ListSample(np.arange(10), np.arange(5, 105).reshape(10, 10))
    assert list_statistics.popularity_shares(everyone, degree).tolist() == pytest.approx([0.1] * 10)
    assert list_statistics.popularity_shares(everyone, np.where(degree > 0, 1, 0)).tolist() == pytest.approx([0.1] * 10)
    assert (
        list_statistics.popularity_shares(ListSample(np.empty(0, int), np.empty((0, 10), int)), degree).tolist()
        == [0] * 10
    )
