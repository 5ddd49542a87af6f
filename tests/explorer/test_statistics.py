"""What the explorer counts: graphs, whole lists, marks on curves, groups of a map; against plain loops and networkx."""

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from core.evaluation.link import operating_points, thresholds
from core.graph import build_graph
from core.graph.statistics import graph_statistics
from core.store import Store
from explorer.evaluation import charts, curve_marks
from explorer.graph_and_data import list_statistics
from explorer.graph_and_data.list_statistics import ListSample
from explorer.product_map import groups, scene
from tests import explorer_fixture as fixture


def test_graph_statistics_are_those_of_networkx():
    rng = np.random.default_rng(3)
    source, target = rng.integers(0, 300, (2, 150)).astype(np.int32)
    keep = source != target
    source, target = source[keep], target[keep]
    weight = rng.choice([0.5, 0.7, 1.0, 1.9, 2.0, 7.5], len(source)).astype(np.float32)
    graph = build_graph(300, source, target, weight)
    found = graph_statistics(graph)
    peer = nx.from_scipy_sparse_array(graph.adjacency())
    assert found.degree.tolist() == [degree for _, degree in peer.degree()]
    sizes = sorted((len(c) for c in nx.connected_components(peer) if len(c) > 1), reverse=True)
    assert found.component_sizes.tolist() == sizes
    weights = [data["weight"] for _, _, data in peer.edges(data=True)]
    assert found.weight_counts.tolist() == np.histogram(weights, found.weight_edges)[0].tolist()
    assert found.weight_counts.sum() == graph.n_edges


def test_a_graph_without_edges():
    none = np.empty(0, np.int32)
    found = graph_statistics(build_graph(5, none, none, none.astype(np.float32)))
    assert found.degree.tolist() == [0] * 5
    assert not len(found.component_sizes) and not len(found.weight_counts) and not len(found.weight_edges)


def test_lists_of_stretches_are_those_of_the_file(tmp_path):
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
    found = list_statistics.load_list_sample(store.file("lists", "alpha", "value"), "native", ids, ranges)
    expected = np.concatenate([np.arange(start, stop) for start, stop in ranges])
    assert 900 < len(expected) <= 1_000 and expected[-1] == n - 1
    assert found.products.tolist() == expected.tolist()
    assert np.array_equal(found.neighbours, neighbour.reshape(n, k)[expected, :10])
    nothing = list_statistics.load_list_sample(store.file("lists", "alpha", "value"), "center_context", ids, ranges)
    assert not len(nothing.products)


def test_stretches_of_small_categories_hold_everything():
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
        sets = [set(one.neighbours[one.products == product][0].tolist()) - {-1} for one in lists]
        assert count == len(sets[0] & sets[1])
    assert set(products) == set(a.products) & set(b.products)
    popularity = rng.integers(0, 9, 100)
    rows = list_statistics.agreement_extremes(products, shared, popularity, count=5)
    least, most = (rows[rows["which"] == w] for w in ("least agreed", "most agreed"))
    assert least["shared"].tolist() == sorted(shared)[:5] and most["shared"].tolist() == sorted(shared)[::-1][:5]
    tied = least[least["shared"] == least["shared"].iloc[0]]
    assert popularity[tied["node"]].tolist() == sorted(popularity[tied["node"]], reverse=True)


def test_popularity_by_tenths():
    degree = np.r_[np.zeros(5, int), np.arange(1, 101)]  # nodes 5..104, the last the most popular
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


def curve(positive, negative):
    return pd.DataFrame(operating_points(thresholds(positive, negative), 200))


def test_the_cliff_is_where_many_pairs_share_a_score():
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1, 1, 5_000), rng.normal(-1, 1, 5_000)
    assert curve_marks.find_cliff(curve(positive, negative)) is None
    positive[:500], negative[:2_000] = 0.25, 0.25
    found = curve_marks.find_cliff(curve(positive, negative))
    assert found.threshold == pytest.approx(0.25)
    assert found.positives == pytest.approx(0.1, abs=0.01) and found.negatives == pytest.approx(0.4, abs=0.01)
    assert found.after < found.before
    assert (
        "The cliff is at 0.25: 10% of the positive and 40% of the negative"
        in charts.threshold_chart(curve(positive, negative)).text
    )


