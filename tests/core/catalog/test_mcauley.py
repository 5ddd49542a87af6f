"""Amazon metadata of both forms: what is read, what is cleaned, what goes to quarantine."""

import ast
import gzip
import itertools
import json
import re
import tracemalloc
from pathlib import Path

import pytest

from core.catalog import PRODUCTS, QUARANTINE, RELATIONSHIPS, Source, clean, lines, quarantine, read_catalog, tables
from core.catalog.clean import (
    clean_brand,
    clean_categories,
    clean_image,
    clean_price,
    clean_rank,
    clean_text,
)
from core.errors import InputError

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def read(tmp_path, content, name="meta.json", **options):
    """Write ``content`` (bytes, or records as 2014 literals) and read it."""
    if isinstance(content, list):
        content = b"".join(repr(r).encode() + b"\n" for r in content)
    (tmp_path / name).write_bytes(content)
    return read_catalog(Source(name), tmp_path, tmp_path / "cache", **{"max_bad_share": 1.0, **options})


def listed(catalog):
    return [(r["product1"], r["relationship"], r["product2"]) for r in catalog.relationships.to_pylist()]


FULL_2014 = {
    "asin": "0000031852",
    "title": "Girls Ballet Tutu &amp; Zebra\n  Hot\tPink",
    "price": 3.17,
    "imUrl": "http://ecx.images-amazon.com/images/I/51fAmVkTbyL._SY300_.jpg",
    "related": {
        "also_bought": ["B00JHONN1S", "B002BZX8Z6"],
        "also_viewed": ["B002BZX8Z6"],
        "bought_together": ["B002BZX8Z7"],
        "buy_after_viewing": ["B000000001"],
    },
    "salesRank": {"Toys & Games": 211836, "Clothing": 17},
    "brand": "L&#39;Oreal",
    "categories": [["Sports &amp; Outdoors", "Dance"], ["Sports & Outdoors", "Girls"]],
}


@pytest.mark.parametrize("write", [repr, json.dumps])
def test_2014_form(tmp_path, write):
    catalog = read(tmp_path, write(FULL_2014).encode() + b"\n")
    assert catalog.products.schema == PRODUCTS
    assert catalog.relationships.schema == RELATIONSHIPS
    assert catalog.quarantine.schema == QUARANTINE
    (row,) = catalog.products.to_pylist()
    assert row.pop("price") == pytest.approx(3.17)
    assert row == {
        "product_id": "0000031852",
        "title": "Girls Ballet Tutu & Zebra Hot Pink",
        "brand": "L'Oreal",
        "categories": ["Sports & Outdoors", "Dance", "Girls"],
        "sales_rank": 17,
        "image_url": FULL_2014["imUrl"],
    }
    assert sorted(listed(catalog)) == [
        ("0000031852", "also_bought", "B002BZX8Z6"),
        ("0000031852", "also_bought", "B00JHONN1S"),
        ("0000031852", "also_viewed", "B002BZX8Z6"),
        ("0000031852", "bought_together", "B002BZX8Z7"),
    ]
    assert catalog.relationships["weight"].null_count == 4
    assert catalog.info["products"] == 1
    assert catalog.info["relationships"] == 4
    assert json.loads(json.dumps(catalog.info)) == catalog.info


def test_2018_form(tmp_path):
    record = {
        "category": ["Beauty", "Hair", "Beauty"],
        "title": " Caf&eacute; Gift ",
        "also_buy": ["B1", "B2"],
        "also_view": [],
        "brand": "",
        "rank": "2,345 in Beauty (",
        "price": "$5.00 - $10.00",
        "asin": "B0",
        "imageURL": ["https://i/1.jpg", "https://i/2.jpg"],
        "details": {"x": None},
    }
    catalog = read(tmp_path, json.dumps(record).encode())
    assert catalog.products.to_pylist() == [
        {
            "product_id": "B0",
            "title": "Café Gift",
            "brand": None,
            "price": 5.0,
            "categories": ["Beauty", "Hair"],
            "sales_rank": 2345,
            "image_url": "https://i/1.jpg",
        }
    ]
    assert listed(catalog) == [("B0", "also_bought", "B1"), ("B0", "also_bought", "B2")]


def test_one_shared_dictionary_and_both_forms_in_one_file(tmp_path):
    content = [{"asin": "A", "related": {"also_bought": ["B", "C"]}}, {"asin": "C", "also_view": ["A"]}]
    catalog = read(tmp_path, content)
    product1, product2 = (catalog.relationships[c].combine_chunks() for c in ("product1", "product2"))
    assert product1.dictionary.equals(product2.dictionary)
    assert sorted(product1.dictionary.to_pylist()) == ["A", "B", "C"]
    assert listed(catalog) == [
        ("A", "also_bought", "B"),
        ("A", "also_bought", "C"),
        ("C", "also_viewed", "A"),
    ]


