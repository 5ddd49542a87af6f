"""The store: round trips, atomicity under kill -9, retention, buckets."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from upath import UPath

from core.errors import InputError
from core.graph import build_graph
from core.interfaces import LEARNING_CURVE, TrainedModel
from core.store.artefacts import MANIFEST, Store


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    root = tmp_path / "store" if request.param == "folder" else UPath(f"memory://{tmp_path.name}/store")
    return Store(root)


def graph():
    return build_graph(4, np.array([0, 1], np.int32), np.array([1, 2], np.int32), np.array([1.0, 2.5], np.float32))


def test_a_dataclass_comes_back_equal(store):
    store.write("product_graph", "books", graph(), {"run_id": "r1"})
    back = store.read("product_graph", "books")
    for name in ("indptr", "indices", "weights"):
        expected, found = getattr(graph(), name), getattr(back, name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    manifest = store.manifest("product_graph", "books")
    assert manifest.info == {"run_id": "r1"} and manifest.bytes > 0 and manifest.type == "ProductGraph"
    assert store.categories("product_graph") == ["books"]


def test_embeddings_with_every_kind_of_field_come_back_equal(store):
    curve = pa.Table.from_pylist([{"epoch": 1, "batch": 2, "roc_auc": 0.5}], schema=LEARNING_CURVE)
    value = TrainedModel(
        model="m",
        seen=np.array([True, False]),
        center=np.ones((2, 3), np.float32),
        context=None,
        matrices={"left": sp.csr_matrix(np.eye(2, dtype=np.float32))},
        learning_curve=curve,
        info={"config": {"dim": 3}, "seconds": 1.5},
    )
    store.write("embeddings/m", "books", value)
    back = store.read("embeddings/m", "books")
    assert back.model == "m" and back.context is None and back.info == value.info
    np.testing.assert_array_equal(back.seen, value.seen)
    np.testing.assert_array_equal(back.center, value.center)
    np.testing.assert_array_equal(back.matrices["left"].toarray(), np.eye(2))
    assert back.learning_curve.equals(curve)


def test_bare_tables_arrays_and_matrices_come_back_equal(store):
    table = pa.table({"a": [1, 2], "t": ["x", None]})
    store.write("t", "c", table)
    store.write("a", "c", np.arange(6, dtype=np.int32).reshape(2, 3))
    store.write("empty", "c", np.empty((0, 3), np.int32))
    store.write("m", "c", sp.csr_matrix(np.array([[0.0, 2.0], [0.5, 0.0]])))
    assert store.read("t", "c").equals(table)
    np.testing.assert_array_equal(store.read("a", "c"), [[0, 1, 2], [3, 4, 5]])
    assert store.read("empty", "c").shape == (0, 3)
    np.testing.assert_array_equal(store.read("m", "c").toarray(), [[0, 2], [0.5, 0]])


def test_row_groups_hold_only_their_own_dictionary_and_read_back_equal(tmp_path):
    """A neighbours file is read one row group at a time: it must not carry all product ids in each."""
    n = 200_000
    ids = pa.array([f"PRODUCT{i:09d}" for i in range(n)])
    codes = pa.array(np.arange(n, dtype=np.int32))
    table = pa.table({"product": pa.DictionaryArray.from_arrays(codes, ids), "score": np.zeros(n, np.float32)})
    store = Store(tmp_path)
    store.write("neighbours", "c", table)
    assert store.read("neighbours", "c").combine_chunks().equals(table)
    file = pq.ParquetFile(store.file("neighbours", "c", "value"))
    assert file.num_row_groups == 4
    largest = max(file.metadata.row_group(i).column(0).total_uncompressed_size for i in range(4))
    assert largest < len(ids[0].as_py()) * n / 2


def test_arrays_are_memory_mapped(tmp_path):
    store = Store(tmp_path)
    store.write("walks", "c", np.zeros((4, 2), np.int32))
    assert isinstance(store.read("walks", "c"), np.memmap)


@pytest.mark.parametrize("value", [np.array([object()]), {1, 2}, object(), {"a": 1}])
def test_what_cannot_be_stored_is_refused_and_the_old_version_stays(store, value):
    store.write("x", "c", np.arange(3))
    with pytest.raises(TypeError):
        store.write("x", "c", value)
    np.testing.assert_array_equal(store.read("x", "c"), [0, 1, 2])


def test_missing_and_damaged_artefacts_are_told_apart(tmp_path):
    store = Store(tmp_path)
    assert store.manifest("x", "c") is None
    with pytest.raises(FileNotFoundError):
        store.read("x", "c")
    store.write("x", "c", np.arange(3))
    (tmp_path / "x" / "c" / MANIFEST).write_text("{broken")
    with pytest.raises(InputError, match="materialize the asset again"):
        store.read("x", "c")


def test_a_manifest_cannot_name_another_type(tmp_path):
    store = Store(tmp_path)
    store.write("product_graph", "c", graph())
    manifest = tmp_path / "product_graph" / "c" / MANIFEST
    manifest.write_text(manifest.read_text().replace('"ProductGraph"', '"Popen"'))
    with pytest.raises((InputError, KeyError)):
        store.read("product_graph", "c")


def test_the_current_and_the_previous_version_are_kept(tmp_path, monkeypatch):
    store = Store(tmp_path)
    monkeypatch.setattr("core.store.artefacts._ABANDONED_SECONDS", -2.0)
    for i in range(4):
        store.write("x", "c", np.array([i]))
    versions = [p for p in (tmp_path / "x" / "c").iterdir() if p.is_dir()]
    assert len(versions) == 2
    assert store.read("x", "c")[0] == 3


def test_only_what_writes_left_behind_is_removed_and_only_when_it_is_old(tmp_path):
    store = Store(tmp_path)
    folder = tmp_path / "x" / "c"
    old, young = "20200101T000000-0123abcd", time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-0123abcd"
    for name in (old, young, "20200101T000000-mine", "notes"):
        (folder / name).mkdir(parents=True)
    for name, seconds in (("manifest.json.0123abcd.tmp", 1e6), ("manifest.json.4567abcd.tmp", 0), ("notes.txt", 1e6)):
        (folder / name).write_text("{}")
        os.utime(folder / name, (time.time() - seconds,) * 2)
    current = store.write("x", "c", np.arange(3)).version
    assert {path.name for path in folder.iterdir()} == {
        current, young, "20200101T000000-mine", "notes", "manifest.json", "manifest.json.4567abcd.tmp", "notes.txt"
    }  # fmt: skip


def test_an_open_map_survives_the_removal_of_its_version(tmp_path, monkeypatch):
    store = Store(tmp_path)
    monkeypatch.setattr("core.store.artefacts._ABANDONED_SECONDS", -2.0)
    store.write("x", "c", np.arange(5))
    old = store.read("x", "c")
    for i in range(3):
        store.write("x", "c", np.arange(5) + i)
    np.testing.assert_array_equal(old, np.arange(5))


def test_a_writer_killed_half_way_leaves_the_old_artefact_readable(tmp_path):
    store = Store(tmp_path)
    store.write("x", "c", np.full(10, 7))
    program = textwrap.dedent(
        """
        import sys, time
        import core.store.artefacts as s
        from core.graph import ProductGraph
        import numpy as np
        plain = s._write_file
        def slow(path, write):
            plain(path, write)
            print("wrote", path.name, flush=True)
            time.sleep(60)
        s._write_file = slow
        s.Store(sys.argv[1]).write("x", "c", ProductGraph(np.zeros(2), np.zeros(3), np.zeros(3)))
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline().startswith("wrote")  # one of three fields is on disk now
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    np.testing.assert_array_equal(store.read("x", "c"), np.full(10, 7))
    store.write("x", "c", np.full(10, 8))
    np.testing.assert_array_equal(store.read("x", "c"), np.full(10, 8))


