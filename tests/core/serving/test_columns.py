"""Mapped columns give back what was written, and find every text."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.serving.columns import Rows, Texts, TextsWriter, drop_pages

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


@pytest.mark.parametrize("dtype", ["int32", "float32", "uint8"])
def test_rows_are_those_of_the_array(tmp_path, dtype):
    array = np.arange(60).reshape(12, 5).astype(dtype)
    np.save(tmp_path / "c.npy", array)
    np.save(tmp_path / "f.npy", np.asfortranarray(array))
    mapped = (np.load(tmp_path / name, mmap_mode="r") for name in ("c.npy", "f.npy"))
    for stored in (*mapped, array):
        rows = Rows(stored)
        assert [rows.row(number) for number in range(12)] == array.tolist()
    gone = Rows(np.load(tmp_path / "c.npy", mmap_mode="r"))
    (tmp_path / "c.npy").unlink()  # as when a newer version has replaced it
    assert gone.row(11) == array[11].tolist()
