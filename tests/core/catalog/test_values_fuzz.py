"""Whatever stands in a source, reading it ends: in tables or an InputError, in time and memory linear in its size."""

import json
import string
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.catalog import PRODUCTS, RELATIONSHIPS, Catalog, Source, clean, numbers, read_catalog
from core.catalog.field_notes import sentences
from core.errors import InputError

LINES = [
    # As published: 2014 as Python's repr; 2018; and what pandas makes of it.
    b"{'asin': '0000031852', 'title': \"Girl's Tutu &amp; Pink 5\\\" <b>x</b>\", 'price': 3.17, "
    b"'imUrl': 'http://x/1.jpg', 'related': {'also_bought': ['B00JHONN1S', 'B002BZX8Z6'], 'buy_after_viewing': []}, "
    b"'salesRank': {'Toys': 211836}, 'brand': 'L&#39;Oreal', 'categories': [['Sports & Outdoors', 'Dance']]}",
    b'{"asin": "B0", "title": "<span class=\\"a-size-medium\\"", "brand": "by\\n\\n Foo", "rank": "2,345 in Beauty (", '
    b'"price": "$5.00 - $10.00", "category": ["Beauty", "</span>"], "also_buy": ["B1"], "also_view": []}',
    b'{"asin": "B0001", "related.also_bought": "[\'B2\', \'B3\']", "also_view": NaN, "brand": null, "price": 1e400}',
]
PIECES = [
    *(bytes([character]) for character in b"'\"\\{}[](),:<>-#\n\x00\xff"),
    *(b"<script>", b"<!--", b"&#", b"9" * 50, b"&#99999999999;", b"None", b"NaN", b"null", b"\\u0000", b"\\ud800"),
    *(b"\xe2\x80\xa8", b"'a' ", b"1_0", b"0x", b"1e999", b"1,299", b"{None: ", b"\\N{BULLET}", b"\\x4", b"b'", b"//"),
    *(b"'asin': 'X', ", b'"asin": 5, '),
]


@st.composite
def damaged(draw):
    line = draw(st.sampled_from(LINES))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.sampled_from([0, 0, 1, 3, 40])))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=3)) * draw(st.sampled_from([1, 1, 1, 3, 200]))
        line = line[:start] + piece + line[end:]
    return line


