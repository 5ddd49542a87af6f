"""Tables as CSV files."""

import csv
import io

import pandas as pd
import pyarrow as pa
import pytest

from explorer.shared import csv_export


def test_the_download_holds_what_is_shown_and_more():
    title = 'a "quoted", title\nin two lines'
    rows = pa.table({"rank": [1], "title": [title], "price": pa.array([None], pa.float32())})
    text = csv_export.to_csv(csv_export.with_constants(rows, category="alpha", product="é")).decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row == {"category": "alpha", "product": "é", "rank": "1", "title": title, "price": ""}


def test_no_cell_of_a_download_is_a_formula():
    rows = pa.table({"title": ["=1+1", "@x", None, "a=b"], "score": [-1.5, 2.0, 3.0, 4.0]})
    text = csv_export.to_csv(csv_export.with_constants(rows, product="-1+cmd")).decode()
    parsed = list(csv.DictReader(io.StringIO(text)))
    assert [row["title"] for row in parsed] == ["'=1+1", "'@x", "", "a=b"]
    assert [float(row["score"]) for row in parsed] == [-1.5, 2.0, 3.0, 4.0]
    assert {row["product"] for row in parsed} == {"'-1+cmd"}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_no_cell_of_a_csv_is_a_formula(kind):
    titles = ["=1+1", "+1", "-1", "@x", "\t=1", "ok", None, "a,=1"]
    lines = csv_export.to_csv(pa.table({"title": pa.array(titles).cast(kind)})).decode()
    titles_read = pd.read_csv(io.StringIO(lines), keep_default_na=False, skip_blank_lines=False)["title"].tolist()
    assert titles_read == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "ok", "", "a,=1"]
