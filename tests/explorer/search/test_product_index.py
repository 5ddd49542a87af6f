"""Searching for products, against plain loops over their words."""

import itertools
import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from explorer.search import product_index
from explorer.search.product_index import ProductIndex
from tests import explorer_fixture as fixture


def index(rows, popularity=None):
    """An index over (id, title, brand, categories), of which all but the id may be missing."""
    rows = sorted((*row, None, None, None)[:4] for row in rows)
    ids, titles, brands, categories = zip(*rows, strict=True)
    table = pa.table(
        {
            "product_id": pa.array(ids, pa.string()),
            "title": pa.array(titles, pa.string()),
            "brand": pa.array(brands, pa.string()),
            "categories": pa.array(categories, pa.list_(pa.string())),
        }
    )
    return ProductIndex(table, np.zeros(len(ids), int) if popularity is None else np.array(popularity))


def search(products, query, limit=50):
    return [products.product(int(node))["product_id"] for node in products.find(query, limit).nodes]


def words(text):
    """The words of a text as the search sees them, written without Arrow."""
    kept = [c for c in unicodedata.normalize("NFKD", text or "") if not "\u0300" <= c <= "\u036f"]
    return re.findall(r"[^\W_]+", re.sub("['’]", "", unicodedata.normalize("NFKC", "".join(kept)).lower()))


def one_edit(a, b):
    """Whether one word becomes the other by one edit, by trying all edits."""
    letters = set(a + b)
    cuts = [(a[:i], a[i:]) for i in range(len(a) + 1)]
    edits = {x + y[1:] for x, y in cuts if y} | {x + y[1] + y[0] + y[2:] for x, y in cuts if len(y) > 1}
    edits |= {x + c + rest for x, y in cuts for c in letters for rest in (y, y[1:])}
    return a != b and b in edits


def group(query, product_id, title, brand, categories):
    """The group of a product among the hits, smallest first; None if it is no hit, and 9 if only typos help."""
    fields = [words(title), words(brand), words(product_id)]
    asked, text = words(query), [word for field in fields for word in field]
    joined = "".join(asked)
    keys = ["".join(fields[0]), "".join(fields[2])]
    levels = [word for name in categories or [] for word in words(name)]

    def begins(word, those):
        return any(other.startswith(word) for other in those)

    def parted(word):
        beside = [pair for field in fields for pair in itertools.pairwise(field)]
        return any(word.startswith(a) and b.startswith(word[len(a) :]) for a, b in beside if len(a) < len(word))

    def inside(word):
        return begins(word, text) or parted(word) or (len(word) > 2 and any(word in other for other in text))

    def near(word):
        those = [*text, *levels]
        return begins(word, those) or (len(word) > 2 and any(one_edit(word, other) for other in those))

    together = [[*asked[:i], asked[i] + asked[i + 1], *asked[i + 2 :]] for i in range(len(asked) - 1)]
    conditions = [
        joined in keys,
        any(key.startswith(joined) for key in keys),
        all(word in text for word in asked),
        all(begins(word, text) for word in asked),
        all(inside(word) for word in asked),
        any(all(begins(word, text) for word in way) for way in [*together, [joined]]),
        all(begins(word, [*text, *levels]) for word in asked),
    ]
    return conditions.index(True) if True in conditions else 9 if all(near(word) for word in asked) else None


NAMES = st.text("ab é-", max_size=7)


@given(
    st.lists(
        st.tuples(NAMES, st.one_of(st.none(), NAMES), st.lists(st.text("abc ", max_size=4), max_size=2)),
        min_size=1,
        max_size=12,
    ),
    st.text("abAB c", max_size=7).filter(words),
    st.integers(1, 8),
    st.sampled_from([0, 1000]),
)
@example([("ab a", None, []), ("aba", None, []), ("b", "a", ["aba"])], "a ba", 8, 0)
@example([("abab", None, []), ("ab", None, []), ("aab b", None, [])], "abba", 8, 1000)
def test_search_agrees_with_plain_loops(entries, query, limit, read):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(product_index, "_MAX_READ", read)  # texts are read, or the index is asked
        rows = [(f"{i:02d}", title, brand, categories) for i, (title, brand, categories) in enumerate(entries)]
        popularity = [len(title) % 3 for title, _, _ in entries]
        products = index(rows, popularity)
        groups = [group(query, *row) for row in rows]
        hits = [(g, -popularity[i], i) for i, g in enumerate(groups) if g is not None]
        certain = [hit for hit in hits if hit[0] < 9]
        expected = sorted(certain or hits)
        found = products.find(query, limit)
        assert search(products, query, limit) == [rows[i][0] for _, _, i in expected][:limit]
        assert (found.total, found.more, found.typo) == (len(expected), False, not certain)
        assert found.in_text == sum(g < 6 for g, _, _ in certain)


