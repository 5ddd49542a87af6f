"""A team's own pairs and products tables: CSV and Parquet in, tables and quarantine out."""

import csv
import decimal
import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog import RELATIONSHIPS, Source, containers, pairs_table, quarantine, read_catalog
from core.errors import InputError


def read(tmp_path, content, products=None, name="pairs.csv", **options):
    """Write tables (text, bytes or Arrow tables) and read them."""
    names = [name, "products.csv"]
    for file, data in zip(names, (content, products), strict=True):
        if isinstance(data, pa.Table):
            pq.write_table(data, tmp_path / file)
        elif data is not None:
            (tmp_path / file).write_bytes(data.encode() if isinstance(data, str) else data)
    source = Source(name, products=None if products is None else names[1])
    return read_catalog(source, tmp_path, tmp_path / "cache", **{"max_bad_share": 1.0, **options})


def rows(catalog):
    return [tuple(row.values())[:4] for row in catalog.relationships.to_pylist()]


def bad(catalog):
    return [(row["line"], row["reason"]) for row in catalog.quarantine.to_pylist()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_csv_with_any_delimiter(tmp_path, delimiter, ending):
    text = ending.join(
        ["\ufeffrelationship,Product2,weight,product1,note", 'bought,B,2.5,A,"x, ""y"""', "", "bought,007,1e-3,12,"]
    ).replace(",", delimiter)
    catalog = read(tmp_path, text)
    assert catalog.relationships.schema == RELATIONSHIPS
    assert rows(catalog) == [("A", "B", "bought", 2.5), ("12", "007", "bought", pytest.approx(1e-3))]
    assert bad(catalog) == []
    assert catalog.products.num_rows == 0
    assert catalog.info["lines"] == 2


def test_without_weight_and_relationship(tmp_path):
    catalog = read(tmp_path, "product1,product2\nA,B\n B , C\n")
    assert rows(catalog) == [("A", "B", pairs_table.UNNAMED, None), ("B", "C", pairs_table.UNNAMED, None)]


def test_bad_rows_go_to_quarantine_with_their_line(tmp_path):
    text = """product1,product2,weight,relationship
A,B,1,also_bought
,B,1,also_bought
A, ,1,also_bought
A,A,1,also_bought
A,B,much,also_bought

A,B,,also_bought
A,B,0,also_bought
A,B,-1,also_bought
A,B,nan,also_bought
A,B,inf,also_bought
A,B,1e39,also_bought
A,B,1e-60,also_bought
A,B,1
A,B,1,also_bought,more
A,B,1,
A,B\x07,1,x
C,D,3,own name
"""
    catalog = read(tmp_path, text)
    assert rows(catalog) == [("A", "B", "also_bought", 1.0), ("C", "D", "own name", 3.0)]
    assert bad(catalog) == [
        (3, "product1 is missing"),
        (4, "product2 is missing"),
        (6, "weight is not a number"),
        (8, "weight is not a number"),
        (9, "weight is not positive"),
        (10, "weight is not positive"),
        (11, "weight is not a number"),
        (12, "weight is not a number"),
        (13, "weight is not finite"),
        (14, "weight is not positive"),
        (15, "3 columns where 4 are expected"),
        (16, "5 columns where 4 are expected"),
        (17, "relationship is missing"),
        (18, "product2 has unprintable characters"),
    ]
    assert catalog.info["self_pairs"] == 1
    assert (catalog.info["lines"], catalog.info["bad_lines"]) == (17, 14)
    assert catalog.quarantine["excerpt"][2].as_py() == "A, B, also_bought, much"


def test_stray_quotes_and_bytes_cost_only_their_own_rows(tmp_path):
    text = b'product1,product2\nA,B\nC,"D\nE,F\nG,"H"\nI,\xff\n"J,K"\nL,"M\nN,O\n'
    catalog = read(tmp_path, text)
    assert [row[:2] for row in rows(catalog)] == [("A", "B"), ("E", "F"), ("G", "H"), ("N", "O")]
    assert [line for line, _ in bad(catalog)] == [3, 6, 7, 8]
    assert "UTF-8" in bad(catalog)[1][1]


def test_many_blocks_keep_line_numbers_and_order(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "_READ_BYTES", 50)
    body = [f"P{i},Q{i * 7 % 13},{i % 5}" for i in range(300)]
    catalog = read(tmp_path, "product1,product2,weight\n" + "\n".join(body))
    assert rows(catalog) == [
        (f"P{i}", f"Q{i * 7 % 13}", pairs_table.UNNAMED, float(i % 5)) for i in range(300) if i % 5
    ]
    assert [line for line, _ in bad(catalog)] == [i + 2 for i in range(0, 300, 5)]


cells = st.text(alphabet="abc 1,;\"'é|", max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=20), st.sampled_from([40, 1 << 20]))
def test_every_row_that_the_csv_module_writes_is_read_or_quarantined(tmp_path_factory, table, block):
    folder = tmp_path_factory.mktemp("csv")
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("product1", "product2"), ("first", "second"), *table])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(containers, "_READ_BYTES", block)
        catalog = read(folder, out.getvalue())
    expected = [(a.strip(), b.strip()) for a, b in table]
    good = [(a, b) for a, b in expected if a and b and a != b]
    assert [row[:2] for row in rows(catalog)] == [("first", "second"), *good]
    assert catalog.info["lines"] == len(table) + 1
    assert catalog.info["self_pairs"] == sum(a == b != "" for a, b in expected)
    assert len(bad(catalog)) == len(table) - len(good) - catalog.info["self_pairs"]


