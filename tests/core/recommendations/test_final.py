"""Final models learn from everything: pairs held out at random, and orders held out in time."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from core.models import MODELS
from core.orders.history import HISTORY
from core.orders.relationships import order_relationships
from core.pairs import build_pairs
from core.recommendations.choice import Choice
from core.recommendations.final import (
    everything_known,
    judged_seconds,
    judged_settings,
    needed_models,
    train_final,
    training_seconds,
)
from core.store.manifest import Manifest
from core.training.inputs import Stages, section_config
from tests.core.recommendations.catalogues import pairs_of, product_table

PRODUCTS = product_table(
    list("abcdef"), brands=["x", "x", "x", "y", "y", "y"], categories=[["r", "s"]] * 3 + [["r"]] * 3
)
PAIRS = pairs_of(PRODUCTS, [(0, 1, 2.0), (0, 2, 1.0), (3, 4, 1.0), (2, 3, 0.5)])


def history(rows):
    day = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
    rows = [
        {"product": product, "order": str(order), "customer": f"c{order}", "event": "purchase", "later": later}
        | {"time": day + datetime.timedelta(order)}
        for order, products, later in rows
        for product in products
    ]
    return pa.Table.from_pylist(rows, schema=HISTORY)


def test_models_are_trained_on_all_pairs_with_the_settings_that_were_judged():
    choices = {"goes_with": Choice("adamic_adar", "native"), "similar": Choice("matrix_factorization", "center_center")}
    settings = {"matrix_factorization": {"dim": 4, "epochs": 1}}
    final = train_final(choices, PAIRS, HISTORY.empty_table(), settings, device="cpu")
    assert set(final.models) == {"adamic_adar", "matrix_factorization", "content_knn"}
    assert final.models["matrix_factorization"].info["config"]["dim"] == 4
    adjacency = final.models["content_knn"].matrices["chain_1"]
    assert sorted(zip(*adjacency.nonzero(), strict=True)) == sorted(
        pair for a, b in ((0, 1), (0, 2), (3, 4), (2, 3)) for pair in ((a, b), (b, a))
    )
    assert final.slots["similar"] == {"model": "matrix_factorization", "scoring": "center_center", "vouched_by": {}}
    names, seconds = training_seconds(final.models)
    assert set(names) == set(final.models) and {"training", "setup"} <= set(seconds)


def test_later_orders_are_counted_with_the_others_and_nodes_stay():
    settings = {"orders": {"min_count": 2}, "pairs": {"also_bought": 0}}
    lines = history([(1, "ab", False), (2, "ab", False), (3, "cd", False), (4, "cd", True), (5, "cdf", True)])
    counted = order_relationships(lines, section_config("orders", settings))
    config = section_config("pairs", settings)
    catalog = PRODUCTS.drop_columns(["has_metadata"])
    ids = counted.products["product_id"].combine_chunks()
    judged = build_pairs(catalog, counted.relationships, config, counted.later, ids)
    assert list(zip(judged.source, judged.target, strict=True)) == [(0, 1)]  # c and d met once before the cut
    pairs, known = everything_known(judged, lines, settings)
    assert not np.asarray(known["later"]).any() and known.num_rows == lines.num_rows
    assert pairs.products is judged.products
    assert list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)) == [(0, 1), (2, 3)]
    same, unchanged = everything_known(judged, lines.slice(0, 4), settings)
    assert same is judged and unchanged.num_rows == 4


def test_sessions_and_orders_reach_the_models():
    lines = history([(1, "abc", False), (2, "def", False)])
    stages = Stages(PAIRS, None, {"sessions": {"by": "order"}}, 42, 1, "cpu", lambda *_: None, history=lines)
    assert stages.sessions.tolist() == [[0, 1, 2], [3, 4, 5]] and stages.orders is lines
    without = Stages(PAIRS, None, {}, 42, 1, "cpu", lambda *_: None)
    assert without.sessions.shape == (0, 2) and without.orders.num_rows == 0


def test_settings_are_those_in_the_manifests_of_what_was_judged():
    names = needed_models([Choice("blend", "native"), Choice("node2vec", "center_center")])
    assert set(names) == {"blend", *MODELS["blend"].models, "node2vec", "content_knn"}
    assert names.index("blend") > names.index("skipgram_side_info_mean")

    def manifest(asset):
        return Manifest(asset, "c", "v", "table", {}, 1.0, {"config": {"from": asset}}) if asset != "sessions" else None

    settings = judged_settings(names, manifest)
    assert settings["blend"] == {"from": "embeddings/blend"} and settings["node2vec_walks"] == {
        "from": "node2vec_walks"
    }
    assert settings["pairs"] == {"from": "product_pairs"} and settings["orders"] == {"from": "order_relationships"}
    assert "sessions" not in settings and "skipgram" not in settings


def test_probing_does_not_count_as_judged_training():
    rows = [
        ("blend", "training", 2.0),
        ("blend", "probing", 9.0),
        ("blend", "setup", 1.0),
        ("node2vec", "training", 5.0),
    ]
    table = pa.table({
        "protocol": ["time"] * 4 + ["ranking"], "model": [row[0] for row in rows] + ["blend"],
        "metric": [row[1] for row in rows] + ["training"], "value": [row[2] for row in rows] + [100.0],
    })  # fmt: skip
    assert judged_seconds(["blend"], table) == pytest.approx(3.0)