def test_ids_may_hold_any_printable_text_and_lose_white_space_around_it(tmp_path):
    catalog = read(tmp_path, [{"asin": " \xe9\xe8 1 ", "also_buy": ["\U0001f600", " \u65e5\u672c", "a b", "C"]}])
    assert listed(catalog) == [("\xe9\xe8 1", "also_bought", x) for x in ("\U0001f600", "\u65e5\u672c", "a b", "C")]
    assert catalog.products["product_id"].to_pylist() == ["\xe9\xe8 1"]


def test_tables_larger_than_a_batch_keep_every_row_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_CHUNK_ROWS", 7)
    monkeypatch.setattr(tables, "_BATCH_IDS", 5)
    records = [
        {
            "asin": f"P{i}",
            "title": f"t{i}",
            "related": {
                k: [f"Q{i * j % 31}" for j in range(i % n)] for k, n in (("bought_together", 4), ("also_viewed", 9))
            },
        }
        for i in range(100)
    ]
    catalog = read(tmp_path, records)
    assert catalog.products["title"].to_pylist() == [f"t{i}" for i in range(100)]
    assert listed(catalog) == [(r["asin"], k, x) for r in records for k, ids in r["related"].items() for x in ids]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{'asin': 'B'", "broken literal"),
        (b"not a dict at all", "no plain data"),
        (b"['asin', 'B']", "not a dict but a list"),
        (b"{'title': 'x'}", "no asin"),
        (b"{'asin': ''}", "empty"),
        (b"{'asin': '  '}", "empty"),
        (b"{'asin': 12}", "not text but int"),
        (b"{'asin': None}", "not text but NoneType"),
        (b"{'asin': ['B']}", "not text but list"),
        (b"{'asin': 'a\\tb'}", "unprintable"),
        (b"{'asin': '\\ud800'}", "unprintable"),
        (b"{'asin': 'B', 'related': ['C']}", "related is not a dict but a list"),
        (b"{'asin': 'B', 'related': 'C'}", "related is not a dict but a str"),
        (b"{'asin': 'B', 'related': {'also_bought': 'C'}}", "also_bought is not a list but a str"),
        (b"{'asin': 'B', 'related': {'also_bought': {'C': 1}}}", "also_bought is not a list but a dict"),
        (b"{'asin': 'B', 'related': {'also_viewed': ['C', 7]}}", "also_viewed: .* not text but int"),
        (b"{'asin': 'B', 'related': {'also_viewed': ['C', ['D']]}}", "also_viewed: .* not text but list"),
        (b"{'asin': 'B', 'related': {'also_viewed': ['C', None]}}", "also_viewed: .* not text but NoneType"),
        (b"{'asin': 'B', 'also_buy': ['C', '']}", "also_buy: .* empty"),
        (b"{'asin': 'B', 'also_buy': ['', 'C']}", "also_buy: .* empty"),
        (b"{'asin': 'B', 'also_buy': ['']}", "also_buy: .* empty"),
        (b"{'asin': 'B', 'also_buy': ['C\\nD', 'E']}", "also_buy: .* unprintable"),
        (b"{'asin': 'B', 'also_buy': ['C\\x07']}", "also_buy: .* unprintable"),
        (b"{'asin': 'B', 'also_buy': ['\\ud800']}", "also_buy: .* unprintable"),
        (b"{'asin': 'B', 'title': 'x\x00'}", "NUL"),
        (b"{'asin': 'B', 'title': 'x\xff'}", "invalid UTF-8"),
        (b"{'asin': open('x')}", "no plain data"),
        (b"[" * 10_000 + b"]" * 10_000, "nested deeper"),
    ],
)
def test_a_bad_line_goes_to_quarantine_whole(tmp_path, line, reason):
    before, after = b"{'asin': 'A', 'also_buy': ['X']}\n\n  \n", b"\n{'asin': 'Z', 'also_view': ['A']}\n"
    catalog = read(tmp_path, before + line + after)
    assert catalog.products["product_id"].to_pylist() == ["A", "Z"]
    assert listed(catalog) == [("A", "also_bought", "X"), ("Z", "also_viewed", "A")]
    (row,) = catalog.quarantine.to_pylist()
    assert (row["file"], row["line"]) == ("meta.json", 4)
    assert re.search(reason, row["reason"])
    assert row["excerpt"]
    assert len(row["excerpt"]) <= 200
    assert row["excerpt"].isprintable()
    assert (catalog.info["lines"], catalog.info["bad_lines"]) == (3, 1)