def test_parquet_ids_of_every_type(tmp_path):
    numbers = pa.array([12, 7, None], pa.int64())
    for ids in (
        pa.array(["12", "7", None]),
        pa.array(["12", "7", None], pa.large_string()),
        pa.array(["12", "7", None], pa.string_view()),
        pa.array(["12", "7", None]).dictionary_encode(),
        pa.array([b"12", b"7", None]),
        numbers,
    ):
        table = pa.table({"product1": ids, "product2": pa.array([1, 2, 3], pa.uint32()), "unused": [[1], [2], [3]]})
        catalog = read(tmp_path, table, name="pairs.anything")
        assert [row[:2] for row in rows(catalog)] == [("12", "1"), ("7", "2")]
        assert bad(catalog) == [(3, "product1 is missing")]


@pytest.mark.parametrize(
    "weight",
    [
        pa.array([2.0, None, float("nan"), -1.0, 0.5]),
        pa.array([2.0, None, float("nan"), -1.0, 0.5], pa.float32()),
        pa.array(["2", None, "x", "-1", "0.5"]),
    ],
)
def test_parquet_weights(tmp_path, weight):
    table = pa.table(
        {"product1": list("ABCDE"), "product2": list("VWXYZ"), "weight": weight, "relationship": ["r"] * 5}
    )
    catalog = read(tmp_path, table)
    assert rows(catalog) == [("A", "V", "r", 2.0), ("E", "Z", "r", 0.5)]
    assert [line for line, _ in bad(catalog)] == [2, 3, 4]


def test_parquet_whole_and_decimal_weights(tmp_path):
    for weight in (pa.array([2, 3]), pa.array([decimal.Decimal("2.0"), decimal.Decimal("3.0")])):
        table = pa.table({"product1": ["A", "B"], "product2": ["C", "D"], "weight": weight})
        assert [row[3] for row in rows(read(tmp_path, table))] == [2.0, 3.0]


