"""How files are opened and recognised: packed in every usual way, cut, damaged, or no data at all."""

import bz2
import functools
import gzip
import hashlib
import io
import json
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.catalog import Source, read_catalog
from core.errors import InputError

PAIRS = [(f"P{i}", f"P{i + 1}") for i in range(500)]
CSV = ("product1,product2\n" + "".join(f"{a},{b}\n" for a, b in PAIRS)).encode()


def zipped(*files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


PACKED = {
    "gzip": gzip.compress(CSV),
    "gzip members": b"".join(map(gzip.compress, (b"", CSV[:99], b"", CSV[99:]))) + b"\0" * 99,
    "gzip in gzip": gzip.compress(gzip.compress(CSV)),
    "bzip2": bz2.compress(CSV),
    "bzip2 streams": bz2.compress(CSV[:99]) + bz2.compress(CSV[99:]),
    "xz": lzma.compress(CSV),
    "xz streams": lzma.compress(CSV[:99]) + b"\0" * 8 + lzma.compress(CSV[99:]),
    "lzma": lzma.compress(CSV, lzma.FORMAT_ALONE),
    "zstandard": zstd(CSV),
    "zstandard frames": b"\x50\x2a\x4d\x18\x04\0\0\0note" + zstd(CSV[:99]) + zstd(CSV[99:]),
    "zip": zipped(("export/", b""), ("export/pairs.csv", CSV), ("__MACOSX/export/._pairs.csv", b"x")),
    "stored zip": zipped(("pairs.csv", CSV), method=zipfile.ZIP_STORED),
    "zip of gzip": zipped(("pairs.csv.gz", gzip.compress(CSV))),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + CSV,
    "UTF-16": CSV.decode().encode("utf-16"),
    "UTF-16 big-endian": b"\xfe\xff" + CSV.decode().encode("utf-16-be"),
    "UTF-16 without a mark": CSV.decode().encode("utf-16-le"),
    "UTF-32": CSV.decode().encode("utf-32"),
    "UTF-16 in gzip": gzip.compress(CSV.decode().encode("utf-16")),
    "CR": CSV.replace(b"\n", b"\r"),
    "CR LF": CSV.replace(b"\n", b"\r\n"),
    "CR CR LF": CSV.replace(b"\n", b"\r\r\n"),
    "UTF-16 and CR": CSV.replace(b"\n", b"\r").decode().encode("utf-16"),
}  # fmt: skip


def read(tmp_path, content, form="auto", products=None):
    (tmp_path / "any").write_bytes(content)
    if products is not None:
        (tmp_path / "products").write_bytes(products)
    source = Source("any", form, products=None if products is None else "products")
    return read_catalog(source, tmp_path, tmp_path / "cache")


def pairs_of(catalog):
    return [(row["product1"], row["product2"]) for row in catalog.relationships.to_pylist()]


@pytest.mark.parametrize("form", ["auto", "pairs"])
@pytest.mark.parametrize("kind", PACKED)
def test_every_packing_is_read(tmp_path, kind, form):
    catalog = read(tmp_path, PACKED[kind], form)
    assert pairs_of(catalog) == PAIRS
    assert (catalog.info["lines"], catalog.info["bad_lines"]) == (500, 0)
    assert catalog.info["fingerprint"] == hashlib.sha256(PACKED[kind]).hexdigest()


@pytest.mark.parametrize("kind", ["bzip2", "zip", "UTF-16"])
def test_amazon_metadata_and_products_are_unpacked_too(tmp_path, kind):
    pack = {
        "bzip2": bz2.compress,
        "zip": lambda data: zipped(("x", data)),
        "UTF-16": lambda data: data.decode().encode("utf-16"),
    }
    metadata = read(tmp_path, pack[kind](b"{'asin': 'A', 'related': {'also_bought': ['B']}}\n"))
    assert pairs_of(metadata) == [("A", "B")]
    table = read(tmp_path, CSV, products=pack[kind](b"product_id,title\nP1,One\n"))
    assert table.products["title"].to_pylist() == ["One"]


@pytest.mark.parametrize(
    "kind", ["gzip", "gzip members", "gzip in gzip", "bzip2", "bzip2 streams", "xz", "zstandard", "zip"]
)
@pytest.mark.parametrize("form", ["auto", "pairs"])
def test_a_cut_archive_is_refused_whole(tmp_path, kind, form):
    whole = PACKED[kind].rstrip(b"\0")
    for size in (len(whole) * 2 // 3, len(whole) - 1):
        with pytest.raises(
            InputError, match=r"^any: the file is (cut off|damaged|cut off or damaged)\b.*; fetch it again$"
        ):
            read(tmp_path, whole[:size], form)


def test_the_line_before_the_cut_is_named(tmp_path):
    rng = np.random.default_rng(3)
    content = b"product1,product2\n" + b"".join(b"%d,%d\n" % (a, b) for a, b in rng.integers(10**8, 10**9, (3000, 2)))
    whole = gzip.compress(content)
    with pytest.raises(InputError, match="cut off after line ") as error:
        read(tmp_path, whole[: len(whole) // 2])
    line = int(str(error.value).partition("after line ")[2].partition(" ")[0].replace(",", ""))
    with gzip.open(io.BytesIO(whole[: len(whole) // 2])) as file:
        lines = 0
        with pytest.raises(EOFError):
            while file.read1(100):
                lines = file.tell() // 20
    assert line == pytest.approx(lines, abs=10)


@pytest.mark.parametrize("kind", ["gzip", "gzip members", "bzip2", "xz", "zip"])
def test_a_wrong_checksum_is_refused(tmp_path, kind):
    content = bytearray(PACKED[kind].rstrip(b"\0"))
    if kind == "zip":
        content = bytearray(PACKED["stored zip"])
        content[100] ^= 1
    else:
        content[-{"gzip": 6, "gzip members": 6, "bzip2": 3, "xz": 40}[kind]] ^= 0x10
    with pytest.raises(InputError, match=r"damaged\b.*fetch it again"):
        read(tmp_path, bytes(content))


def test_what_follows_an_archive_is_damage(tmp_path):
    for kind in ("gzip", "bzip2", "xz", "zstandard"):
        with pytest.raises(InputError, match="damaged"):
            read(tmp_path, PACKED[kind] + b"garbage")


def parquet(**columns):
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def feather(**columns):
    out = io.BytesIO()
    table = pa.table(columns)
    with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table, max_chunksize=2)
    return out.getvalue()


def test_feather_pairs_and_products(tmp_path):
    content = feather(Product1=["A", "B", "C"], unused=[[1], [2], [3]], product2=[1, 2, 3], weight=[1.0, 2.0, 3.0])
    products = feather(product_id=pa.array(["A", "B", "A"]).dictionary_encode(), title=["x", "y", None])
    catalog = read(tmp_path, content, products=products)
    assert pairs_of(catalog) == [("A", "1"), ("B", "2"), ("C", "3")]
    assert catalog.relationships["weight"].to_pylist() == [1, 2, 3]
    assert catalog.products["title"].to_pylist()[:2] == ["x", "y"]
    assert catalog.info["columns"]["any"]["unread"] == ["unused"]


def tar(name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(CSV)
        archive.addfile(info, io.BytesIO(CSV))
    return out.getvalue()


JSON = [{"asin": "A", "also_buy": ["B"]}, {"asin": "B", "also_buy": []}]
REFUSED = {
    "Excel": (zipped(("[Content_Types].xml", b""), ("xl/workbook.xml", b"")), "an Excel workbook; save the sheet as"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old Excel workbook"),
    "Word": (zipped(("[Content_Types].xml", b""), ("word/document.xml", b"")), "an office document"),
    "two files": (zipped(("a.csv", CSV), ("b.csv", CSV)), r"2 files \(a.csv, b.csv\); unpack it"),
    "no file": (zipped(), "holds no file"),
    "zip in gzip": (gzip.compress(zipped(("a.csv", CSV))), "zip archive inside another archive"),
    "Parquet in gzip": (gzip.compress(parquet(product1=["A"], product2=["B"])), "Parquet file inside an archive"),
    "many gzips": (functools.reduce(lambda data, _: gzip.compress(data), range(5), CSV), "more than 4 times"),
    "tar": (tar("pairs.csv"), "a tar archive"),
    "old Feather": (b"FEA1" + b"\0" * 50, "Feather file of version 1"),
    "SQLite": (b"SQLite format 3\0" + b"\0" * 99, "an SQLite database"),
    "pickle": (pickle.dumps({"a": 1}), "pickle, which is never opened"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "HTML": (b"\n<!DOCTYPE html>\n<html><body>Not found</body></html>\n", r"a web page \(HTML\).*fetch the file again"),
    "HTML in gzip": (gzip.compress(b"<html>\n<head></head></html>"), "a web page"),
    "XML": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "this is XML"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "Git LFS pointer.*git lfs pull"),
    "array": (json.dumps(JSON).encode(), "a JSON array; one object a line is needed"),
    "array over lines": (("[\n" + ",\n".join(map(json.dumps, JSON)) + "\n]").encode(), "a JSON array"),
    "empty array": (b"[]", "a JSON array"),
    "pretty array": (json.dumps(JSON, indent=1).encode(), "a JSON array"),
    "pretty": (json.dumps(JSON[0], indent=1).encode(), "JSON spread over several lines; one object a line"),
    "2023": (b'{"parent_asin": "A", "bought_together": null}\n' * 3, "2023 release.*no relations between products"),
    "reviews": (b'{"reviewerID": "R", "asin": "A", "overall": 5.0}\n' * 3, "these are reviews"),
    "other columns": (b"colour;size\nred;5\n", "the columns colour, size; a pairs table needs product1, product2"),
    "no header": (b"A,B\nC,D\n", "a table with the columns A, B; a pairs table needs"),
    "two weights": (b"product1,product2,weight,Weight\nA,B,1,2\n", "names the column weight more than once"),
    "two ids": (b"product1;product1;product2\nA;A;B\n", "names the column product1 more than once"),
    "cut Parquet": (parquet(product1=["A"], product2=["B"])[:-9], "broken Parquet file"),
    "cut Arrow": (feather(product1=["A"], product2=["B"])[:-9], "broken Arrow file"),
    "float ids": (b"product1,product2\n1000.0,1001.0\n", "product ids as text or whole numbers"),
    "exponents": (b"product1,product2\n8.71E+11,A\n", "product ids as text or whole numbers"),
    "lists": (b"asin,also_bought\nA,\"['B', 'C']\"\n", "product2 is a list; write one product a row"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["auto", "pairs"])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_named_with_the_remedy(tmp_path, kind, form):
    content, sentence = REFUSED[kind]
    with pytest.raises(InputError, match=sentence) as error:
        read(tmp_path, content, form)
    message = str(error.value)
    assert message.startswith("any: ")
    assert "max_bad_share" not in message


def test_a_format_that_the_file_does_not_have(tmp_path):
    with pytest.raises(
        InputError, match=r"is JSON or Python literals.*`format: pairs` means pairs of products: a table"
    ):
        read(tmp_path, b"{'asin': 'A'}\n", "pairs")
    for content in (CSV, parquet(product1=["A"], product2=["B"])):
        with pytest.raises(InputError, match="`format: mcauley` means Amazon metadata"):
            read(tmp_path, content, "mcauley")


def test_order_lines_are_no_pairs(tmp_path):
    with pytest.raises(InputError, match=r"a product and an order.*`format: pairs` means pairs of products"):
        read(tmp_path, b"order_id,product_id,quantity\n1,2,3\n", "pairs")


def test_a_products_table_is_recognised_in_the_same_way(tmp_path):
    for content, sentence in (
        (REFUSED["HTML"][0], "products: this is a web page"),
        (REFUSED["array"][0], "products: this is a JSON array"),
        (b"", "products: the file is empty; a products table needs"),
        (b"sku,title,sku\nA,x,B\n", "products: .*sku more than once"),
        (
            parquet(colour=["red"]),
            "products: this is a table with the columns colour; a products table needs product_id",
        ),
    ):
        with pytest.raises(InputError, match=sentence):
            read(tmp_path, CSV, products=content)


@pytest.mark.parametrize(
    "head",
    ["\nproduct1,product2", "# made by hand\nproduct1,product2", "sep=;\nproduct1;product2", "product1|product2",
     "product1   product2", "Product_1\tPRODUCT 2", "item_id_x,item_id_y", "asin,related", "source;target",
     "# Nodes: 3 Edges: 2\n# FromNodeId\tToNodeId", "product1,product2," + "x" * 200_000],
)  # fmt: skip
def test_headers_of_many_kinds(tmp_path, head):
    delimiter = next((mark for mark in "\t;|," if mark in head.split("\n")[-1]), " ")
    end = delimiter if len(head) > 1000 else ""
    catalog = read(tmp_path, f"{head}\n1{delimiter}2{end}\n2{delimiter}3{end}\n".encode())
    assert pairs_of(catalog) == [("1", "2"), ("2", "3")]


def test_other_names_of_columns_are_understood_and_the_rest_is_named(tmp_path):
    products = b"ID,SKU,Name,Category,Manufacturer,List Price,colour\n7,P1,One,\"['Beauty', 'Hair']\",M,5,red\n"
    catalog = read(tmp_path, b"asin;related;Relation;count;when\nP1;P2;also_bought;3;now\n", products=products)
    (product,), (pair,) = catalog.products.to_pylist(), catalog.relationships.to_pylist()
    assert (product["product_id"], product["title"], product["brand"], product["price"]) == ("P1", "One", "M", 5.0)
    assert product["categories"] == ["Beauty", "Hair"]
    assert list(pair.values()) == ["P1", "P2", "also_bought", 3.0, None]
    columns = catalog.info["columns"]
    assert columns["any"]["unread"] == ["when"]
    assert columns["any"]["read"] == {
        "product1": "asin",
        "product2": "related",
        "relationship": "Relation",
        "weight": "count",
    }
    assert columns["products"]["unread"] == ["ID", "colour"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Beauty|Hair", ["Beauty", "Hair"]),
        ("['Beauty', \"Hair's\"]", ["Beauty", "Hair's"]),
        ('["Beauty", "Hair"]', ["Beauty", "Hair"]),
        ("['Beauty' 'Hair']", ["Beauty", "Hair"]),
        ("[['Beauty', 'Hair'], ['Beauty', 'Nails']]", ["Beauty", "Hair", "Nails"]),
        ("[]", []),
        ("[not a list", ["[not a list"]),
    ],
)
def test_categories_as_text(tmp_path, text, labels):
    quoted = text.replace('"', '""')
    catalog = read(tmp_path, CSV, products=f'product_id,categories\nA,"{quoted}"\n'.encode())
    assert catalog.products["categories"].to_pylist() == [labels]


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.large_string(), pa.string_view(), pa.binary_view()]
)
def test_parquet_text_of_every_type_under_untidy_names(tmp_path, kind):
    text = pa.array([b"A", b"B"]).cast(kind)
    pairs = parquet(**{" Product1 ": text, "product2\t": pa.array(["C", "D"])})
    products = parquet(**{"product_id ": text, "title": text, "notes": text, "Notes": text})
    catalog = read(tmp_path, pairs, products=products)
    assert pairs_of(catalog) == [("A", "C"), ("B", "D")]
    assert catalog.products["title"].to_pylist() == ["A", "B"]


def test_duplicate_parquet_columns(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array(["A"]), pa.array(["B"]), pa.array(["C"])], ["product1", "product2", "product2"]
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    with pytest.raises(InputError, match="product2 more than once"):
        read(tmp_path, out.getvalue())


def test_another_code_page(tmp_path):
    """A column that nobody reads may hold anything; one that is read costs its line, and many of them the file."""
    lines = [f"P{i},gift {i},café\n" for i in range(200)]
    catalog = read(tmp_path, CSV, products=b"product_id,title,notes\n" + "".join(lines).encode("cp1252"))
    assert (catalog.products.num_rows, catalog.info["bad_lines"]) == (200, 0)
    lines[7] = "P7,£7 gift,x\n"
    catalog = read(tmp_path, CSV, products=b"product_id,title,notes\n" + "".join(lines).encode("cp1252"))
    (row,) = catalog.quarantine.to_pylist()
    assert (row["line"], row["reason"], row["excerpt"]) == (
        9,
        "title is not valid UTF-8",
        "P7, \N{REPLACEMENT CHARACTER}7 gift",
    )
    lines = [f"P{i},£{i} gift,x\n" for i in range(200)]
    with pytest.raises(
        InputError, match=r"all 200 lines cannot be used.*line 2: title.*save the file as UTF-8"
    ) as error:
        read(tmp_path, CSV, products=b"product_id,title,notes\n" + "".join(lines).encode("cp1252"))
    assert "\\x" not in str(error.value)


def test_bad_lines_are_counted_as_lines_and_all_bad_is_said_in_other_words(tmp_path):
    good = b"".join(b"A%d,B%d\n" % (i, i) for i in range(500))
    catalog = read(tmp_path, b'product1,product2\n"A\n2",B2\n' + good + b"X,X\n")
    assert (catalog.info["lines"], catalog.info["bad_lines"], catalog.info["self_pairs"]) == (503, 2, 1)
    assert "2" not in catalog.relationships["product1"].to_pylist()
    with pytest.raises(InputError, match=r"3 of 4 lines are bad .*allowed are 1\.00%.*max_bad_share"):
        read(tmp_path, b"product1,product2\nA\nB\nC\nD,E\n")
    with pytest.raises(
        InputError, match="none of its 2 lines can be used; the first is line 2: 1 columns where 2"
    ) as error:
        read(tmp_path, b"product1,product2\nA\nB\n")
    assert "max_bad_share" not in str(error.value)
    with pytest.raises(InputError, match="2 pair a product with itself"):
        read(tmp_path, b"product1,product2\nA,A\nB,B\n")


def test_ids_have_a_limit_in_bytes(tmp_path):
    longest = "é" * 500
    catalog = read(tmp_path, CSV + f"{longest},A\n{longest}x,A\n".encode())
    assert [row["reason"] for row in catalog.quarantine.to_pylist()] == ["product1 is longer than 1,000 bytes"]
    assert pairs_of(catalog)[-1] == (longest, "A")
    record = repr({"asin": "A", "also_buy": ["B"] * 300 + ["C" * 1000]}).encode() + b"\n"
    assert read(tmp_path, record).relationships.num_rows == 301
    broken = repr({"asin": "A", "also_buy": ["B"] * 300 + ["C" * 1001]}).encode() + b"\n"
    with pytest.raises(InputError, match="product id is longer than 1,000 bytes"):
        read(tmp_path, broken)