def test_odd_optional_fields_become_null_and_the_product_stays(tmp_path):
    records = [
        {"asin": "A", "title": 5, "brand": ["x"], "price": {}, "categories": 3, "salesRank": "x", "imUrl": {"a": 1}},
        {
            "asin": "B",
            "title": "",
            "brand": None,
            "price": -1.0,
            "categories": None,
            "salesRank": {},
            "imUrl": "data:x",
        },
        {"asin": "C", "related": None, "also_buy": "", "also_view": None},
        {"asin": "D", "price": True, "salesRank": {"a": -4, "b": "junk"}, "categories": [[1, "ok"], None]},
    ]
    catalog = read(tmp_path, records)
    assert catalog.quarantine.num_rows == 0
    for row, categories in zip(catalog.products.to_pylist(), ([], [], [], ["ok"]), strict=True):
        assert row.pop("categories") == categories
        assert set(row.values()) == {row["product_id"], None}


def places(catalog):
    rows = catalog.relationships.to_pylist()
    return [(r["product1"], r["relationship"], r["product2"], r["place"]) for r in rows]


@pytest.mark.parametrize("write", [repr, json.dumps])
def test_places_are_those_of_the_lists_as_written(tmp_path, write):
    """Repeats in a list keep their places; what a product's later record adds to a list comes behind it."""
    records = [
        {"asin": "A", "related": {"also_bought": ["C", "B", "C", "A"], "also_viewed": ["B"]}},
        {"asin": "B", "also_view": ["A", "C"], "also_buy": str(["D", "A"])},
        {"asin": "A", "related": {"also_bought": ["E", "B", "F"], "bought_together": ["B"]}},
        {"asin": "B", "also_buy": ["A"]},
    ]
    catalog = read(tmp_path, "".join(write(record) + "\n" for record in records).encode())
    bought, viewed, together = "also_bought", "also_viewed", "bought_together"
    assert sorted(places(catalog), key=lambda row: (row[:2], row[3])) == [
        ("A", bought, "C", 1), ("A", bought, "B", 2), ("A", bought, "C", 3), ("A", bought, "A", 4),
        ("A", bought, "E", 5), ("A", bought, "F", 6), ("A", viewed, "B", 1), ("A", together, "B", 1),
        ("B", bought, "D", 1), ("B", bought, "A", 2), ("B", viewed, "A", 1), ("B", viewed, "C", 2),
    ]  # fmt: skip


def test_two_lists_of_one_kind_in_a_record_continue_each_other(tmp_path):
    catalog = read(tmp_path, [{"asin": "A", "also_buy": ["B", "C"], "related": {"also_bought": ["D", "B"]}}])
    assert [(listed, place) for _, _, listed, place in places(catalog)] == [("B", 1), ("C", 2), ("D", 3), ("B", 4)]


def test_repeated_products_are_one_and_repeats_are_not_bad(tmp_path):
    records = [
        {"asin": "A", "title": "first", "also_buy": ["X"]},
        {"asin": "A", "title": "second", "also_buy": ["Y"]},
        {"asin": " A ", "title": "third"},
    ]
    catalog = read(tmp_path, records, max_bad_share=0.0)
    assert catalog.products["title"].to_pylist() == ["first"]
    assert listed(catalog) == [("A", "also_bought", "X"), ("A", "also_bought", "Y")]
    assert [(row["line"], row["reason"][:22]) for row in catalog.quarantine.to_pylist()] == [
        (2, "product appeared befor"),
        (3, "product appeared befor"),
    ]
    assert (catalog.info["bad_lines"], catalog.info["repeated_products"]) == (0, 2)


def test_too_many_bad_lines_name_file_line_reason_share_and_remedy(tmp_path):
    content = b"".join(b"{'asin': 'A%d'}\n" % i for i in range(8)) + b"nonsense\nmore\n"
    with pytest.raises(InputError, match=r"meta\.json: 2 of 10 lines are bad \(20\.00%.*line 9: .*max_bad_share"):
        read(tmp_path, content, max_bad_share=0.19)
    assert read(tmp_path, content, max_bad_share=0.2).quarantine.num_rows == 2


def test_a_file_that_is_mostly_useless_is_given_up_early(tmp_path, monkeypatch):
    monkeypatch.setattr(quarantine, "_HOPELESS", 100)
    reviews = b"{'asin': 'A', 'reviewText': 'nice'}\n" * 1000
    with pytest.raises(InputError, match=r"of no use.*appeared before"):
        read(tmp_path, reviews, max_bad_share=0.01)


