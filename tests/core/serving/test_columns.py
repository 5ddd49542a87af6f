"""Mapped columns give back what was written, and find every text."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.serving.columns import Texts, TextsWriter, drop_pages

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def written(folder, parts):
    writer = TextsWriter(folder, "t")
    for part in parts:
        writer.add(part)
    writer.close()
    return Texts(folder, "t")


@given(st.sets(ANY, max_size=40), st.lists(ANY, max_size=20), st.integers(1, 7))
def test_texts_are_found_by_their_bytes(texts, others, step):
    ascending = sorted(texts, key=str.encode)
    parts = [pa.array(ascending[start : start + step], pa.string()) for start in range(0, len(ascending), step)]
    with TemporaryDirectory() as folder:
        column = written(Path(folder), parts)
        assert len(column) == len(ascending)
        assert [column[row] for row in range(len(column))] == ascending
        assert [column.raw(row) for row in range(len(column))] == [text.encode() for text in ascending]
        for text in [*texts, *others]:
            assert column.find(text) == (ascending.index(text) if text in texts else -1)


def test_nulls_and_slices(tmp_path):
    column = written(tmp_path, [pa.array(["a", None, "ü", "z"]).slice(1, 2), pa.array([None, None], pa.string())])
    assert [column[row] for row in range(4)] == ["", "ü", "", ""]


def test_half_a_surrogate_pair_is_no_text(tmp_path):
    assert written(tmp_path, [pa.array(["a"])]).find("\ud800") == -1


def test_files_that_do_not_belong_together(tmp_path):
    written(tmp_path, [pa.array(["abc"])])
    (tmp_path / "t.bytes").write_bytes(b"ab")
    with pytest.raises(ValueError, match="damaged"):
        Texts(tmp_path, "t")


def test_pages_are_given_back_and_read_again(tmp_path):
    column = written(tmp_path, [pa.array([f"{number:06d}" for number in range(50_000)])])
    texts = [column[row] for row in range(len(column))]
    assert drop_pages(above=0)  # the interpreter alone has more mapped files than that
    assert [column[row] for row in range(len(column))] == texts
    assert not drop_pages(above=1 << 50)
