"""What the values of a source mean: leftovers of a crawl, lists as text, repeated products, names of relationships."""

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog import Source, read_catalog
from core.catalog.clean import MAX_CHARACTERS, clean_brand, clean_categories, clean_text
from core.catalog.tables import MAX_ID_BYTES
from core.errors import InputError
from core.relationships import known_name, repeats_add

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
FIELDS = ("product_id", "title", "brand", "price", "categories")


def read(tmp_path, records, **options):
    (tmp_path / "meta.json").write_text("".join(json.dumps(record) + "\n" for record in records))
    return read_catalog(Source("meta.json"), tmp_path, tmp_path, **{"max_bad_share": 1.0, **options})


def tables(tmp_path, pairs, products=None):
    (tmp_path / "pairs.csv").write_text(pairs)
    if products is not None:
        (tmp_path / "products.csv").write_text(products)
    source = Source("pairs.csv", format="pairs", products=None if products is None else "products.csv")
    return read_catalog(source, tmp_path, tmp_path)


def listed(catalog):
    return [(r["product1"], r["relationship"], r["product2"]) for r in catalog.relationships.to_pylist()]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('<span class="a-size-medium a-color-secondary"', None),
        ("</span></span></span>", None),
        ("<b>Soap</b> bar", "Soap bar"),
        ("H<sub>2</sub>O", "H2O"),
        ("Soap<br/>Bar", "Soap Bar"),
        ("&lt;i&gt;Soap&lt;/i&gt;", "Soap"),
        ("Soap <!-- note -->", "Soap"),
        ("Soap <script>var a = 1;</script> bar", "Soap bar"),
        ("Soap <style>p {", "Soap"),
        ('<a href="x">Soap</a><span', "Soap"),
        (' Magazines" />', "Magazines"),
        ('class="a-link">Soap', "Soap"),
        ("var aPageStart = (new Date()).getTime();", None),
        (".a-box-inner{background-color:#fff}#aloha .selected{color:gray}", None),
        ("function f(x) { return x; }", None),
        ("Hot <3", "Hot <3"),
        ("A < B", "A < B"),
        ("A<B and C>D", "A<B and C>D"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("Wing Span", "Wing Span"),
        ("<3 <3 Cards", "<3 <3 Cards"),
        ("Cable <5 m>", "Cable <5 m>"),
        ('5" screen > 4" screen', '5" screen > 4" screen'),
        ("Curtain {Color: red}", "Curtain {Color: red}"),
        ("A {The Walking Dead Exclusive} B", "A {The Walking Dead Exclusive} B"),
        ("JavaScript: var and let (2nd ed.)", "JavaScript: var and let (2nd ed.)"),
        ("Rock &amp; Roll; live", "Rock & Roll; live"),
        ("None", None),
        ("None of the Above", "None of the Above"),
        ("\\N", None),
        ("(null)", None),
        ("<NA>", None),
        ("#N/A", None),
        ("undefined", None),
        ("nan", None),
        ("NULL", None),
        ("#REF!", None),
        ("[object Object]", None),
        ("Nullarbor", "Nullarbor"),
    ],
)
def test_leftovers_of_a_crawl_go_and_real_text_stays(raw, text):
    assert clean_text(raw) == text
    assert clean_categories([raw, "Hair"]) == ([text, "Hair"] if text else ["Hair"])
    assert clean_brand(raw) == text


@pytest.mark.parametrize(
    ("raw", "brand"),
    [
        ("by\n    \n    Microsoft", "Microsoft"),
        ("\n by\r\n Apple", "Apple"),
        ("by\n\n", None),
        ("by\n Unknown", None),
        ("By Terry", "By Terry"),
        ("by Kilian", "by Kilian"),
        ("Visit the Sony Store", "Sony"),
        ("Brand: Sony", "Sony"),
    ],
)
def test_a_brand_has_no_by_line(raw, brand):
    assert clean_brand(raw) == brand


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab <>/!-=\"'{}();:&#x3n\n", max_size=60))
def test_cleaning_twice_changes_nothing_more_and_never_fails(raw):
    once = clean_text(raw)
    if once is not None and "&" not in once:  # an entity that is resolved may be one again
        assert clean_text(once) in (once, None) or "<" in once


def test_what_was_dropped_and_cleaned_is_counted_by_column(tmp_path):
    records = [
        {"asin": "A", "title": "<b>Soap</b>", "brand": "by\n\nFoo", "category": ["<br>", "x" * 20_000]},
        {"asin": "B", "title": "<span", "brand": "Unknown", "category": 5},
        {"asin": "C", "title": None, "brand": "", "category": [], "price": float("nan"), "rank": []},
    ]
    catalog = read(tmp_path, records)
    counts = {
        column: {fault: entry["count"] for fault, entry in faults.items()}
        for column, faults in catalog.info["fields"].items()
    }
    assert counts == {
        "title": {"cleaned": 1, "leftover": 1},
        "brand": {"cleaned": 1, "placeholder": 1},
        "categories": {"leftover": 1, "cut": 1, "unread": 1},
    }
    assert catalog.products["categories"].to_pylist() == [["x" * MAX_CHARACTERS], [], []]
    assert json.loads(json.dumps(catalog.info)) == catalog.info