def read(folder, content) -> Catalog | None:
    (folder / "meta.json").write_bytes(content)
    try:
        return read_catalog(Source("meta.json"), folder, folder / "cache", max_bad_share=1.0)
    except InputError as error:
        assert 0 < len(str(error)) < 1000 and "Traceback" not in str(error)
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(damaged(), min_size=1, max_size=5))
def test_damaged_lines_give_tables_or_a_sentence(folder, content):
    text = b"\n".join([*LINES, *content])
    catalog = read(folder, text)
    if catalog is None:
        return
    assert catalog.products.schema == PRODUCTS and catalog.relationships.schema == RELATIONSHIPS
    catalog.products.validate(full=True)
    catalog.relationships.validate(full=True)
    assert {"0000031852", "B0", "B0001"} <= set(catalog.products["product_id"].to_pylist())
    assert json.loads(json.dumps(catalog.info)) == catalog.info
    assert all(len(sentence) < 300 for sentence in sentences(catalog.info["fields"]))
    kept = sum(len(text or "") for name in ("title", "brand") for text in catalog.products[name].to_pylist())
    assert kept <= len(text)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=5)
    | st.lists(st.sampled_from(PIECES), max_size=6).map(lambda pieces: b"".join(pieces).decode("utf-8", "replace")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(anything)
@example("&#" + "9" * 5000 + ";")
@example("&#" + "0" * 5000 + "65;")
@example(10**5000)
@example(-(10**5000))
@example(["9" * 5000])
@example({"a": 10**400})
def test_every_cleaner_takes_every_value(value):
    noted = []

    def note(fault, raw):
        noted.append((fault, raw))

    for cleaner, kinds in (
        (clean.clean_text, str),
        (clean.clean_brand, str),
        (clean.clean_image, str),
        (clean.clean_price, float),
        (clean.clean_rank, int),
        (clean.clean_categories, list),
    ):
        found = cleaner(value, note)
        assert found is None or type(found) is kinds
        assert found == cleaner(value)
        if kinds is str:
            assert found is None or (found == found.strip() and 0 < len(found) <= clean.MAX_CHARACTERS)
            assert not found or not any(c < " " or "\ud800" <= c <= "\udfff" for c in found)
    if isinstance(value, str):
        numbers.read_number(value)
    assert all(type(fault) is str for fault, _ in noted)


N = 300_000
TEXTS = {
    "tags": "<b " * N,
    "open": "<" * N,
    "scripts": "<script" * N,
    "closing scripts": "<script></scrip" * (N // 10),
    "comments": "<!--" * N,
    "attributes": '="' * N,
    "words and dashes": "a-" * N + '="x">',
    "var": "var " * N,
    "long var": "var " + "a" * N,
    "functions": "function (" * (N // 5),
    "braces": "{color" * (N // 3),
    "css": "a{color:" * (N // 4),
    "entities": "&#" * N,
    "digits": "&#" + "9" * N,
    "zeros": "&#" + "0" * N,
    "names": "&notit" * (N // 3),
    "blanks": " " * N + "x",
    "lines": "by" + "\n" * N,
    "blanks and lines": "by" + " " * N + "\n",
    "store": "Visit the " * (N // 5),
    "list": "[" * N,
    "list of texts": "['" + "a', '" * (N // 4) + "']",
    "open text in a list": "['" + "\\'" * N,
    "commas": "1," * N,
    "apostrophes": "1'" * N,
    "number": "1" * N + "x",
    "rank": ">#" * N,
}
LITERALS = {
    "number": b"{'asin': " + b"1" * N + b"x}",
    "underscores": b"{'asin': " + b"1_" * N + b"x}",
    "fraction": b"{'asin': " + b"1" * N + b"." + b"1" * N + b"x}",
    "exponent": b"{'asin': 1e" + b"1" * N + b"x}",
    "hex": b"{'asin': 0x" + b"f" * N + b".}",
    "text": b"{'asin': None, 'b': '" + b"\\n" * N,
    "blanks": b"{'asin': None," + b" " * N + b"x",
    "texts": b"{'asin': None, 'b': " + b"'a' " * N + b"}",
    "colliding keys": b"{None: 1," + b",".join(b"%d:0" % ((2**61 - 1) * i) for i in range(1, 15_000)) + b"}",
    "open brackets": b"[{(" * 33 + b"None",
    "open dicts": b"{'a':" * 99 + b"None",
    "quotes": b"{'" + b"\"'" * N + b"}",
    "escapes": b"{'asin': '" + b"\\x41" * N + b"'}",
}
_SECONDS_PER_MEGABYTE = 25.0
"""Of CPU time. What is measured is below 2; work that grows with the square of the size takes hours."""


def timed(work, size):
    started = time.process_time()
    result = work()
    assert time.process_time() - started < _SECONDS_PER_MEGABYTE * max(1.0, size / 1e6)
    return result


@pytest.mark.parametrize("name", TEXTS)
def test_no_value_takes_more_than_time_in_its_length(name):
    text = TEXTS[name]
    cleaners = (clean.clean_text, clean.clean_brand, clean.clean_categories, clean.clean_price, clean.clean_rank)
    for cleaner in (*cleaners, clean.clean_image, clean.split_categories, numbers.read_number):
        timed(lambda cleaner=cleaner: cleaner(text), len(text))


@pytest.mark.parametrize("name", LITERALS)
def test_no_line_takes_more_than_time_in_its_length(folder, name):
    line = LITERALS[name]
    catalog = timed(lambda: read(folder, b"{'asin': 'A'}\n" + line + b"\n{'asin': 'B'}\n"), len(line))
    assert catalog is not None and {"A", "B"} <= set(catalog.products["product_id"].to_pylist())


@pytest.mark.parametrize("form", ["fields", "products", "labels"])
def test_memory_is_bounded_by_the_size_of_the_source(folder, form):
    if form == "fields":
        records = [{"asin": "A", "title": "x" * 200_000, "brand": "<b>" * 50_000, "price": "9" * 100_000}]
    elif form == "products":
        records = [{"asin": f"A{i % 50}", "title": string.ascii_letters, "also_buy": [f"B{i}"]} for i in range(3000)]
    else:
        records = [{"asin": "A", "category": [f"label {i}" for i in range(20_000)]}] * 2
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    tracemalloc.start()
    try:
        assert read(folder, content) is not None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6 + 40 * len(content)