@pytest.mark.parametrize("content", [b"", b"\n\n \n", gzip.compress(b"")], ids=["empty", "blank", "gzip"])
def test_an_empty_file_is_an_input_error(tmp_path, content):
    with pytest.raises(InputError, match="holds no product and no pair"):
        read(tmp_path, content)


def test_plain_and_gzip_are_told_by_content(tmp_path):
    content = b"\xef\xbb\xbf{'asin': 'A', 'also_buy': ['B']}\r\n{'asin': 'B'}"
    plain = read(tmp_path, content, "a.gz")
    zipped = read(tmp_path, gzip.compress(content), "b.json")
    # Two gzip streams after each other and padding are one file, as gunzip sees it.
    parts = read(tmp_path, gzip.compress(content[:9]) + gzip.compress(content[9:]) + b"\0" * 100, "c.json")
    for catalog in (plain, zipped, parts):
        assert catalog.products["product_id"].to_pylist() == ["A", "B"]
        assert listed(catalog) == [("A", "also_bought", "B")]
        assert catalog.quarantine.num_rows == 0


def records_2014(n):
    return b"".join(repr({"asin": f"A{i}", "title": f"{i * 7919 % 1009}"}).encode() + b"\n" for i in range(n))


@pytest.mark.parametrize("zipped", [False, True])
def test_an_overlong_line_is_left_out_without_being_held_in_memory(tmp_path, zipped):
    monster = b"{'asin': 'M', 'title': '" + b"x" * (3 * lines.MAX_LINE_BYTES) + b"'}\n"
    content = b"{'asin': 'A'}\n" + monster + b"{'asin': 'B'}\n" + monster.rstrip()
    if zipped:
        content = gzip.compress(content, 1)
    tracemalloc.start()
    catalog = read(tmp_path, content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert catalog.products["product_id"].to_pylist() == ["A", "B"]
    assert [row["line"] for row in catalog.quarantine.to_pylist()] == [2, 4]
    assert "longer than" in catalog.quarantine["reason"][0].as_py()
    assert peak < 2.8 * lines.MAX_LINE_BYTES


def test_a_long_line_below_the_limit_is_read(tmp_path):
    title = "x" * (lines.MAX_LINE_BYTES - 100)
    catalog = read(tmp_path, b"{'asin': 'A'}\n" + repr({"asin": "M", "title": title}).encode() + b"\n{'asin': 'B'}\n")
    assert catalog.products["product_id"].to_pylist() == ["A", "M", "B"]
    assert catalog.products["title"][1].as_py() == title[: clean.MAX_CHARACTERS]
    assert catalog.info["fields"]["title"]["cut"]["count"] == 1


def test_memory_does_not_grow_with_unused_text(tmp_path):
    def peak(description):
        record = {"asin": "A%05d", "description": description}
        content = "".join((repr(record) + "\n") % i for i in range(3000)).encode()
        (tmp_path / "meta.json").write_bytes(content)
        del content
        tracemalloc.start()
        read_catalog(Source("meta.json"), tmp_path, tmp_path)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak("x" * 8000) - peak("x") < 12_000_000  # the texts alone are 24 MB, a few blocks may be alive


def test_progress_reaches_the_total(tmp_path):
    calls = []
    read(tmp_path, gzip.compress(records_2014(10)), progress=lambda *call: calls.append(call))
    size = (tmp_path / "meta.json").stat().st_size
    assert calls[-1] == ("read products", size, size, "bytes")


def test_the_fingerprint_follows_the_bytes(tmp_path):
    one, again, other = (
        read(tmp_path, records_2014(n), f"{i}.json").info["fingerprint"] for i, n in enumerate((3, 3, 4))
    )
    assert one == again != other


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  a \n b\t\u00a0c ", "a b c"),
        ("Rock &#39;n&#39; Roll &amp; more&nbsp;", "Rock 'n' Roll & more"),
        ("bell\x07and\x00nul\x85x", "bell and nul x"),
        ("lone \ud83d surrogate", "lone surrogate"),
        ("zero\u200dwidth", "zero\u200dwidth"),
        ("&#0;&#7;", "\ufffd"),
        ("", None),
        (" \n ", None),
        (3, None),
        (None, None),
    ],
)
def test_text(value, expected):
    assert clean_text(value) == expected


@pytest.mark.parametrize("value", ["Unknown", "GENERIC", "n/a", "N/A ", "None", "", " ", "-", "unbranded", "&nbsp;", 7])
def test_placeholder_brands_are_no_brand(value):
    assert clean_brand(value) is None