def test_restarts_are_where_the_learning_rate_rises():
    rates = {"a": [0.1, 0.05, 0.1, 0.1, 0.02], "b": [0.2, 0.1, 0.05, 0.01, 0.01]}
    frame = pd.DataFrame(
        [
            {"model": m, "epoch": 1, "batch": i, "examples": i, "seconds": i, "learning_rate": r, "loss": 1 / (i + 1)}
            for m, values in rates.items()
            for i, r in enumerate(values)
        ]
    )
    found = curve_marks.find_restarts(frame)
    assert found[["model", "batch"]].to_numpy().tolist() == [["a", 2]]
    assert (
        "Restarts of the learning rate, marked by diamonds: a 1."
        in charts.learning_chart(frame, ["a", "b"], "loss", "batch").text
    )


def test_groups_of_a_map():
    paths = [["All", "Shoes", "Red"]] * 5 + [["All", "Hats"]] * 3 + [["All"]] + [[]] * 2 + [None]
    brands = ["X"] * 4 + [None] * 8
    products = pa.table({"categories": pa.array(paths, pa.list_(pa.string())), "brand": pa.array(brands, pa.string())})
    nodes = np.array([11, 0, 5, 8, 9])
    found = groups.group_products(products, np.arange(12), "category")
    assert found.names == ["Shoes", "Hats", groups.OTHER, groups.UNKNOWN] and found.sizes == [5, 3, 0, 4]
    some = groups.group_products(products, nodes, "category")
    assert [some.names[i] for i in some.of] == [groups.UNKNOWN, "Shoes", "Hats", groups.UNKNOWN, groups.UNKNOWN]
    brand = groups.group_products(products, nodes, "brand")
    assert [brand.names[i] for i in brand.of] == [groups.UNKNOWN, "X", *[groups.UNKNOWN] * 3]
    nothing = groups.group_products(products.slice(8), np.arange(4), "brand")
    assert nothing.names == [groups.OTHER, groups.UNKNOWN] and nothing.sizes == [0, 4]


def test_many_brands_share_one_colour():
    brands = [f"b{i}" for i in range(20) for _ in range(20 - i)]
    products = pa.table({"brand": brands, "categories": pa.nulls(len(brands), pa.list_(pa.string()))})
    found = groups.group_products(products, np.arange(len(brands)), "brand")
    assert found.names == [f"b{i}" for i in range(groups.MAX_GROUPS)] + [groups.OTHER, groups.UNKNOWN]
    assert found.sizes[-2] == sum(20 - i for i in range(groups.MAX_GROUPS, 20)) and found.sizes[-1] == 0


def test_a_click_on_the_map_names_the_product():
    products = fixture.products()
    grouping = groups.group_products(products, np.arange(fixture.N), "brand")
    position = np.random.default_rng(0).uniform(-1, 1, (fixture.N, 2)).astype(np.float32)
    shown = scene.sample_points(fixture.N, 30)
    assert len(shown) == 30 and len(np.unique(shown)) == 30
    colours = scene.group_colours(["#0f6b6b", "#d1662b"], "light", len(grouping.names) - 2)
    drawing = scene.build_scene(position, shown, grouping, colours, "light", chosen=7, neighbours=np.array([1, 2]))
    for group in range(len(grouping.names)):
        places = shown[grouping.of[shown] == group].tolist()
        for i, place in enumerate(places):
            assert drawing.picked({f"group {group}": [i]}) == place
    assert drawing.picked({"chosen": [0]}) == 7 and drawing.picked({"neighbours": [1]}) == 2
    assert (
        drawing.picked({}) is None
        and drawing.picked({"lines": [0]}) is None
        and drawing.picked({"chosen": [5]}) is None
    )


def test_colours_repeat_when_the_palette_is_short():
    found = scene.group_colours(["#0f6b6b", "#d1662b"], "dark", 3)
    assert found[0] == found[2] == (15, 107, 107) and len(found) == 5
    assert scene.hex_colour(found[0]) == "#0f6b6b"
