"""Searching for products, against plain loops."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from explorer.shared.product_index import ProductIndex
from tests import explorer_fixture as fixture


def index(rows, popularity=None):
    ids, titles, brands = zip(*sorted(rows), strict=True)
    table = pa.table(
        {
            "product_id": pa.array(ids, pa.string()),
            "title": pa.array(titles, pa.string()),
            "brand": pa.array(brands, pa.string()),
        }
    )
    return ProductIndex(table, np.zeros(len(ids), int) if popularity is None else np.array(popularity))


def search(products, query, limit=50):
    return [products.product(int(node))["product_id"] for node in products.find(query, limit).nodes]


def test_order_is_exact_id_then_id_prefix_then_title_prefix_then_popularity():
    products = index(
        [
            ("A1", "cable", None),
            ("A10", "case", None),
            ("B1", "a1 sauce", None),
            ("C1", "steak with a1 sauce", "x"),
            ("C2", "more a1", "y"),
            ("D1", "nothing", "z"),
        ],
        popularity=[0, 5, 1, 2, 9, 99],
    )
    assert search(products, "a1") == ["A1", "A10", "B1", "C2", "C1"]
    assert search(products, "A1", limit=3) == ["A1", "A10", "B1"]
    assert products.find("a1", 3).total == 5


def test_counting_stops_when_enough_is_found_but_the_best_are_still_found(monkeypatch):
    monkeypatch.setattr("explorer.shared.product_index._BLOCK", 10)
    monkeypatch.setattr("explorer.shared.product_index._MAX_COUNTED", 20)
    rows = [(f"P{i:03d}", f"red thing {i}", None) for i in range(200)]
    rows[199] = ("P199", "thing", None)  # the least popular product, but its title starts with the query
    products = index(rows, popularity=range(200, 0, -1))
    hits = products.find("thing", 5)
    assert search(products, "thing", 5) == ["P199", "P000", "P001", "P002", "P003"]
    assert hits.more and 20 <= hits.total < 200
    assert products.find("thing 150", 5).total == 1 and not products.find("thing 150", 5).more


def test_an_empty_query_lists_the_most_popular():
    products = index([(f"P{i}", None, None) for i in range(5)], popularity=[3, 9, 1, 9, 0])
    assert search(products, "   ", limit=3) == ["P1", "P3", "P0"]


def test_every_word_must_stand_somewhere_in_title_brand_or_id():
    products = index([("P1", "Red running shoe", "Acme"), ("P2", "Red lamp", None), ("P3", None, "Acme")])
    assert search(products, "acme red") == ["P1"]
    assert search(products, "p3 acme") == ["P3"]
    assert search(products, "shoe lamp") == []


def test_no_hit_spans_two_fields_and_signs_are_literal():
    products = index([("P1", "one", "two"), ("P2", "100% (new) a.c", None), ("P3", "abc", None)])
    assert search(products, "onetwo") == []
    assert search(products, "one\ntwo") == ["P1"]  # white space separates words and is not searched for
    assert search(products, "100%") == ["P2"]
    assert search(products, "a.c") == ["P2"]
    assert search(products, "(new)") == ["P2"]
    assert search(products, ".*") == []


def test_scripts_case_and_compatibility_forms():
    titles = ("ワイヤレスヘッドホン", "СЛУХ", "ＦＵＬＬ width", "Straße")
    products = index([(f"P{i}", title, None) for i, title in enumerate(titles, 1)])
    assert search(products, "ヘッドホン") == ["P1"]
    assert search(products, "ﾍｯﾄﾞﾎﾝ") == ["P1"]  # half-width katakana
    assert search(products, "слух") == ["P2"]
    assert search(products, "full") == ["P3"]
    assert search(products, "STRASSE") == [] and search(products, "straße") == ["P4"]


def test_products_without_title_and_an_empty_catalogue():
    products = index([("P1", None, None), ("P2", "", "B")])
    assert search(products, "p1") == ["P1"]
    assert search(products, "b") == ["P2"]
    empty = ProductIndex(fixture.products().slice(0, 0), np.empty(0, int))
    assert empty.find("x").total == 0 and empty.find("").total == 0 and empty.node("x") is None


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.text("ab ", max_size=6)), min_size=1, max_size=30),
    st.text("ab c", max_size=4),
    st.integers(1, 8),
)
def test_search_agrees_with_a_plain_loop(entries, query, limit):
    rows = [(f"{letter}{i}", title, None) for i, (letter, title) in enumerate(entries)]
    popularity = [len(title) % 3 for _, title, _ in sorted(rows)]
    products = index(rows, popularity)
    text = " ".join(query.split())

    def tier(product_id, title):
        order = (product_id == text, product_id.startswith(text), title.startswith(text))
        return order.index(True) if True in order else 3

    hits = [
        (tier(product_id, title) if text else 0, -popularity[node], node, product_id)
        for node, (product_id, title, _) in enumerate(sorted(rows))
        if all(word in product_id or word in title for word in text.split())
    ]
    assert products.find(query, limit).total == len(hits)
    assert search(products, query, limit) == [hit[3] for hit in sorted(hits)][:limit]


def test_nodes_of_ids():
    products = index([("a", None, None), ("b", None, None), ("é", None, None), ("🙂", None, None)])
    assert products.nodes(["🙂", "a", "zz", "", "é"]).tolist() == [3, 0, -1, -1, 2]
