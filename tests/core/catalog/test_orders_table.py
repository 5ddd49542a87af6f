"""Order lines, sessions and clicks as shops export them."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.catalog import read_catalog
from core.catalog.orders_table import CUSTOMER_KEY, ORDERS
from core.categories import load_categories
from core.errors import InputError

DAY = "2026-03-0"


def read(folder, content, category="format: orders", name="orders.csv", cache="cache", products=None):
    """The catalogue of one category whose source is a file with this content (text, table, or several by name)."""
    files = content if isinstance(content, dict) else {name: content}
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, str):
            file.write_text(text)
        else:
            pq.write_table(text, file)
    if products is not None:
        (folder / "products.csv").write_text(products)
    source = name if not isinstance(content, dict) else "days"
    (folder / "categories.yaml").write_text(f"categories:\n  shop: {{source: {source}, {category}}}\n")
    shop = load_categories(folder / "categories.yaml")["shop"]
    return read_catalog(shop.data, folder, folder / cache)


def rows(catalog):
    table = catalog.orders
    assert table.schema == ORDERS
    return [
        (
            r["product"],
            r["order"],
            r["customer"],
            r["time"] and r["time"].strftime("%m-%d %H:%M"),
            r["quantity"],
            r["event"],
        )
        for r in table.to_pylist()
    ]


def test_an_export_of_order_lines_is_recognised_by_its_columns(tmp_path):
    text = (
        "InvoiceNo;StockCode;CustomerID;InvoiceDate;Quantity\n"
        "536365;85123A;17850;2026-03-01 08:26;6\n536365;71053;17850;2026-03-01 08:26;6\n"
        "C536379;85123A;17850;2026-03-02;-1\n"
    )
    found = read(tmp_path, text, "format: auto")
    assert found.info["format"] == "orders" and found.info["orders"] == 3 and found.products.num_rows == 0
    assert rows(found) == [
        ("85123A", "536365", "17850", "03-01 08:26", 6.0, "purchase"),
        ("71053", "536365", "17850", "03-01 08:26", 6.0, "purchase"),
        ("85123A", "C536379", "17850", "03-02 00:00", -1.0, "purchase"),
    ]


def test_columns_are_what_categories_yaml_says(tmp_path):
    text = "who,what,when,date\nu1,A,01/12/2010 08:26,x\nu1,B,02/12/2010 08:26,y\n"
    mapping = (
        "format: orders, columns: {customer: who, product: what, time: When}, orders: {time_format: '%d/%m/%Y %H:%M'}"
    )
    found = read(tmp_path, text, mapping)
    assert [(r[0], r[2], r[3]) for r in rows(found)] == [("A", "u1", "12-01 08:26"), ("B", "u1", "12-02 08:26")]
    with pytest.raises(InputError, match=r"orders.csv: categories.yaml names the column 'client'.*who, what, when"):
        read(tmp_path, text, "format: orders, columns: {customer: client, product: what}")
    with pytest.raises(InputError, match=r"needs product and one of order, session and customer.*columns: \{product"):
        read(tmp_path, "a,b\n1,2\n")


def test_events_have_names_of_their_own(tmp_path):
    events = (("10", "view"), ("10", "addtocart"), ("11", "ordered"), ("12", "zoom"))
    text = "visitorid,itemid,event,timestamp\n" + "".join(f"1,{item},{name},1772366400000\n" for item, name in events)
    found = read(tmp_path, text, "format: orders, orders: {events: {view: zoom}}")
    assert [row[5] for row in rows(found)] == ["view", "cart", "purchase", "view"]
    found = read(tmp_path, text, "format: orders, orders: {events: {ignore: [zoom, view]}}")
    assert [row[5] for row in rows(found)] == ["cart", "purchase"] and found.info["ignored_events"] == 2
    with pytest.raises(InputError, match=r"line 5: event is unknown.*orders.events"):
        read(tmp_path, text)


def test_what_says_nothing_is_counted_and_what_is_wrong_is_quarantined(tmp_path):
    lines = [f"o{i},p{i},{DAY}1,1" for i in range(400)]
    lines += [
        "o1,,2026-03-01,1",
        "o1,p,sometime,1",
        "o1,p,2126-03-01,1",
        "o1,p,2026-03-01,many",
        "o1,p,2026-03-01,0",
        ",p,2026-03-01,1",
        "o1,p,,",
    ]
    found = read(tmp_path, "order_id,product_id,date,qty\n" + "\n".join(lines) + "\n", "format: orders, settings: {}")
    assert found.info["orders"] == 401 and found.info["bad_lines"] == 4
    assert found.quarantine["reason"].to_pylist() == [
        "product is missing", "time cannot be read", "time lies in the future", "quantity is not a number"
    ]  # fmt: skip
    assert found.info["zero_quantity"] == 1 and found.info["without_key"] == 1
    assert rows(found)[-1] == ("p", "o1", None, None, 1.0, "purchase")


def test_a_prefix_cancels(tmp_path):
    text = "order,product,quantity\n1,A,2\nC1,A,2\n"
    assert [row[4] for row in rows(read(tmp_path, text, "format: orders, orders: {cancel_prefix: C}"))] == [2.0, -2.0]


def test_parquet_of_typed_columns(tmp_path):
    frame = pd.DataFrame(
        {
            "product_id": np.array([7, 8, 9]),
            "user_id": [1.0, None, 3.0],  # what pandas makes of whole numbers with a gap
            "order_id": ["a", "b", "c"],
            "created_at": pd.to_datetime(["2026-03-01 12:00"] * 3),
        }
    )
    found = read(
        tmp_path, pa.Table.from_pandas(frame), "format: orders, orders: {time_zone: Europe/Berlin}", "o.parquet"
    )
    assert rows(found) == [
        ("7", "a", "1", "03-01 11:00", 1.0, "purchase"),
        ("8", "b", None, "03-01 11:00", 1.0, "purchase"),
        ("9", "c", "3", "03-01 11:00", 1.0, "purchase"),
    ]
    broken = pa.table({"product_id": ["A"], "user_id": [1.5]})
    with pytest.raises(InputError, match="column customer holds fractions"):
        read(tmp_path, broken, "format: orders", "o.parquet")
    with pytest.raises(InputError, match="product holds double"):
        read(tmp_path, pa.table({"product_id": [1.0], "user_id": ["a"]}), "format: orders", "o.parquet")


def test_customers_are_hashed_with_a_key(tmp_path, monkeypatch):
    text = "order,product,customer\n1,A,anna@example.org\n2,B,anna@example.org\n3,B,bob@example.org\n"
    monkeypatch.delenv(CUSTOMER_KEY, raising=False)
    with pytest.raises(InputError, match=CUSTOMER_KEY):
        read(tmp_path, text, "format: orders, orders: {hash_customers: true}")
    monkeypatch.setenv(CUSTOMER_KEY, "secret")
    first = [row[2] for row in rows(read(tmp_path, text, "format: orders, orders: {hash_customers: true}"))]
    bad = text + "4,,carol@example.org\n5,B,dora@example.org,stray\n" + "".join(f"{i},A,x\n" for i in range(6, 400))
    hidden = read(tmp_path, bad, "format: orders, orders: {hash_customers: true}")
    assert hidden.quarantine.num_rows == 2 and "@" not in str(hidden.quarantine["excerpt"].to_pylist())
    assert first[0] == first[1] != first[2] and all(len(name) == 16 and "@" not in name for name in first)
    monkeypatch.setenv(CUSTOMER_KEY, "another")
    assert first[0] not in [
        row[2] for row in rows(read(tmp_path, text, "format: orders, orders: {hash_customers: true}"))
    ]


def test_a_table_of_products_beside_orders_has_mapped_columns_too(tmp_path):
    found = read(
        tmp_path, "order,product\n1,A\n", "format: orders, products: products.csv, columns: {title: label}",
        products="product_id,label\nA,Red lamp\n",
    )  # fmt: skip
    assert found.products["title"].to_pylist() == ["Red lamp"]


def test_products_beside_orders_may_be_amazon_metadata_whose_lists_are_not_read(tmp_path):
    metadata = '{"asin": "A", "title": "Red lamp", "brand": "Lux", "related": {"also_bought": ["B"]}}\n'
    found = read(
        tmp_path, "order,product\n1,A\n", "format: orders, products: products.csv", products=metadata
    )  # fmt: skip
    assert found.products.select(["product_id", "title", "brand"]).to_pylist() == [
        {"product_id": "A", "title": "Red lamp", "brand": "Lux"}
    ]
    assert found.relationships.num_rows == 0 and found.orders.num_rows == 1


def test_a_column_that_is_not_what_its_name_says_is_not_read(tmp_path):
    text = "user_id,product_id,event\nu,A,1\nu,B,2\n"
    with pytest.raises(InputError, match=r"columns: \{event: null\}"):
        read(tmp_path, text)
    found = read(tmp_path, text, "format: orders, columns: {event: null}")
    assert found.orders["event"].to_pylist() == ["purchase", "purchase"]
    assert found.info["columns"]["orders.csv"]["unread"] == ["event"]


def test_a_title_and_categories_are_put_together_from_several_columns(tmp_path):
    columns = "{title: [label, size], categories: [department, group, type]}"
    rows = [
        "product_id,label,size,department,group,type", "A,Lamp,40 W,Home,Light|Lamps,Desk", "B,Bulb,,Home,,", "C,,,,,"
    ]  # fmt: skip
    found = read(
        tmp_path, "order,product\n1,A\n", f"format: orders, products: products.csv, columns: {columns}",
        products="\n".join(rows) + "\n",
    )  # fmt: skip
    assert found.products["title"].to_pylist() == ["Lamp 40 W", "Bulb", None]
    assert found.products["categories"].to_pylist() == [["Home", "Light", "Lamps", "Desk"], ["Home"], []]
    with pytest.raises(InputError, match="names the column 'colour', and the table has the columns"):
        read(
            tmp_path, "order,product\n1,A\n",
            "format: orders, products: products.csv, columns: {title: [label, colour]}",
            products="\n".join(rows) + "\n",
        )  # fmt: skip


def test_of_a_folder_only_new_and_changed_files_are_read(tmp_path):
    first = {
        "days/1.csv": "order,product\n1,A\n1,B\n",
        "days/2.csv": "order,product\n2,A\n",
        "days/.hidden": "x",
        "days/3.csv.part": "y",
    }
    found = read(tmp_path, first)
    assert (found.info["files"], found.info["new_files"], found.info["orders"], found.info["lines"]) == (2, 2, 3, 3)
    again = read(tmp_path, {"days/3.csv": "order,product\n3,C\n"})
    assert (again.info["files"], again.info["new_files"]) == (3, 1)
    assert sorted(row[:2] for row in rows(again)) == [("A", "1"), ("A", "2"), ("B", "1"), ("C", "3")]
    (tmp_path / "days" / "2.csv").write_text("order,product\n2,D\n2,E\n")
    (tmp_path / "days" / "1.csv").unlink()
    changed = read(tmp_path, {})
    assert (changed.info["files"], changed.info["new_files"]) == (2, 1)
    assert sorted(row[:2] for row in rows(changed)) == [("C", "3"), ("D", "2"), ("E", "2")]
    [folder] = (tmp_path / "cache" / "parsed").iterdir()
    assert len(list(folder.iterdir())) == 2  # nothing is left of the file that is gone
    assert changed.info["fingerprint"] != again.info["fingerprint"]


def test_a_broken_file_in_a_folder_is_refused_by_name_and_the_others_count(tmp_path):
    found = read(tmp_path, {"days/1.csv": "order,product\n1,A\n1,B\n", "days/2.csv": "<html>login</html>"})
    assert found.info["orders"] == 2 and list(found.info["refused_files"]) == ["2.csv"]
    assert "HTML" in found.info["refused_files"]["2.csv"]
    (tmp_path / "days" / "1.csv").unlink()
    with pytest.raises(InputError, match=r"2\.csv: .*HTML"):
        read(tmp_path, {})
    (tmp_path / "days" / "2.csv").unlink()
    with pytest.raises(InputError, match="holds no file"):
        read(tmp_path, {})


def test_a_kept_table_says_the_same_as_reading_did(tmp_path):
    text = "order,product\n" + "".join(f"{i},P{i % 7}\n" for i in range(300)) + "301,\n"
    first = read(tmp_path, {"days/1.csv": text})
    second = read(tmp_path, {})
    assert second.info["new_files"] == 0 and second.orders.equals(first.orders)
    assert second.quarantine.equals(first.quarantine) and second.quarantine.num_rows == 1
    assert {k: v for k, v in second.info.items() if k not in ("seconds", "new_files")} == {
        k: v for k, v in first.info.items() if k not in ("seconds", "new_files")
    }


def test_a_pattern_names_files(tmp_path):
    for name in ("a.csv", "b.csv", "notes.txt"):
        (tmp_path / name).write_text("order,product\n1,A\n")
    (tmp_path / "categories.yaml").write_text("categories: {shop: {source: '*.csv', format: orders}}")
    shop = load_categories(tmp_path / "categories.yaml")["shop"]
    assert read_catalog(shop.data, tmp_path, tmp_path / "cache").info["files"] == 2


@pytest.mark.parametrize(
    ("category", "sentence"),
    [
        ("columns: [a]", "expected a mapping such as"),
        ("columns: {product: [a, b]}", "columns.product: expected the name of a column"),
        ("columns: {title: []}", "columns.title: expected the name of a column, or a list of names"),
        ("columns: {basket: x}", "there is no column 'basket'"),
        ("orders: {zone: x}", "unknown key 'zone'"),
        ("orders: {time_zone: Mars/Base}", "time_zone: 'Mars/Base' is not a time zone"),
        ("orders: {events: {sold: x}}", "expected a mapping from purchase"),
        ("orders: {events: {view: a, cart: a}}", "'a' stands for two events"),
        ("orders: {hash_customers: 3}", "neither true nor false"),
    ],
)
def test_a_category_that_cannot_be_meant_is_a_sentence(tmp_path, category, sentence):
    (tmp_path / "categories.yaml").write_text(f"categories: {{shop: {{source: x.csv, format: orders, {category}}}}}")
    with pytest.raises(InputError, match=sentence):
        load_categories(tmp_path / "categories.yaml")


def test_times_are_those_of_python(tmp_path):
    moment = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)
    found = read(tmp_path, f"order,product,time\n1,A,{moment.isoformat()}\n")
    assert found.orders["time"][0].as_py() == moment
