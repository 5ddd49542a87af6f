"""Search, neighbour lookup, marks, freshness and texts: the explorer without Streamlit."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.graph import build_graph
from core.pairs.split import SplitConfig, split_pairs
from core.scoring.neighbours import NEIGHBOURS
from core.untrusted.markdown import plain
from explorer.neighbours import breadcrumbs, model_lists
from explorer.neighbours.known_pairs import HELD_OUT, TRAIN, KnownPairs
from explorer.neighbours.model_lists import count_lists_holding
from explorer.shared import formatting, product_names
from explorer.shared.neighbour_file import NeighbourFile
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


def found(products, query, limit=50):
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
    assert found(products, "a1") == ["A1", "A10", "B1", "C2", "C1"]
    assert found(products, "A1", limit=3) == ["A1", "A10", "B1"]
    assert products.find("a1", 3).total == 5


def test_counting_stops_when_enough_is_found_but_the_best_are_still_found(monkeypatch):
    monkeypatch.setattr("explorer.shared.product_index._BLOCK", 10)
    monkeypatch.setattr("explorer.shared.product_index._MAX_COUNTED", 20)
    rows = [(f"P{i:03d}", f"red thing {i}", None) for i in range(200)]
    rows[199] = ("P199", "thing", None)  # the least popular, but its title starts with the query
    products = index(rows, popularity=range(200, 0, -1))
    hits = products.find("thing", 5)
    assert found(products, "thing", 5) == ["P199", "P000", "P001", "P002", "P003"]
    assert hits.more and 20 <= hits.total < 200
    assert products.find("thing 150", 5).total == 1 and not products.find("thing 150", 5).more


def test_an_empty_query_lists_the_most_popular():
    products = index([(f"P{i}", None, None) for i in range(5)], popularity=[3, 9, 1, 9, 0])
    assert found(products, "   ", limit=3) == ["P1", "P3", "P0"]


def test_every_word_must_stand_somewhere_in_title_brand_or_id():
    products = index([("P1", "Red running shoe", "Acme"), ("P2", "Red lamp", None), ("P3", None, "Acme")])
    assert found(products, "acme red") == ["P1"]
    assert found(products, "p3 acme") == ["P3"]
    assert found(products, "shoe lamp") == []


def test_no_hit_spans_two_fields_and_signs_are_literal():
    products = index([("P1", "one", "two"), ("P2", "100% (new) a.c", None), ("P3", "abc", None)])
    assert found(products, "onetwo") == []
    assert found(products, "one\ntwo") == ["P1"]  # white space separates words, it is not searched for
    assert found(products, "100%") == ["P2"]
    assert found(products, "a.c") == ["P2"]
    assert found(products, "(new)") == ["P2"]
    assert found(products, ".*") == []


def test_scripts_case_and_compatibility_forms():
    titles = ("ワイヤレスヘッドホン", "СЛУХ", "ＦＵＬＬ width", "Straße")
    products = index([(f"P{i}", title, None) for i, title in enumerate(titles, 1)])
    assert found(products, "ヘッドホン") == ["P1"]
    assert found(products, "ﾍｯﾄﾞﾎﾝ") == ["P1"]  # half-width katakana
    assert found(products, "слух") == ["P2"]
    assert found(products, "full") == ["P3"]
    assert found(products, "STRASSE") == [] and found(products, "straße") == ["P4"]


def test_products_without_title_and_an_empty_catalogue():
    products = index([("P1", None, None), ("P2", "", "B")])
    assert found(products, "p1") == ["P1"]
    assert found(products, "b") == ["P2"]
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
    assert found(products, query, limit) == [hit[3] for hit in sorted(hits)][:limit]


def test_nodes_of_ids():
    products = index([("a", None, None), ("b", None, None), ("é", None, None), ("🙂", None, None)])
    assert products.nodes(["🙂", "a", "zz", "", "é"]).tolist() == [3, 0, -1, -1, 2]


@pytest.fixture(scope="module", params=[17, 64_000])
def lists(tmp_path_factory, request):
    """The fixture's neighbours in a file of many small row groups, and of one."""
    seen = np.ones(fixture.N, bool)
    seen[::7] = False
    table = fixture.neighbours(("native", "center_context", "center_center"), seen, k=12).table
    path = tmp_path_factory.mktemp("lists") / "table.parquet"
    pq.write_table(table, path, row_group_size=request.param)
    return table, NeighbourFile(path)