@pytest.mark.parametrize("name", ["meta_Magazine_Subscriptions.json.gz", "meta_Gift_Cards.json.gz"])
def test_no_real_title_or_category_holds_markup(name):
    if not (SHARED / name).exists():
        pytest.skip(f"real data is absent ({SHARED / name})")
    catalog = read_catalog(Source(name), SHARED, Path("unused"))
    texts = catalog.products["title"].to_pylist() + catalog.products["brand"].to_pylist()
    texts += [label for labels in catalog.products["categories"].to_pylist() for label in labels]
    assert not [text for text in texts if text and re.search(r"<|\bspan\b|getTime|^by\n|/>", text)]  # "Hispanic" stays
    with gzip.open(SHARED / name, "rt") as file:
        records = [json.loads(line) for line in file]
    titled = {r["product_id"] for r in catalog.products.to_pylist() if r["title"]}
    assert titled == {r["asin"] for r in records if r["title"].strip() and "<span" not in r["title"]}


@pytest.mark.parametrize(
    "cell",
    [
        "['Beauty', 'Hair']",
        '["Beauty", "Hair"]',
        "['Beauty' 'Hair']",
        "('Beauty', 'Hair')",
        "[['Beauty'], ['Hair', 'Beauty']]",
        " [ 'Beauty' , None, 'Hair', ] ",
        "Beauty|Hair",
    ],
)
def test_a_list_written_out_as_text_is_a_list(tmp_path, cell):
    quoted = '"' + cell.replace('"', '""') + '"'
    catalog = tables(tmp_path, "product1,product2\nA,B\n", f"product_id,categories\nA,{quoted}\n")
    assert catalog.products["categories"].to_pylist() == [["Beauty", "Hair"]]
    if "|" not in cell:
        assert clean_categories(cell) == ["Beauty", "Hair"]


def test_labels_that_only_look_like_lists_stay():
    assert clean_categories("[Discontinued]") == ["[Discontinued]"]
    assert clean_categories(r"['L\'Oreal', 'A, B', '[C]']") == ["L'Oreal", "A, B", "[C]"]


REPEATED = [
    {"asin": "A", "brand": "Foo", "category": ["x"], "also_buy": ["X", "X"], "price": "1,5"},
    {"asin": "B", "title": "b"},
    {"asin": "A", "title": "late", "brand": "Bar", "category": ["y", "x"], "also_buy": ["X", "Y"], "also_view": ["X"]},
    {"asin": "A", "title": "later", "price": "7", "rank": "9", "category": ["z"]},
]
UNITED = {"product_id": "A", "title": "late", "brand": "Foo", "price": 1.5, "categories": ["x", "y", "z"]}


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_a_repeated_product_has_the_best_of_all_its_lines(tmp_path, monkeypatch, rows):
    from core.catalog import tables as builders

    monkeypatch.setattr(builders, "_CHUNK_ROWS", rows)
    catalog = read(tmp_path, REPEATED, max_bad_share=0.0)
    first, second = catalog.products.to_pylist()
    assert {field: first[field] for field in FIELDS} == UNITED and first["sales_rank"] == 9
    assert (second["product_id"], second["title"], second["categories"]) == ("B", "b", [])
    # The list that names X twice by itself is as it was; the later one adds what is new.
    assert listed(catalog) == [
        ("A", "also_bought", "X"),
        ("A", "also_bought", "X"),
        ("A", "also_bought", "Y"),
        ("A", "also_viewed", "X"),
    ]
    assert catalog.info["repeated_products"] == 2
    assert [row["line"] for row in catalog.quarantine.to_pylist()] == [3, 4]


def test_a_repeated_row_of_a_products_table_is_united_too(tmp_path):
    rows = 'A,,Foo,x,"1,5"\nB,b,,,\nA,late,Bar,y|x,\nA,later,,z,7\n'
    catalog = tables(tmp_path, "product1,product2\nA,B\n", "product_id,title,brand,categories,price\n" + rows)
    first, second = catalog.products.to_pylist()
    assert {field: first[field] for field in FIELDS} == UNITED
    assert second["product_id"] == "B" and catalog.info["repeated_products"] == 2


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("also_bought", "also_bought"),
        ("Also Bought", "also_bought"),
        ("alsoBought", "also_bought"),
        ("also_buy", "also_bought"),
        ("ALSO-VIEW", "also_viewed"),
        ("bought-together", "bought_together"),
        ("Frequently bought together", "bought_together"),
        ("__doc__", None),
        ("other", None),
        ("", None),
    ],
)
def test_names_of_relationships_match_however_they_are_spelled(name, known):
    assert known_name(name) == known