def test_spaces_case_accents_and_signs_make_no_difference():
    products = index(
        [("P1", "Nightstick, 20 cm"), ("P2", "Night Stick"), ("P3", "night light", "L'Oréal"), ("P4", "Red-lamp 3.5")]
    )
    for query in ("night stick", "NIGHTSTICK", "nights tick", "night-stick"):
        assert search(products, query) == ["P2", "P1"] or search(products, query) == ["P1", "P2"], query
    assert search(products, "loreal") == search(products, "L’ORÉAL") == ["P3"]
    assert search(products, "redlamp") == search(products, "RED LAMP") == search(products, "lamp 3.5") == ["P4"]
    assert search(products, ".*") == [] and search(products, "(%") == []


@pytest.mark.parametrize("query", ["nigthstick", "nightstik", "nightsstick", "nightstlck", "nigt helmet", "mightstick"])
def test_one_typo_per_word_is_allowed_where_nothing_matches(query):
    products = index([("P1", "Nightstick"), ("P2", "Helmet for the night"), ("P3", "Lamp")])
    hits = products.find(query)
    assert hits.typo and search(products, query) == (["P2"] if "helmet" in query else ["P1"])
    assert not products.find("nightstick").typo and products.find("nigthstikc").total == 0


def test_better_matches_come_first_and_popular_ones_first_within():
    products = index(
        [
            ("B1", "Cap"),
            ("B2", "Cap for summer"),
            ("B3", "Red cap"),
            ("B4", "Blue cap"),
            ("B5", "Red cape"),
            ("B6", "Icecaps"),
            ("CAP7", "Hat"),
            ("B8", "Sun hat", None, ["Clothes", "Caps"]),
        ],
        popularity=[0, 1, 2, 3, 99, 99, 99, 99],
    )
    assert search(products, "cap") == ["B1", "CAP7", "B2", "B4", "B3", "B5", "B6", "B8"]


def test_which_categories_hold_what_no_title_contains():
    rows = [(f"P{i}", f"Thing {i}", "Wella", ["Beauty", "Hair", "Shampoos"]) for i in range(4)]
    rows += [("Q1", "Thing", None, ["Beauty", "Dry Shampoos"]), ("R1", "Comb", None, ["Beauty"])]
    products = index(rows)
    hits = products.find("shampoos")
    assert (hits.in_text, hits.total, hits.categories) == (0, 5, (("Shampoos", 4), ("Dry Shampoos", 1)))
    assert products.find("wella shampoo").total == 4
    assert products.find("shampos").typo and products.find("shampos").total == 5


def test_counting_stops_when_enough_is_found_but_the_best_are_still_found(monkeypatch):
    monkeypatch.setattr(product_index, "_MAX_COUNTED", 20)
    rows = [(f"P{i:03d}", f"red thing {i}") for i in range(200)]
    rows[199] = ("P199", "thing")  # the least popular product, but its title is the query
    products = index(rows, popularity=range(200, 0, -1))
    hits = products.find("thing", 5)
    assert search(products, "thing", 5) == ["P199", "P000", "P001", "P002", "P003"]
    assert hits.more and 20 <= hits.total <= 200
    assert products.find("thing 150", 5).total == 1 and not products.find("thing 150", 5).more


def test_an_empty_query_lists_the_most_popular():
    products = index([(f"P{i}",) for i in range(5)], popularity=[3, 9, 1, 9, 0])
    assert search(products, "   ", limit=3) == ["P1", "P3", "P0"]


def test_a_pasted_title_finds_its_product():
    title = "A very long title of a product that goes on and on, with 24 characters and more"
    products = index([("P1", title), ("P2", title + " (new)"), ("P3", "A very long title of a product")])
    assert search(products, title) == ["P1", "P2"]


def test_scripts_and_compatibility_forms():
    titles = ("ワイヤレスヘッドホン", "СЛУХ", "ＦＵＬＬ width", "Straße")
    products = index([(f"P{i}", title) for i, title in enumerate(titles, 1)])
    assert search(products, "ヘッドホン") == search(products, "ﾍｯﾄﾞﾎﾝ") == ["P1"]  # the second in half-width letters
    assert search(products, "слух") == ["P2"]
    assert search(products, "full") == ["P3"]
    assert search(products, "straße") == ["P4"]


def test_products_without_title_and_an_empty_catalogue():
    products = index([("P1",), ("P2", "", "B")])
    assert search(products, "p1") == ["P1"]
    assert search(products, "b") == ["P2"]
    empty = ProductIndex(fixture.products().slice(0, 0), np.empty(0, int))
    assert empty.find("x").total == 0 and empty.find("").total == 0 and empty.node("x") is None


def test_nodes_of_ids():
    products = index([("a",), ("b",), ("é",), ("🙂",)])
    assert products.nodes(["🙂", "a", "zz", "", "é"]).tolist() == [3, 0, -1, -1, 2]