def test_parquet_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs_table, "_BATCH_ROWS", 10)
    table = pa.table({"product1": [f"A{i}" for i in range(95)], "product2": [f"A{i // 2}" for i in range(95)]})
    catalog = read(tmp_path, table)
    assert [row[:2] for row in rows(catalog)] == [(f"A{i}", f"A{i // 2}") for i in range(1, 95)]
    assert (bad(catalog), catalog.info["self_pairs"]) == ([], 1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"product1": [1.0], "product2": ["x"]}, "column product1 holds double; write product ids as text"),
        ({"product1": [True], "product2": ["x"]}, "column product1 holds bool"),
        ({"product1": ["y"], "product2": ["x"], "weight": [True]}, "column weight holds bool; write numbers"),
        ({"product1": ["y"], "product2": ["x"], "relationship": [3]}, "column relationship holds int64"),
        ({"product1": ["y"], "other": ["x"]}, "the columns product1, other; a pairs table needs product1, product2"),
    ],
)
def test_unusable_parquet_columns_are_input_errors(tmp_path, table, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, pa.table(table))


def test_broken_parquet_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="broken Parquet file"):
        read(tmp_path, b"PAR1 and nothing else")


def test_a_missing_header_is_an_input_error(tmp_path):
    (tmp_path / "x.csv").write_text("A,B\nC,D\n")
    with pytest.raises(InputError, match=r"x\.csv: .*columns A, B; a pairs table needs product1, product2"):
        read_catalog(Source("x.csv", format="pairs"), tmp_path, tmp_path)


def test_too_many_relationship_names_are_an_input_error(tmp_path):
    body = "".join(f"A{i},B,r{i}\n" for i in range(pairs_table.MAX_RELATIONSHIPS + 1))
    with pytest.raises(InputError, match="61 different names"):
        read(tmp_path, "product1,product2,relationship\n" + body)


def test_the_bad_share_counts_for_pairs_too(tmp_path):
    text = "product1,product2\nA,B\nA,\n"
    with pytest.raises(InputError, match=r"pairs\.csv: 1 of 2 lines are bad .*line 3: product2 is missing"):
        read(tmp_path, text, max_bad_share=0.4)


def test_a_table_of_rubbish_is_given_up_early(tmp_path, monkeypatch):
    monkeypatch.setattr(quarantine, "_HOPELESS", 100)
    monkeypatch.setattr(containers, "_READ_BYTES", 100)
    with pytest.raises(InputError, match="of no use"):
        read(tmp_path, "product1,product2\n" + "A,\n" * 1000, max_bad_share=0.01)


@pytest.mark.parametrize("zipped", [False, True])
def test_products_csv(tmp_path, zipped):
    text = (
        "product_id;title;brand;price;categories;sales_rank;image_url;own\n"
        '12;"Tent &amp; ""Pole""\nlarge";Unknown;$5;a|b| a ;3;https://x/1.jpg;z\n'
        "\n"
        ";no id;;;;;;\n"
        "12;again;;;;;;\n"
        "short;row\n"
        "13;;;;;;;\n"
    )
    products = gzip.compress(text.encode()) if zipped else text
    catalog = read(tmp_path, "product1,product2\n12,13\n", products)
    assert catalog.products.to_pylist() == [
        {
            "product_id": "12",
            "title": 'Tent & "Pole" large',
            "brand": None,
            "price": 5.0,
            "categories": ["a", "b"],
            "sales_rank": 3,
            "image_url": "https://x/1.jpg",
        },
        dict.fromkeys(catalog.products.column_names) | {"product_id": "13", "categories": []},
    ]
    assert [(r["file"], r["line"]) for r in catalog.quarantine.to_pylist()] == [
        ("products.csv", 5),
        ("products.csv", 6),
        ("products.csv", 7),
    ]
    assert (catalog.info["bad_lines"], catalog.info["repeated_products"]) == (2, 1)


def test_products_csv_with_bad_bytes_and_huge_fields(tmp_path):
    products = b"product_id,title\nA,x\xffy\nB,a\x00b\nC," + b"z" * 200_000 + b"\nD,fine\n"
    catalog = read(tmp_path, "product1,product2\nA,B\n", products)
    assert catalog.products["product_id"].to_pylist() == ["B", "C", "D"]
    assert catalog.products["title"].to_pylist()[::2] == ["a b", "fine"]
    assert catalog.products["title"][1].as_py().startswith("zzz")
    assert bad(catalog) == [(2, "title is not valid UTF-8")]