def test_a_pairs_table_has_one_name_per_relationship_and_lists_the_unknown(tmp_path):
    text = (
        "product1,product2,relationship\nA,B,also_viewed\nA,C,Also_Viewed\nA,D,also view\nA,E,Own-Rule\nA,F,own rule\n"
    )
    catalog = tables(tmp_path, text + "A,G,__doc__\n")
    names = ["also_viewed"] * 3 + ["Own-Rule"] * 2 + ["__doc__"]
    assert catalog.relationships["relationship"].to_pylist() == names
    assert catalog.info["unknown_relationships"] == {"Own-Rule": 2, "__doc__": 1}
    assert tables(tmp_path, "product1,product2\nA,B\n").info["unknown_relationships"] == {}


def test_lists_are_found_wherever_flattened_exports_put_them(tmp_path):
    records = [
        {"asin": "A", "also_bought": ["B"], "also_viewed": ["C"], "bought_together": ["D"]},
        {"asin": "B", "related.also_bought": ["C"], "related_alsoViewed": ["D"], "Bought Together": "['E', 'F']"},
        {"asin": "C", "related": {"Also-Buy": ["A"], "buy_after_viewing": ["B"], "similar": ["C"], "empty": []}},
        {"asin": "D", "also_buy": float("nan"), "also_view": None, "related": float("nan"), "brand": float("nan")},
    ]
    catalog = read(tmp_path, records)
    assert catalog.quarantine.num_rows == 0
    assert listed(catalog) == [
        ("A", "also_bought", "B"),
        ("A", "also_viewed", "C"),
        ("A", "bought_together", "D"),
        ("B", "also_bought", "C"),
        ("B", "also_viewed", "D"),
        ("B", "bought_together", "E"),
        ("B", "bought_together", "F"),
        ("C", "also_bought", "A"),
    ]
    assert catalog.info["unknown_relationships"] == {"buy_after_viewing": 1, "similar": 1}
    assert catalog.products["brand"].to_pylist() == [None] * 4


def test_each_format_says_what_its_repeated_rows_mean(tmp_path):
    assert repeats_add(tables(tmp_path, "product1,product2,relationship\nA,B,also_bought\n").relationships)
    assert not repeats_add(read(tmp_path, [{"asin": "A", "also_buy": ["B"]}]).relationships)


def test_ids_of_more_than_a_thousand_bytes_are_bad(tmp_path):
    fits, long = "é" * (MAX_ID_BYTES // 2), "é" * (MAX_ID_BYTES // 2) + "x"
    records = [{"asin": fits, "also_buy": ["A", fits]}, {"asin": long}, {"asin": "B", "also_buy": ["x" * 1001, "C"]}]
    catalog = read(tmp_path, records)
    assert catalog.products["product_id"].to_pylist() == [fits]
    assert [(r["line"], "longer than 1,000 bytes" in r["reason"]) for r in catalog.quarantine.to_pylist()] == [
        (2, True),
        (3, True),
    ]
    (tmp_path / "pairs.csv").write_text(f"product1,product2\n{fits},A\nA,{long}\n")
    catalog = read_catalog(Source("pairs.csv"), tmp_path, tmp_path, max_bad_share=1.0)
    assert [r["reason"] for r in catalog.quarantine.to_pylist()] == ["product2 is longer than 1,000 bytes"]


def column(ids):
    return "product1,product2\n" + "".join(f"{a},{b}\n" for a, b in zip(ids, [*ids[1:], "Z"], strict=True))


@pytest.mark.parametrize(
    "ids",
    [
        ["1000.0", "1001.0", "1002.0"],
        ["1000", "1001", "1e+05"],  # R writes 100000 so
        ["1.2E+05", "1.3E+05", "1.3E+06", "AB1", "AB2"],
        ["1e5", "2e5", "3e5"],
        ["1000.", "1001.", "unknown"],
    ],
)
def test_ids_that_a_program_wrote_as_floats_are_refused(tmp_path, ids):
    with pytest.raises(InputError, match=r"pairs\.csv: column product1: ids such as .* floating-point"):
        tables(tmp_path, column(ids))
    with pytest.raises(InputError, match=r"products\.csv: column product_id: ids such as"):
        tables(tmp_path, "product1,product2\nA,B\n", "product_id\n" + "\n".join(ids) + "\n")


def test_one_column_of_floats_is_refused_whatever_the_other_one_holds(tmp_path):
    rows = "".join(f"B{i},1.2345E+1{i % 9}\n" for i in range(50))
    with pytest.raises(InputError, match=r"column product2: ids such as '1\.2345E\+10' are floating-point"):
        tables(tmp_path, "product1,product2\n" + rows)


@pytest.mark.parametrize(
    "ids",
    [["1E5", "AB1", "AB2", "AB3"], ["1.0", "1.1", "2.5", "v3"], ["1000", "1001", "10E2"], ["1.5", "2.5"]],
)
def test_ids_that_may_be_meant_so_stay(tmp_path, ids):
    assert tables(tmp_path, column(ids)).relationships.num_rows == len(ids)
