"""Numbers as shops write them: each text, what its column makes of it, and what is said about the rest."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog import Source, pairs_table, read_catalog
from core.catalog.clean import clean_price, clean_rank
from core.catalog.field_notes import sentences
from core.catalog.numbers import TextNumbers, read_number


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("12,99", 12.99),
        ("12.99 €", 12.99),
        ("12.99 USD", 12.99),
        ("usd 12.99", 12.99),
        ("R$ 12,99", 12.99),
        ("1.299,00", 1299),
        ("CHF 12.90", 12.9),
        ("₹1,299.00", 1299),
        ("$12.99 to $15.99", 12.99),
        ("1 299,00", 1299),
        ("1\u00a0299,00 €", 1299),
        ("1\u202f299,5", 1299.5),
        ("1'299.00", 1299),
        ("1’299.00 Fr.", 1299),
        ("EUR 5", 5),
        ("12.99$", 12.99),
        ("$1,299", 1299),
        ("kr 99", 99),
        ("99 kr.", 99),
        ("US$ 5.50", 5.5),
        ("AU $5.50", 5.5),
        ("A$1,234.50", 1234.5),
        ("129,-", 129),
        ("129.-", 129),
        ("129.–", 129),
        ("kr 129,-", 129),
        ("129,- kr", 129),
        ("Rs. 1,299", 1299),
        ("1,23,456.78", 123456.78),
        ("1.299.000", 1299000),
        ("5,5 - 7,5", 5.5),
        ("$1,299.99 – $1,999.99", 1299.99),
        ("0,999", 0.999),
        ("1234,567", 1234.567),
        (",5", 0.5),
        ("12,99 zł", 12.99),
        ("１２．９９", 12.99),
        ("1e+02", 100),
        ("$0.00", 0),
        ("free", None),
        ("-5", None),
        ("−5", None),
        ("12 99", None),
        ("1,2.5", None),
        ("1,299,00", None),
        ("99¢", None),
        ("12.99.13", None),
        ("3 for $5", None),
        ("$", None),
    ],
)
def test_prices_as_shops_write_them(text, price):
    assert clean_price(text) == price


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ("123.0", 123),
        ("1.0", 1),
        ("2.345 in Küche (", 2345),
        ("1 299", 1299),
        ("#5", 5),
        ("5.7", None),
        ("1e+06", None),
    ],
)
def test_ranks_are_whole_numbers(text, rank):
    assert clean_rank(text) == rank


def products(tmp_path, prices, column="price"):
    (tmp_path / "pairs.csv").write_text("product1,product2\nA,B\n")
    rows = "".join(f"P{i}\t{text}\n" for i, text in enumerate(prices))
    (tmp_path / "products.csv").write_text(f"product_id\t{column}\n{rows}")
    return read_catalog(Source("pairs.csv", products="products.csv"), tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1,299", "2,499", "899"], [1299, 2499, 899]),  # nothing tells: the point is the decimal mark
        (["1.299", "2.499", "899"], [1.299, 2.499, 899]),
        (["1.299", "899", "12,50"], [1299, 899, 12.5]),
        (["1,299", "899", "12,50"], [1.299, 899, 12.5]),
        (["1.299", "12.50", "1.299.000"], [1.299, 12.5, 1299000]),  # one vote each
        (["1.299", "12.50", "0,5", "7,5"], [1299, 12.5, 0.5, 7.5]),  # the many decide
        (["1.299 €", "899 €"], [1299, 899]),  # no cents have three digits
        (["1.299 KWD", "899 KWD"], [1.299, 899]),
        (["1.299 - 1.999", "3,5"], [1299, 3.5]),
    ],
)
def test_what_is_ambiguous_is_decided_by_its_column(tmp_path, texts, expected):
    found = products(tmp_path, texts).products["price"].to_pylist()
    assert found == pytest.approx(expected, rel=1e-6)


def test_ranks_are_decided_by_their_column_too(tmp_path):
    assert products(tmp_path, ["1.000", "2.345"], "sales_rank").products["sales_rank"].to_pylist() == [1000, 2345]
    assert products(tmp_path, ["1.000", "7.0"], "sales_rank").products["sales_rank"].to_pylist() == [1, 7]


def test_what_is_there_and_cannot_be_read_is_counted_with_an_example(tmp_path):
    catalog = products(tmp_path, ["5", "", " ", "free", "nan", "-5", "n/a", "ask us"])
    assert catalog.products["price"].to_pylist() == [5] + [None] * 7
    assert catalog.info["fields"] == {"price": {"unread": {"count": 3, "example": "free"}}}
    assert sentences(catalog.info["fields"]) == ["prices present but unread: 3, e.g. 'free'"]


def grouped(value, thousands, decimal):
    """The reference: Python's own grouping, with the marks exchanged."""
    return f"{value:,.2f}".translate(str.maketrans({",": thousands, ".": decimal}))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 10**9).map(lambda cents: cents / 100),
    st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u00a0", ","), ("", "."), ("", ",")]),
    st.sampled_from(["{}", "${}", "{} €", "EUR {}", "CHF {}", "{} kr"]),
)
def test_every_grouping_of_a_price_with_cents_is_read(value, marks, frame):
    assert clean_price(frame.format(grouped(value, *marks))) == value


def weights(tmp_path, texts):
    rows = "".join(f"A{i};B;{text}\n" for i, text in enumerate(texts))
    (tmp_path / "pairs.csv").write_text("product1;product2;weight\n" + rows)
    catalog = read_catalog(Source("pairs.csv"), tmp_path, tmp_path, max_bad_share=1.0)
    return catalog.relationships["weight"].to_pylist()


def test_weights_are_read_in_either_style_and_decided_by_their_column(tmp_path):
    assert weights(tmp_path, ["0,5", "1.299", "1 000", "1e2"]) == [0.5, 1299, 1000, 100]
    assert weights(tmp_path, ["0.5", "1.299", "1,299"]) == pytest.approx([0.5, 1.299, 1299])
    assert weights(tmp_path, ["1,299", "2,5", "x"]) == pytest.approx([1.299, 2.5])


def test_the_style_of_weights_is_decided_over_all_batches(tmp_path, monkeypatch):
    from core.catalog import containers

    for size in ("_READ_BYTES", "_HEAD_BYTES"):
        monkeypatch.setattr(containers, size, 60)
    texts = ["1.299"] * 50 + ["0,5"]
    assert weights(tmp_path, texts) == [1299.0] * 50 + [0.5]
    assert pairs_table.UNNAMED == "pair"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.from_regex(r"[+-]?[0-9.,' ]{1,9}", fullmatch=True) | st.sampled_from(["1e3", "nan", "", "x"])))
def test_a_batch_of_texts_reads_as_its_single_texts_do(texts):
    texts = [" ".join(text.split()) for text in texts]
    numbers = TextNumbers()
    values, doubts = numbers.read(pa.array(texts, pa.string()))
    singles = [read_number(text) for text in texts]
    np.testing.assert_array_equal(values, [np.nan if n.usual is None else n.usual for n in singles])
    for number, value, doubt in zip(singles, values, doubts, strict=True):
        if doubt:
            assert number.comma == pytest.approx(value * 1000.0**doubt)
        else:
            assert number.point is None or number.comma is None or number.point == number.comma
