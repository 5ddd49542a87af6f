"""The page Baskets over the hand-made store."""

import numpy as np
import pyarrow as pa
import pytest

from core.orders.history import HISTORY
from core.scoring import baskets
from tests import explorer_fixture as fixture
from tests.explorer_pages import BASKETS, choose, rerun, texts

O4 = [fixture.LONELY, fixture.WARM, "B000000011", "B000000012", fixture.SCRIPT]
"""The different products of the later order o4."""


def stored(store, model, product, scoring, k=10):
    """The first neighbours of a product in the store."""
    rows = store.read(f"neighbours/{model}", fixture.CATEGORY).table.to_pylist()
    return [r["neighbour"] for r in rows if r["product"] == product and r["scoring"] == scoring][:k]


def plainly(at):
    return texts(at).replace("\\", "")


def test_the_latest_later_order_comes_first_and_stands_in_the_address(full, start):
    at = start(full, BASKETS)
    assert at.query_params["order"] == "o6"
    assert at.selectbox(key="order hit").label == "The latest of 3 orders"
    assert [o.split(" · ")[0] for o in at.selectbox(key="order hit").options] == ["o6", "s7", "o4"]
    assert "2025-03-09 10:00 · 3 products" in plainly(at)
    assert "Later means from 2025-03-02 10:00 (UTC) on" in plainly(at)


def test_lists_are_those_of_the_store_with_hits_and_misses(full, start):
    at = start(full, BASKETS, order="o4", models=["popularity", "skipgram"])
    # The first product of the order has no pair, so that models know nothing about it.
    assert at.selectbox(key="given product").value == fixture.WARM
    others = [product for product in O4 if product != fixture.WARM]
    lists = {m: stored(full, m, fixture.WARM, fixture.MODELS[m][0], 50) for m in ("popularity", "skipgram")}
    for frame, (model, ids) in zip(at.dataframe[:2], lists.items(), strict=True):
        assert frame.value["id"].tolist() == ids[:10]
        assert frame.value["hit"].tolist() == ["★" if i in others else "" for i in ids[:10]]
        hits = len(set(others) & set(ids[:10]))
        assert f"**{hits} of 4 other products** in the top 10" in texts(at), model
        average = {"popularity": "0.150 (0.140–0.160)", "skipgram": "0.182 (0.172–0.192)"}[
            model
        ]  # a fifth of the level
        assert f"Recall@10: {hits / 4:.2f} here, {average} on average" in texts(at)
    asked = at.dataframe[2].value.set_index("id")
    assert set(asked.index) == set(others)
    for product in others:
        for model, ids in lists.items():
            rank = ids.index(product) + 1 if product in ids else 0
            assert asked[model].fillna(0)[product] == rank
        shown = any(product in ids[:10] for ids in lists.values())
        assert (asked.loc[product, "missed"] == "") == shown
    assert asked.loc[fixture.LONELY, "missed"] == "has no pair before the cut"
    missed = (asked["missed"] != "").tolist()
    assert missed == sorted(missed)
    assert "<script>" not in texts(at)


def test_another_given_product_goes_into_the_address(full, start):
    at = start(full, BASKETS, order="o4", models="skipgram")
    at.selectbox(key="given product").set_value("B000000011")
    rerun(at)
    assert at.query_params["given"] == "B000000011"
    assert at.dataframe[0].value["id"].tolist() == stored(full, "skipgram", "B000000011", "center_context")
    at.selectbox(key="order hit").set_value("s7")
    rerun(at)
    assert at.query_params["order"] == "s7" and "given" not in at.query_params
    assert "Session s7" in texts(at) and at.selectbox(key="order hit").value is None


def test_a_given_product_without_a_list_says_so(full, start):
    at = start(full, BASKETS, order="o4", given=fixture.LONELY, models="skipgram")
    assert at.selectbox(key="given product").value == fixture.LONELY
    assert "It has no list, because the given product has no pair before the cut." in texts(at)