def test_products_parquet(tmp_path):
    products = pa.table(
        {
            "Product_ID": pa.array([1, 2, None], pa.int32()),
            "categories": [["a", "b", "a"], None, ["x"]],
            "price": pa.array([decimal.Decimal("1.50"), None, None]),
            "sales_rank": [5, None, None],
            "title": ["One", None, None],
        }
    )
    catalog = read(tmp_path, "product1,product2\n1,2\n", products)
    first, second = catalog.products.to_pylist()
    assert (first["product_id"], first["categories"], first["price"]) == ("1", ["a", "b"], 1.5)
    assert (first["sales_rank"], first["title"]) == (5, "One")
    assert (second["product_id"], second["categories"], second["price"]) == ("2", [], None)
    assert bad(catalog) == [(3, "product id is empty")]


def test_products_need_ids(tmp_path):
    with pytest.raises(InputError, match=r"products\.csv: .* columns colour, title; a products table needs product_id"):
        read(tmp_path, "product1,product2\nA,B\n", "colour,title\nA,x\n")
    with pytest.raises(InputError, match="column product_id holds double"):
        read(tmp_path, "product1,product2\nA,B\n", pa.table({"product_id": [1.0]}))


def test_products_count_in_the_fingerprint(tmp_path):
    prints = {
        read(tmp_path, "product1,product2\nA,B\n", products).info["fingerprint"]
        for products in (None, "product_id\nA\n", "product_id\nB\n")
    }
    assert len(prints) == 3


def test_products_beside_amazon_metadata_are_refused(tmp_path):
    with pytest.raises(InputError, match="takes no table of products beside it"):
        read(tmp_path, "{'asin': 'A'}\n", "product_id\nA\n")


def places(catalog):
    return catalog.relationships["place"].to_pylist()


@pytest.mark.parametrize("name", ["place", "Position", "rank", "list_position"])
def test_a_column_of_places_is_read(tmp_path, name):
    catalog = read(tmp_path, f"product1,product2,{name}\nA,B,2\nA,C,1.0\nA,D,\nB,A,100\n")
    assert places(catalog) == [2, 1, None, 100]
    assert places(read(tmp_path, "product1,product2\nA,B\n")) == [None]


def test_places_that_count_from_zero_are_raised_by_one(tmp_path):
    assert places(read(tmp_path, "product1,product2,place\nA,B,0\nA,C,1\nA,D,\n")) == [1, 2, None]


def test_a_value_that_is_no_place_costs_only_the_place(tmp_path):
    body = "A,B,1\nA,C,first\nA,D,-3\nA,E,1.5\nA,F,99999999999\nA,G,3\n"
    catalog = read(tmp_path, f"product1,product2,place\n{body}")
    assert places(catalog) == [1, None, None, None, None, 3]
    assert catalog.info["fields"] == {"place": {"unread": {"count": 4, "example": "first"}}} and not bad(catalog)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([3, None, 0, 1], pa.int8()), [4, None, 1, 2]),
        (pa.array([3.0, float("nan"), -1.0, 1.0]), [3, None, None, 1]),
        (pa.array(["3", None, "x", " 1 "], pa.large_string()), [3, None, None, 1]),
        (pa.nulls(4), [None] * 4),
        (pa.array([True, False, True, None]), [None] * 4),
    ],
)
def test_places_of_a_parquet_file_may_be_of_any_type(tmp_path, values, expected):
    table = pa.table({"product1": ["A"] * 4, "product2": ["B", "C", "D", "E"], "place": values})
    pq.write_table(table, tmp_path / "pairs.parquet")
    assert places(read_catalog(Source("pairs.parquet"), tmp_path, tmp_path / "cache")) == expected