@pytest.mark.slow
def test_readers_never_see_a_half_written_artefact(tmp_path):
    """A writer replaces the artefact in a loop while this process reads: each read is one whole version."""
    store = Store(tmp_path)
    store.write("x", "c", np.zeros(1000))
    program = textwrap.dedent(
        """
        import sys, time
        import core.store.artefacts as s
        import numpy as np
        s._ABANDONED_SECONDS = -2.0
        store = s.Store(sys.argv[1])
        end = time.time() + 4
        i = 0
        while time.time() < end:
            i += 1
            store.write("x", "c", np.full(1000, i))
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
    seen = set()
    deadline = time.time() + 60
    while child.poll() is None and time.time() < deadline:
        values = np.unique(np.array(store.read("x", "c")))
        assert len(values) == 1
        seen.add(float(values[0]))
    assert child.wait() == 0
    assert len(seen) > 3


def test_copies_of_a_bucket_are_shared_and_go_when_superseded_or_unused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = Store(UPath(f"memory://{tmp_path.name}/store"))
    copies = tmp_path / f"alsobought-{os.getuid()}"

    def versions(asset):
        return sorted(path.parent.name for path in copies.rglob("*.npy") if asset in path.parts)

    written = []
    for number in range(4):
        written.append(store.write("a", "c", np.full(3, number)).version)
        monkeypatch.setattr(
            "core.store.artefacts._STAMP", f"{9000 + number}%m%dT%H%M%S"
        )  # versions of one second sort by chance
        value = store.read("a", "c")
        if number == 0:
            first = value
    store.write("b", "c", np.ones(2))
    store.read("b", "c")
    assert versions("a") == sorted(written[-2:]) and len(versions("b")) == 1
    np.testing.assert_array_equal(first, np.zeros(3))  # a map of a copy that was removed
    np.testing.assert_array_equal(store.read("a", "c"), np.full(3, 3))

    copy = store.file("a", "c", "value")
    before = copy.stat().st_ino
    for path in copies.rglob("*.npy"):
        os.utime(path, (0, 0))
    assert store.file("a", "c", "value").stat().st_ino == before  # not downloaded again; and now it is in use
    written = store.write("b", "c", np.ones(3)).version
    store.read("b", "c")
    assert versions("a") == [copy.parent.name] and versions("b") == [written]
    assert not list(copies.rglob("*.tmp"))
