"""Stock tables in the forms in which shops write them, and broken ones."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InputError
from core.recommendations.rules.book import Rules
from core.recommendations.rules.stock import no_stock, read_stock

IDS = pa.array(["100", "200", "300", "A-1"])


def read(tmp_path, text, name="stock.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_stock(path, IDS, name)


def sold_out(stock):
    return [name for name, gone in zip(IDS.to_pylist(), stock.sold_out, strict=True) if gone]


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("product_id,in_stock\n100,true\n200,false\nA-1,No\n", ["200", "A-1"]),
        ("\ufeffproduct_id;quantity\n100;3\n200;0\n300;-1\n", ["200", "300"]),
        ("SKU\tQty\n100\t1,5\n200\t0.0\n", ["200"]),
        ("product_id,in_stock,quantity\n100,yes,0\n200,no,9\n300,1,1\n", ["100", "200"]),
        ("product_id,in_stock\n100,false\n100,true\n200,out of stock\n", ["200"]),
        ('"product_id","availability"\r\n" 100 ","in stock"\r\n"200","SOLD OUT"\r\n', ["200"]),
        ("product_id,in_stock\n100.0,false\n200,true\n", ["100"]),
        ("product_id,in_stock,price\n100,t,1\n200,f,\n", ["200"]),
    ],
)
def test_what_is_sold_out(tmp_path, text, gone):
    assert sold_out(read(tmp_path, text)) == gone


def test_utf_16_parquet_and_packed_tables_are_read(tmp_path):
    assert sold_out(read(tmp_path, "product_id,in_stock\n100,false\n200,true\n".encode("utf-16"))) == ["100"]
    for ids in (pa.array([100, 200, 300]), pa.array([100.0, 200.0, None]), pa.array(["100", "200", "300"])):
        for values in (pa.array([False, True, True]), pa.array([0, 1, 1], pa.int8()), pa.array([0.0, 1.0, 1.0])):
            pq.write_table(pa.table({"product_id": ids, "in_stock": values}), tmp_path / "stock.parquet")
            if ids.null_count:  # a row without an id is bad, and one of three is too many
                with pytest.raises(InputError, match="1 of 3 rows of the stock table cannot be used"):
                    read_stock(tmp_path / "stock.parquet", IDS)
            else:
                assert sold_out(read_stock(tmp_path / "stock.parquet", IDS)) == ["100"]


def test_unknown_and_repeated_ids_and_bad_rows_are_counted(tmp_path):
    rows = "".join(f"x{i},true\n" for i in range(300))
    stock = read(tmp_path, f"product_id,in_stock\n100,true\n100,true\n200,perhaps\n300,false\n{rows}")
    assert stock.info == {
        "rows": 304, "in_stock": 1, "sold_out": 1, "unknown_ids": 300, "examples": ["x0", "x1", "x2", "x3", "x4"],
        "repeated_ids": 1, "bad_rows": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "stock.csv: the file is empty; a stock table needs the columns product_id, in_stock or quantity"),
        ("product_id,colour\n1,red\n", "stock.csv: this is a table with the columns product_id, colour; a stock table "
         "needs product_id and in_stock or quantity"),
        ("in_stock,quantity\ntrue,1\n", "a stock table needs product_id and in_stock or quantity"),
        ("product_id,in_stock\n", "stock.csv: the stock table holds no row"),
        ("product_id,in_stock\n100,true\n200,maybe\n", "stock.csv: 1 of 2 rows of the stock table cannot be used; the "
         "first is line 3"),
        ("product_id,quantity\n100,many\n", "the first is line 2"),
        ("product_id,in_stock\nx,true\ny,false\n", "stock.csv: none of the 2 product ids of the stock table is one of "
         "this category's products (the first is 'x')"),
        (b"PAR1 broken", "stock.csv: "),
        (b"\x00\x01\x02\x03" * 20, "stock.csv: "),
        ("product_id,product_id,in_stock\n1,2,true\n", "more than once"),
    ],
)  # fmt: skip
def test_a_broken_table_is_refused_with_one_sentence(tmp_path, text, sentence):
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert sentence in str(refused.value)


def test_the_rules_say_what_counts_as_sold_out(tmp_path):
    stock = read(tmp_path, "product_id,in_stock,parent_id\n100,true,P\n200,false,\n")
    assert stock.left_out(Rules()).tolist() == [False, True, False, False]
    assert stock.left_out(Rules(unlisted="sold_out")).tolist() == [False, True, True, True]
    assert not stock.left_out(Rules(sold_out="keep", unlisted="sold_out")).any()
    assert not no_stock(4).left_out(Rules(unlisted="sold_out")).any()
    assert stock.parent.to_pylist() == ["P", None, None, None]