def test_brands_that_only_look_like_placeholders_stay():
    assert [clean_brand(b) for b in ("Generics & Co", "Nonesuch", "Unknown Pleasures")] == [
        "Generics & Co",
        "Nonesuch",
        "Unknown Pleasures",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$12.99", 12.99),
        ("$1,234.50", 1234.5),
        ("$10.00 - $5.00", 5.0),
        (" 7 ", 7.0),
        ("£3.20", 3.2),
        (0, 0.0),
        (12, 12.0),
        ("", None),
        (".a-box-inner{background-color:#fff}#alohaBuyBoxWidget .selected", None),
        ("from $4", None),
        ("$", None),
        ("$1e400", None),
        ("1" * 60, None),
        (-0.01, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (1e39, None),  # beyond float32
        (True, None),
        ([], None),
    ],
)
def test_prices(value, expected):
    assert clean_price(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2,345 in Beauty (", 2345),
        ("1,389 in Gift Cards (", 1389),
        ([">#2,893,775 in Toys & Games (See Top 100)", ">#154 in Kitchen (See"], 154),
        ({"Toys": 7, "Beauty": 3, "Bad": -1, "Text": None}, 3),
        (17, 17),
        ("17", 17),
        (12.0, 12),
        (12.5, None),
        ("4 stars", None),
        ([], None),
        ({}, None),
        (0, None),
        (10**30, None),
        (True, None),
        ("9" * 5000, None),
        ([["1 in X"]], None),
    ],
)
def test_ranks(value, expected):
    assert clean_rank(value) == expected


def test_categories_are_flat_distinct_and_in_order():
    assert clean_categories([["B", "A"], ["B", " C &amp; D "], "A", None, 5, ""]) == ["B", "A", "C & D"]
    assert clean_categories("One") == ["One"]
    assert clean_categories({"a": 1}) == []


def test_images_are_web_addresses():
    assert clean_image(["", "https://x/y.jpg"]) == "https://x/y.jpg"
    assert clean_image("javascript:alert(1)") is None
    assert clean_image('https://x/" onload="y') is None
    assert clean_image([]) is None


def real_file(name):
    if not (SHARED / name).exists():
        pytest.skip(f"real data is absent ({SHARED / name})")
    return SHARED / name


def real(name):
    return read_catalog(Source(real_file(name).name), SHARED, Path("unused"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "every", "products", "parse"),
    [
        ("meta_Beauty.json.gz", 8, 1_513, ast.literal_eval),
        ("meta_Cell_Phones_and_Accessories.json.gz", 8, 1_304, json.loads),
        ("meta_Gift_Cards.json.gz", 1, 1_547, json.loads),
    ],
)
def test_real_files_hold_what_a_plain_reading_finds(tmp_path, name, every, products, parse):
    """The whole files take half a minute, most of it for the plain reading."""
    with gzip.open(real_file(name), "rt") as file:
        lines = list(itertools.islice(file, 0, None, every))
    (tmp_path / name).write_bytes(gzip.compress("".join(lines).encode()))
    catalog = read_catalog(Source(name), tmp_path, Path("unused"))
    assert catalog.products.num_rows == products
    assert catalog.quarantine.num_rows == 0
    expected = []
    keys = {"also_bought": "also_bought", "also_viewed": "also_viewed", "bought_together": "bought_together"}
    keys |= {"also_buy": "also_bought", "also_view": "also_viewed"}
    for record in map(parse, lines):
        lists = {**record, **record.get("related", {})}
        expected += [(record["asin"], keys[k], x) for k in keys for x in lists.get(k, ())]
    assert sorted(expected) == sorted(listed(catalog))


def test_gift_cards_as_measured():
    catalog = real("meta_Gift_Cards.json.gz")
    owners = {r["product1"] for r in catalog.relationships.to_pylist() if r["relationship"] == "also_bought"}
    assert len(owners) == 336
    titles = catalog.products["title"].to_pylist()
    assert not any("&#39;" in title or "\n" in title for title in titles if title)
    by_id = {row["product_id"]: row for row in catalog.products.to_pylist()}
    assert by_id["B00P9VE9S4"]["sales_rank"] == 1389
    assert by_id["B00P9VE9S4"]["title"] == "Shari's Café Gift Cards - E-mail Delivery"


def test_beauty_brands_as_measured():
    brands = real("meta_Beauty.json.gz").products["brand"]
    assert 1 - brands.null_count / len(brands) == pytest.approx(0.827, abs=0.01)
    assert "L'Oreal Paris" in set(brands.to_pylist())
    assert not {"Unknown", "Generic", "unknown"} & set(brands.to_pylist())
