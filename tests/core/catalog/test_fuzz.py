"""Damaged files: whatever stands in a file, the outcome is a catalogue or an input error, soon and in bounds."""

import bz2
import gzip
import io
import time
import tracemalloc
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.catalog import Source, read_catalog
from core.errors import InputError

SECONDS = 10
"""Of the processor, for a few kB: far more than any needs, far less than what backtracks takes."""
BYTES = 64 << 20

PAIRS = b"product1,product2,weight,relationship\n" + b"".join(
    b'B%04d,"Q ""%d""",%d.5,also_bought\n' % (i, i * 7 % 13, i % 5 + 1) for i in range(30)
)
PRODUCTS = b"product_id,title,brand,price,categories,sales_rank,image_url\n" + b"".join(
    b'B%04d,"Cable, 2 m\nblack &amp; white %d",Unknown,"$1,2%d.50","[\'Beauty\', \'Hair\']","#%d in Beauty",http://x/%d\n'
    % (i, i, i % 10, i + 1, i)
    for i in range(20)
)
AMAZON = b"".join(
    repr({"asin": f"B{i:04d}", "title": "It's &quot;new&quot;", "price": 12.5, "salesRank": {"Beauty": i + 1},
          "categories": [["Beauty", "Hair"]], "related": {"also_bought": ["B0001", "B0002"]}}).encode() + b"\n"
    for i in range(10)
) + b"".join(
    b'{"asin": "C%04d", "also_buy": ["B0001"], "category": ["<span>x</span>"], "rank": "2,345 in X ("}\n' % i
    for i in range(10)
)  # fmt: skip


def parquet(table):
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def feather(table):
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def archive(content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("pairs.csv", content)
    return out.getvalue()


IDS = [f"B{i:04d}" for i in range(30)]
PAIRS_TABLE = pa.table(
    {
        "product1": IDS,
        "product2": IDS[::-1],
        "weight": [1.5] * 30,
        "relationship": pa.array(["x"] * 30).dictionary_encode(),
    }
)
PRODUCTS_TABLE = pa.table({"product_id": IDS, "title": pa.array([b"x"] * 30), "categories": [["a", "b"]] * 30})
FORMS = {
    "pairs": (PAIRS, None),
    "products": (b"product1,product2\nA,B\n", PRODUCTS),
    "amazon": (AMAZON, None),
    "utf-16": (PAIRS.decode().encode("utf-16"), None),
    "edges": (b"# FromNodeId ToNodeId\n" + b"".join(b"%d\t%d\n" % (i, i + 1) for i in range(30)), None),
    "gzip": (gzip.compress(PAIRS), None),
    "bzip2": (bz2.compress(PAIRS), None),
    "zip": (archive(PAIRS), None),
    "zstandard": (pa.Codec("zstd").compress(PAIRS, asbytes=True), None),
    "parquet pairs": (parquet(PAIRS_TABLE), None),
    "parquet products": (b"product1,product2\nA,B\n", parquet(PRODUCTS_TABLE)),
    "feather pairs": (feather(PAIRS_TABLE), None),
}  # fmt: skip

inserted = st.sampled_from(
    [b'"', b'""', b",", b"\n", b"\n\n", b"\r", b"\0", b"'", b"{", b"[", b"\\", b"\xff", b"\xef\xbb\xbf", b"\x1f\x8b",
     b"#", b"9" * 400, b"(" * 200, b"&#" + b"9" * 5000 + b";", b"1e999", b"-", b"<" * 300]
)  # fmt: skip
places = st.integers(0, 1 << 30)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), places, inserted),
        st.tuples(st.just("put"), places, st.binary(min_size=1, max_size=2)),
        st.tuples(st.just("delete"), places, st.sampled_from([1, 2, 10, 100])),
        st.tuples(st.just("repeat"), places, st.integers(2, 60)),
    ),
    min_size=1,
    max_size=6,
)


def mutated(content, changes):
    data = bytearray(content)
    for what, place, value in changes:
        at = place % (len(data) + 1)
        if what == "insert":
            data[at:at] = value
        elif what == "put":
            data[at : at + len(value)] = value
        elif what == "delete":
            del data[at : at + value]
        else:
            data[at:at] = data[at : at + 50] * value
    return bytes(data)


def outcome(folder, content, products):
    """The catalogue or the input error that reading ends with; anything else goes on up."""
    (folder / "source").write_bytes(content)
    if products is not None:
        (folder / "products").write_bytes(products)
    source = Source("source", "auto" if products is None else "pairs", None if products is None else "products")
    started = time.process_time()
    try:
        found = read_catalog(source, folder, folder, max_bad_share=1.0)
    except InputError as error:
        found = error
    assert time.process_time() - started < SECONDS
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    for content, products in FORMS.values():  # what is loaded at first use is not a file's doing
        assert not isinstance(outcome(folder, content, products), InputError)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file_is_read_or_refused(folder, form):
    content, products = FORMS[form]

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(edits)
    @example([("insert", 40, b'"')])
    def check(changes):
        damaged = (content, mutated(products, changes)) if products is not None else (mutated(content, changes), None)
        tracemalloc.start()
        try:
            found = outcome(folder, *damaged)
            assert tracemalloc.get_traced_memory()[1] < BYTES
        finally:
            tracemalloc.stop()
        if isinstance(found, InputError):
            assert len(str(found)) < 1500 and "Traceback" not in str(found)
        else:
            found.products.validate(full=True)
            found.relationships.validate(full=True)

    check()


@pytest.mark.parametrize(
    "line",
    [b'A,"x', b'"""', b'"A,B', b'A,"""x', b',"', b'""', b'A,"x""', b"A,B\r", b'"A\r', b"A B", b"[", b"A," * 30],
)  # fmt: skip
def test_many_odd_lines_take_no_longer_than_their_number(folder, line):
    content = b"product1,product2\nA,B\n" + (line + b"\n") * 20_000
    found = outcome(folder, content, None)
    assert isinstance(found, InputError) or found.info["lines"] <= 20_002