def test_the_rest_of_the_basket_is_the_fused_list(full, start):
    at = start(full, BASKETS, order="o4", models="skipgram", question="rest of the basket", missing=fixture.SCRIPT)
    given = [product for product in O4 if product != fixture.SCRIPT]
    index = fixture.products()["product_id"].to_pylist()
    lists = [[index.index(i) for i in stored(full, "skipgram", p, "center_context", 50)] for p in given]
    fused = baskets.combine([np.array(part, dtype=int) for part in lists], [index.index(p) for p in given], 10)
    assert at.dataframe[0].value["id"].tolist() == [index[node] for node in fused.nodes]
    assert at.dataframe[1].value["id"].tolist() == [fixture.SCRIPT]
    listed = [index[node] for node in fused.nodes]
    place = listed.index(fixture.SCRIPT) + 1 if fixture.SCRIPT in listed else 0
    assert (f"**Found** at place {place}" if place else "**Not found** in the top 10") in texts(at)
    assert "0.152 (0.142–0.162) on average" in texts(at)  # of the other protocol: a sixth of the level


def test_a_missing_product_that_is_found_has_its_place(full, start):
    """The basket of two products whose fused list, that of the given one, is headed by the missing one."""
    first = stored(full, "skipgram", fixture.WARM, "center_context")[0]
    query = {"from": "my own", "question": "rest of the basket", "models": "skipgram", "missing": first}
    at = start(full, BASKETS, basket=[fixture.WARM, first], **query)
    assert "**Found** at place 1" in texts(at) and at.dataframe[0].value["hit"].tolist() == ["★"] + [""] * 9


def test_a_random_order_is_one_of_the_later_ones(full, start):
    at = start(full, BASKETS, order="nothing like it")
    assert "There is no later order nothing like it" in plainly(at) and not at.dataframe
    at.button(key="random order").click()
    rerun(at)
    assert any(name in texts(at) for name in ("Order o4", "Order o6", "Session s7"))
    assert at.dataframe


def test_orders_are_found_by_id(full, start):
    at = start(full, BASKETS)
    at.text_input(key="order search").set_value("O4")
    rerun(at)
    assert at.selectbox(key="order hit").label == "1 order found" and len(at.selectbox(key="order hit").options) == 1


def test_a_basket_of_ones_own(full, start):
    at = start(full, BASKETS, **{"from": "my own", "models": "skipgram"})
    assert "Choose at least two products" in texts(at)
    for product in (fixture.WARM, "B000000009"):
        choose(at, "basket search", product)
    assert at.query_params["basket"] == [fixture.WARM, "B000000009"]
    assert at.dataframe[0].value["id"].tolist() == stored(full, "skipgram", fixture.WARM, "center_context")
    assert at.dataframe[1].value["id"].tolist() == ["B000000009"]


def test_the_best_models_are_shown_first(full, start):
    assert start(full, BASKETS).multiselect(key="models").value == ["skipgram", "gensim_word2vec", "popularity"]


def test_a_category_without_orders_says_what_to_do(tmp_path, start):
    store = fixture.write(tmp_path)
    store.write("order_history", fixture.CATEGORY, HISTORY.empty_table())
    at = start(store, BASKETS)
    assert "has no orders" in at.info[0].value and "docs/data-formats.md" in at.info[0].value and not at.dataframe


def test_orders_that_are_not_split_leave_a_basket_of_ones_own(tmp_path, start):
    store = fixture.write(tmp_path)
    history = fixture.history()
    known = pa.array(np.zeros(history.num_rows, bool))
    store.write("order_history", fixture.CATEGORY, history.set_column(6, "later", known))
    at = start(store, BASKETS)
    assert "Split its orders in time" in at.info[0].value
    at = start(store, BASKETS, **{"from": "my own", "basket": [fixture.WARM, "B000000009"]})
    assert at.dataframe and not at.error


def test_without_metrics_the_lists_are_shown_all_the_same(tmp_path, start):
    store = fixture.write(tmp_path)
    board = fixture.evaluation("skipgram", (), 0.5)
    for model in fixture.MODELS:
        store.write(f"metrics/{model}", fixture.CATEGORY, board)
    at = start(store, BASKETS, order="o4", models="skipgram")
    assert "here, not measured over all later orders" in texts(at)
    assert at.dataframe[0].value["id"].tolist() == stored(store, "skipgram", fixture.WARM, "center_context")


@pytest.mark.parametrize("by", ["last_order", "time"])
def test_later_is_explained_by_how_the_orders_were_split(tmp_path, start, by):
    store = fixture.write(tmp_path)
    store.write("order_history", fixture.CATEGORY, fixture.history(), {"config": {"by": by}})
    text = texts(start(store, BASKETS))
    assert ("the last order of every customer" in text) == (by == "last_order")