def test_lookup_agrees_with_a_scan_of_the_whole_table(lists):
    table, file = lists
    rows = table.to_pylist()
    ids = fixture.products()["product_id"].to_pylist()
    empty = 0
    for scoring in ("native", "center_context", "center_center"):
        for product_id in ids:
            expected = [r for r in rows if r["product"] == product_id and r["scoring"] == scoring][:5]
            got = file.lookup(product_id, scoring, 5).to_pylist()
            assert [(r["neighbour"], r["rank"], r["score"]) for r in expected] == [
                (r["neighbour"], r["rank"], r["score"]) for r in got
            ]
            empty += not got
    assert empty == 3 * len(range(0, fixture.N, 7))


def test_lookup_of_what_is_not_there(lists):
    _, file = lists
    for product_id, scoring in (("", "native"), ("~~~", "native"), ("B000000001", "cosine")):
        assert file.lookup(product_id, scoring, 10).num_rows == 0


def test_lookup_in_an_empty_file_and_without_statistics(tmp_path):
    pq.write_table(NEIGHBOURS.empty_table(), tmp_path / "empty.parquet")
    assert NeighbourFile(tmp_path / "empty.parquet").lookup("a", "native", 5).num_rows == 0
    table = fixture.neighbours(("native",), np.ones(fixture.N, bool)).table
    pq.write_table(table, tmp_path / "bare.parquet", write_statistics=False, row_group_size=50)
    got = NeighbourFile(tmp_path / "bare.parquet").lookup("B000000003", "native", 4)
    assert got["rank"].to_pylist() == [1, 2, 3, 4]


def test_only_row_groups_that_can_hold_the_product_are_read(lists, monkeypatch):
    _, file = lists
    read = []
    original = pq.ParquetFile.read_row_group

    def spy(self, group, columns, **more):
        read.append((group, tuple(columns)))
        return original(self, group, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    assert file.lookup("B000000001", "center_context", 5).num_rows == 5
    # A list of 12 lies in at most 2 groups of 17; a group where two scorings meet spans all ids: two more at most.
    # What they list is read only where the list is.
    assert len({group for group, _ in read}) <= 4
    assert len([group for group, columns in read if "neighbour" in columns]) <= 2


def test_lookups_from_many_sessions_at_once(lists):
    _, file = lists
    ids = fixture.products()["product_id"].to_pylist()
    alone = [file.lookup(product_id, "native", 5).to_pylist() for product_id in ids]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            together = pool.map(lambda product_id: file.lookup(product_id, "native", 5).to_pylist(), ids)
            assert list(together) == alone


def test_in_how_many_lists_each_neighbour_stands():
    a, b, c = np.array([1, 2, 3, -1]), np.array([3, 2, 9]), np.array([2, -1])
    assert count_lists_holding([a, b]) == [[1, 2, 2, 1], [2, 2, 1]]
    assert count_lists_holding([a, b, c]) == [[1, 3, 2, 1], [2, 3, 1], [3, 1]]
    assert count_lists_holding([a]) == [[1, 1, 1, 1]] and count_lists_holding([]) == []


def test_marks_against_the_definition():
    pairs = fixture.pairs()
    split = split_pairs(
        fixture.N, pairs.source, pairs.target, pairs.weight, np.ones(fixture.N, bool), SplitConfig(cold_share=0.1)
    )
    graph = build_graph(fixture.N, split.train.source, split.train.target, split.train.weight)
    relations = KnownPairs(graph, split)
    assert len(split.cold)

    def partners(source, target, node):
        pairs = zip(source.tolist(), target.tolist(), strict=True)
        return {b if a == node else a for a, b in pairs if node in (a, b)}

    for node in range(fixture.N):
        known = relations.partners(node)
        train = partners(split.train.source, split.train.target, node)
        held_out = partners(split.validation.source, split.validation.target, node)
        cold = node in split.cold.tolist()
        held_out |= partners(split.cold_pairs.source, split.cold_pairs.target, node)
        assert (set(known.train.tolist()), set(known.held_out.tolist()), known.cold) == (train, held_out, cold)
        marks = known.marks(np.arange(-1, fixture.N))
        assert marks[0] == ""
        assert marks[1:] == [TRAIN if i in train else HELD_OUT if i in held_out else "" for i in range(fixture.N)]
    alone = relations.without_pair(np.arange(-1, fixture.N)).tolist()
    assert alone == [False, *(len(relations.partners(node).train) == 0 for node in range(fixture.N))]
    assert set(split.cold.tolist()) <= set(np.flatnonzero(alone[1:]).tolist())

    some = [3, 4, int(split.cold[0])]
    together, each = relations.partners_of_any(some), [relations.partners(node) for node in some]
    train = set().union(*(known.train.tolist() for known in each))
    assert set(together.train.tolist()) == train and not together.cold
    assert set(together.held_out.tolist()) == set().union(*(known.held_out.tolist() for known in each)) - train


def test_the_trail_grows_is_cut_back_and_forgets():
    assert breadcrumbs.extend_trail((), "a") == ("a",)
    assert breadcrumbs.extend_trail(("a", "b"), "c") == ("a", "b", "c")
    assert breadcrumbs.extend_trail(("a", "b", "c"), "c") == ("a", "b", "c")  # a rerun is no step
    assert breadcrumbs.extend_trail(("a", "b", "c"), "a") == ("a",)
    long = ()
    for i in range(breadcrumbs.MAX_CRUMBS + 3):
        long = breadcrumbs.extend_trail(long, str(i))
    assert len(long) == breadcrumbs.MAX_CRUMBS and long[-1] == str(breadcrumbs.MAX_CRUMBS + 2)


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ({"title": " A \n lamp ", "brand": "Acme", "categories": ["X"]}, "A lamp"),
        ({"title": None, "brand": "Acme", "categories": ["X", "Y"]}, "Acme · P1"),
        ({"title": "", "brand": None, "categories": ["X", "Y"]}, "Y · P1"),
        ({"title": None, "brand": "", "categories": []}, "P1"),
    ],
)
def test_every_product_has_a_name(product, name):
    assert product_names.product_name(product | {"product_id": "P1"}) == name


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", "＝1"])
def test_formulas_are_made_text(text):
    assert formatting.for_spreadsheet(text) == "'" + text
    assert formatting.for_grid(text)[1:] == text and not formatting.is_formula(formatting.for_grid(text))
    assert formatting.for_spreadsheet("a" + text) == formatting.for_grid("a" + text) == "a" + text


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://example.com/a.jpg", True),
        ("http://example.com/a.jpg?x=1", True),
        ("/etc/passwd", False),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("data:image/svg+xml,<svg/>", False),
        ("http:///a.jpg", False),
        ("http://[bad", False),
        ("https://example.com/" + "a" * 2000, False),
        (None, False),
    ],
)
def test_only_web_addresses_are_pictures(address, allowed):
    assert formatting.web_image(address) == (address if allowed else None)


def test_the_first_models_shown():
    assert model_lists.first_models(["popularity", "rp3beta", "skipgram", "blend"]) == ["blend", "skipgram"]
    assert model_lists.first_models(["popularity", "adamic_adar", "rp3beta"]) == ["rp3beta", "popularity"]
    assert model_lists.first_models(["x"]) == ["x"] and model_lists.first_models([]) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (61, "1 min ago"), (7200, "2 h ago"), (86_400, "1 day ago"), (86_400 * 3.9, "3 days ago")],
)
def test_ago(seconds, text):
    assert formatting.ago(seconds) == text


def test_shorten_and_size():
    assert formatting.shorten("a  b\nc", 10) == "a b c"
    assert formatting.shorten("x" * 50, 10) == "x" * 9 + "…"
    assert [formatting.size(n) for n in (0, 999, 1500, 2.5e9)] == ["0 B", "999 B", "1.5 kB", "2.5 GB"]


@given(st.text(max_size=60))
def test_plain_leaves_no_active_sign(text):
    """Without its backslash-escaped signs, no ASCII punctuation is left, so no Markdown construct can start."""
    rest = re.sub(r"\\[!-/:-@\[-`{-~]", "", plain(text))
    assert not re.search(r"[!-/:-@\[-`{-~]", rest)
