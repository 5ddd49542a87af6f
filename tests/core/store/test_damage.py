"""Damaged and crafted artefacts: a sentence that names the remedy, never a crash, and nothing outside of the store."""

import dataclasses
import json
import logging
import os
import random
import stat
import tempfile
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from upath import UPath

from core.changes import DAMAGED_MANIFEST, Expected, changes
from core.errors import InputError
from core.graph import build_graph
from core.interfaces import TrainedModel
from core.store import files
from core.store.artefacts import Store, earlier_manifest, read_artefact
from core.store.manifest import MANIFEST, parse

RNG = np.random.default_rng(0)
VALUES = {
    "array": RNG.integers(-1, 50, (40, 8), dtype=np.int32),
    "empty": np.empty((0, 3), np.float32),
    "columns": np.asfortranarray(RNG.random((5, 7))),
    "table": pa.table({"id": [f"P{i}" for i in range(300)], "n": list(range(300))}),
    "matrix": sp.random(30, 20, 0.2, "csr", np.float32, rng=RNG),
    "graph": build_graph(4, np.array([0, 1], np.int32), np.array([1, 2], np.int32), np.array([1.0, 2.5], np.float32)),
    "vectors": TrainedModel(
        "m", np.ones(9, bool), RNG.random((9, 4)).astype(np.float32), matrices={"a": sp.eye(3).tocsr()}
    ),
}
REMEDY = "make materialize CATEGORY=c SELECT='a/x'"


def stored(tmp_path, value):
    store = Store(tmp_path)
    store.write("a/x", "c", value)
    folder = store.folder("a/x", "c")
    return store, folder, folder / store.manifest("a/x", "c").version


def alike(found, value):
    """Of the same types and shapes; what the bytes of an array say is for the sums to tell."""
    if dataclasses.is_dataclass(value):
        return all(alike(getattr(found, f.name), getattr(value, f.name)) for f in dataclasses.fields(value))
    if isinstance(value, dict):
        return found.keys() == value.keys() and all(alike(found[key], value[key]) for key in value)
    if isinstance(value, np.ndarray) or sp.issparse(value):
        return found.dtype == value.dtype and found.shape == value.shape
    return (
        isinstance(found, pa.Table) and found.schema.equals(value.schema)
        if isinstance(value, pa.Table)
        else found == value
    )


def mutated(data, rng):
    changed = bytearray(data)
    match rng.randrange(4):
        case 0:
            return bytes(changed[: rng.randrange(len(data))])
        case 1:
            return bytes(changed) + rng.randbytes(rng.randrange(1, 50))
        case 2:  # where the headers are, mostly
            for _ in range(rng.randrange(1, 4)):
                changed[rng.randrange(min(len(data), 200))] = rng.randrange(256)
        case _:
            for _ in range(rng.randrange(1, 8)):
                changed[-rng.randrange(1, len(data) + 1)] = rng.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("name", VALUES)
def test_a_mutated_file_is_a_sentence_or_an_artefact_of_the_same_form(tmp_path, name):
    store, folder, version = stored(tmp_path, VALUES[name])
    rng = random.Random(name)
    plain = {path: path.read_bytes() for path in version.iterdir()}
    assert plain
    noticed = 0
    tracemalloc.start()
    try:
        for _ in range(120):
            path = rng.choice(sorted(plain))
            path.write_bytes(data := mutated(plain[path], rng))
            try:
                assert alike(store.read("a/x", "c"), VALUES[name])
            except InputError as error:
                noticed += 1
                assert path.name in str(error) or version.name in str(error)
                assert str(error).endswith(f"`{REMEDY}`")
            if data != plain[path]:
                with pytest.raises(InputError, match="damaged"):
                    read_artefact(folder, "a/x", "c", sums=True)
            path.write_bytes(plain[path])
        assert noticed > 40
        assert tracemalloc.get_traced_memory()[1] < 32e6, "a header made a reader ask for what is not there"
    finally:
        tracemalloc.stop()
    assert alike(read_artefact(folder, "a/x", "c", sums=True), VALUES[name])


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        (b"(40, 8)", b"(4, 80)"),
        (b"(40, 8)", b"(8**9,)"),
        (b"'<i4'", b"'<f4'"),
        (b"'<i4'", b"'|O8'"),
        (b"(40, 8)", b"(-1, 8)"),
    ],
)
def test_an_array_of_another_form_than_its_manifest_says_is_refused(tmp_path, said, instead):
    store, _, version = stored(tmp_path, VALUES["array"])
    (path,) = version.iterdir()
    data = path.read_bytes()
    assert data.count(said) == 1
    path.write_bytes(
        data.replace(said, instead.ljust(len(said))[: max(len(said), len(instead))])[: len(data)].ljust(len(data))
    )
    with pytest.raises(InputError, match=r"value\.npy is damaged"):
        store.read("a/x", "c")


def test_a_graph_whose_rows_lead_outside_is_refused(tmp_path):
    store, _, version = stored(tmp_path, VALUES["graph"])
    indices = version / "indices.npy"
    data = indices.read_bytes()
    indices.write_bytes(data[:-4] + np.int32(1_000_000).tobytes())  # of the same size
    with pytest.raises(InputError, match="outside of its columns"):
        store.read("a/x", "c")
    indices.write_bytes(data)
    pointers = version / "indptr.npy"
    pointers.write_bytes(pointers.read_bytes()[:-8] + np.int64(10**12).tobytes())
    with pytest.raises(InputError, match="do not follow one another"):
        store.read("a/x", "c")


@pytest.mark.parametrize(
    ("indptr", "indices", "fault"),
    [
        ([0, 1, 3], [0, 1, 0], ""),
        ([0, 0, 0], [], ""),
        ([0, 1], [0], "1 rows instead of 2"),
        ([1, 1, 3], [0, 1, 0], "follow"),
        ([0, 4, 3], [0, 1, 0], "follow"),
        ([0, 1, 2], [0, 1, 0], "follow"),
        ([0, 1, 3], [0, 2, 0], "outside"),
        ([0, 1, 3], [0, -1, 0], "outside"),
    ],
)
def test_the_structure_of_a_matrix_is_looked_at(indptr, indices, fault):
    found = files.csr_fault(np.array(indptr), np.array(indices, np.int32), 2, 2)
    assert fault in found and bool(fault) == bool(found)


def test_a_missing_file_is_a_sentence_with_the_remedy(tmp_path):
    store, _, version = stored(tmp_path, VALUES["graph"])
    (version / "weights.npy").unlink()
    with pytest.raises(InputError, match=r"weights\.npy.* is missing; materialize the asset again") as error:
        store.read("a/x", "c")
    assert REMEDY in str(error.value)


# Manifests


def manifest_of(tmp_path):
    stored(tmp_path, VALUES["array"])
    return json.loads((tmp_path / "a" / "x" / "c" / MANIFEST).read_text())


def changed(manifest, **to):
    """With values at places like ``fields.value.file``."""
    copy = json.loads(json.dumps(manifest))
    for place, value in to.items():
        *way, last = place.split("__")
        at = copy
        for part in way:
            at = at[part]
        at[last] = value
    return copy


NO_MANIFESTS = {
    "nothing": b"",
    "not UTF-8": b"\xff\xfe\x00{",
    "a list": b"[]",
    "null": b"null",
    "a number": b"17",
    "cut": b'{"asset": "a/x", "cat',
    "NaN": b'{"asset": NaN}',
    "too long a number": b'{"created": ' + b"9" * 5_000 + b"}",
    "too deep": b"[" * 100_000 + b"]" * 100_000,
    "too large": b'"' + b"x" * (9 << 20) + b'"',
}
CHANGES = [
    {"asset": "a/y"}, {"asset": 3}, {"category": "d"}, {"type": "Popen"}, {"type": []}, {"fields": []},
    {"fields": {}}, {"created": "now"}, {"created": 1e300}, {"created": True}, {"info": []}, {"digest": 5},
    {"digest": "abc"}, {"newer": 1}, {"info": {"inputs": ["a"]}}, {"info": {"inputs": {"a": 1}}},
    {"info": {"seconds": "x"}}, {"info": {"config": 3}},
    {"version": "../../../outside"}, {"version": "/etc"}, {"version": ".."}, {"version": ""}, {"version": None},
    {"version": "20200101T000000-0123abcd\n"}, {"version": "٢٠200101T000000-0123abcd"},
    {"fields__value__file": "../value.npy"}, {"fields__value__file": "/etc/passwd"},
    {"fields__value__file": "a/value.npy"}, {"fields__value__file": "..npy"}, {"fields__value__file": "value.parquet"},
    {"fields__value__file": "value.npy\n"}, {"fields__value__file": ["value.npy"]}, {"fields__value__file": ".npy"},
    {"fields__value__bytes": -1}, {"fields__value__bytes": 1e9}, {"fields__value__bytes": 10**30},
    {"fields__value__bytes": True}, {"fields__value__sha256": "../../etc"}, {"fields__value__shape": [10**18, 10**18]},
    {"fields__value__shape": "40"}, {"fields__value__shape": [-1]}, {"fields__value__dtype": 4},
    {"fields__value__format": "pickle"}, {"fields__value__format": {}}, {"fields__value": []},
    {"fields__value": {"format": "artefact", "type": "Popen", "fields": {}}},
    {"fields__value": {"format": "dict", "items": {"../x": {"format": "json", "value": 1}}}},
    {"fields__value": {"format": "dict", "items": []}},
    {"fields__value__shape": [20, 16]},  # possible, but not what the digest was taken of
]  # fmt: skip


def assert_counts_as_never_made(store, caplog):
    with pytest.raises(InputError, match="is damaged") as error:
        store.manifest("a/x", "c")
    assert REMEDY in str(error.value) and "\n" not in str(error.value)
    assert store.earlier("a/x", "c") is None
    found = changes([Expected("a/x", "1"), Expected("b", "1")], lambda name: store.manifest(name, "c"))
    assert found == {"a/x": DAMAGED_MANIFEST, "b": "was never made"}
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        written = store.write("a/x", "c", np.arange(3))  # the remedy works
    assert "is damaged" in caplog.text
    assert store.manifest("a/x", "c") == written and store.read("a/x", "c").tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", NO_MANIFESTS)
def test_what_is_no_manifest_counts_as_never_made_for_those_who_write(tmp_path, caplog, name):
    manifest_of(tmp_path)
    (tmp_path / "a" / "x" / "c" / MANIFEST).write_bytes(NO_MANIFESTS[name])
    assert_counts_as_never_made(Store(tmp_path), caplog)


@pytest.mark.parametrize("to", CHANGES, ids=str)
def test_a_manifest_that_says_something_impossible_is_none(tmp_path, caplog, to):
    made = changed(manifest_of(tmp_path), **to)
    (tmp_path / "a" / "x" / "c" / MANIFEST).write_text(json.dumps(made))
    assert_counts_as_never_made(Store(tmp_path), caplog)


def test_mutated_manifests_are_read_as_they_are_or_refused(tmp_path):
    stored(tmp_path, VALUES["vectors"])
    path = tmp_path / "a" / "x" / "c" / MANIFEST
    plain, rng = path.read_bytes(), random.Random(0)
    whole = parse(plain, "a/x", "c")
    for _ in range(400):
        data = bytearray(plain)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            found = parse(bytes(data), "a/x", "c")
        except ValueError:
            continue
        # Times, versions and provenance are not content; what decides how the files are read is.
        kept = {name: entry for name, entry in whole.fields.items() if name not in ("info", "learning_curve")}
        assert {name: found.fields[name] for name in kept} == kept or not found.digest


def test_a_manifest_of_fewer_facts_is_read_as_an_earlier_program_wrote_it(tmp_path):
    made = manifest_of(tmp_path)
    path = tmp_path / "a" / "x" / "c" / MANIFEST
    del made["digest"], made["info"], made["fields"]["value"]["sha256"]
    path.write_text(json.dumps(made))
    assert Store(tmp_path).read("a/x", "c").shape == (40, 8)
    assert earlier_manifest(UPath(tmp_path / "a" / "x" / "c"), "a/x", "c").digest == ""


def test_a_dataclass_with_other_fields_than_its_own_is_refused(tmp_path):
    store, folder, _ = stored(tmp_path, VALUES["graph"])
    made = json.loads((folder / MANIFEST).read_text()) | {"digest": ""}
    for fields in (
        {name: entry for name, entry in made["fields"].items() if name != "weights"},
        made["fields"] | {"more": {"format": "json", "value": 1}},
        made["fields"] | {"weights": {"format": "json", "value": [1, 2]}},
    ):
        (folder / MANIFEST).write_text(json.dumps(made | {"fields": fields}))
        with pytest.raises(InputError, match="is damaged"):
            store.read("a/x", "c")


def test_one_damaged_manifest_has_its_asset_rebuilt_with_what_follows(tmp_path):
    from orchestration.partitions import CATEGORIES
    from orchestration.staleness import stale_assets

    store = Store(tmp_path)
    store.write("product_graph", "alpha", VALUES["graph"])
    (tmp_path / "product_graph" / "alpha" / MANIFEST).write_bytes(b"[]")
    found = stale_assets(CATEGORIES["alpha"], store, None)
    assert found.reasons["product_graph"] == DAMAGED_MANIFEST and found.reasons["walks"] == "was never made"
    assert {"product_graph", "transition_matrix"} <= {key.to_user_string() for key in found.assets}


# Names


@pytest.mark.parametrize(
    "asset", ["", "..", "../x", "a/../b", "/etc", "a//b", "a/", "a\0", ".a", "a\\b", "a/b\n", "%2e"]
)
def test_no_asset_leads_out_of_the_store(tmp_path, asset):
    with pytest.raises(InputError, match="is not an asset name"):
        Store(tmp_path).folder(asset, "c")
    with pytest.raises(InputError, match="is not an asset name"):
        Store(tmp_path).write(asset, "c", np.arange(3))


@pytest.mark.parametrize("category", ["", "..", ".", "../x", "/etc", "a/b", "a\0", ".a", "a\n", "x" * 300])
def test_no_category_leads_out_of_the_store(tmp_path, category):
    for use in (Store(tmp_path).folder, Store(tmp_path).manifest, Store(tmp_path).read):
        with pytest.raises(InputError, match="is not a category name"):
            use("a", category)


@pytest.mark.parametrize("key", ["../x", "a/b", "", "/a", 3])
def test_no_item_of_a_value_becomes_a_file_elsewhere(tmp_path, key):
    value = dataclasses.replace(VALUES["vectors"], matrices={key: sp.eye(3).tocsr()})
    with pytest.raises(TypeError, match="is not a file name"):
        Store(tmp_path).write("a", "c", value)
    assert not list(tmp_path.rglob("*.npz"))


# Copies of a bucket


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A store in a bucket, and the folder of its copies."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Store(UPath(f"memory://{tmp_path.name}/store")), tmp_path / f"alsobought-{os.getuid()}"


def copy_of(copies):
    (path,) = copies.rglob("*.npy")
    return path


def test_copies_are_for_this_user_alone_and_are_compared_before_they_are_served(bucket, monkeypatch):
    store, copies = bucket
    copies.mkdir(mode=0o755)
    store.write("a", "c", np.arange(5))
    store.read("a", "c")
    assert stat.S_IMODE(copies.stat().st_mode) == 0o700
    for data in (b"short", copy_of(copies).read_bytes()[:-1] + b"\x09"):  # another size; the same size
        copy_of(copies).write_bytes(data)
        assert store.read("a", "c").tolist() == [0, 1, 2, 3, 4]
    assert not list(copies.rglob("*.tmp"))


def test_a_file_that_the_bucket_has_damaged_is_not_served(bucket):
    store, copies = bucket
    version = store.write("a", "c", np.arange(5)).version
    file = store.folder("a", "c") / version / "value.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\x09")
    with pytest.raises(InputError, match=r"damaged.*materialize the asset again"):
        store.read("a", "c")
    assert not list(copies.rglob("value.npy*"))


def test_a_folder_of_somebody_else_is_refused(bucket, monkeypatch, tmp_path):
    store, _ = bucket
    store.write("a", "c", np.arange(5))
    monkeypatch.setattr(os, "getuid", lambda: 4_711)
    (tmp_path / "alsobought-4711").mkdir()  # by the user that the tests run as
    with pytest.raises(InputError, match="is not a folder of this user"):
        store.read("a", "c")
    (tmp_path / "alsobought-4711").rmdir()
    (tmp_path / "alsobought-4711").symlink_to(tmp_path)
    with pytest.raises(InputError, match="is not a folder of this user"):
        store.read("a", "c")


def test_a_manifest_in_a_bucket_leads_nowhere_and_nothing_of_others_is_removed(bucket, tmp_path):
    store, _ = bucket
    mine = [
        tmp_path / "mine" / name / "file.npy" for name in ("20200101T000000-00000001", "20200101T000000-00000002", "c")
    ]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"mine")
        os.utime(path, (0, 0))
    store.write("a", "c", np.arange(5))
    place = store.folder("a", "c") / MANIFEST
    made = json.loads(place.read_text())
    up = "/".join([".."] * 6)
    for version, file in (
        (f"{up}{tmp_path}/mine/20200101T000000-00000001", "file.npy"),
        (made["version"], f"../{up}{tmp_path}/mine/c/file.npy"),
        ("..", "value.npy"),
    ):
        crafted = changed(made, version=version, fields__value__file=file) | {"digest": ""}
        place.write_text(json.dumps(crafted))
        with pytest.raises(InputError, match="is damaged"):
            store.read("a", "c")
    assert all(path.read_bytes() == b"mine" for path in mine)


def test_a_clean_up_of_copies_follows_no_link(bucket, tmp_path):
    store, copies = bucket
    mine = tmp_path / "mine"
    for name in ("20200101T000000-00000001", "20200101T000000-00000002", "20200101T000000-00000003"):
        (mine / name).mkdir(parents=True)
        (mine / name / "value.npy").write_bytes(b"mine")
        os.utime(mine / name / "value.npy", (0, 0))
    store.write("a", "c", np.arange(5))
    store.read("a", "c")
    artefact = copy_of(copies).parent.parent
    # In place of the artefact's folder, and as one of its versions.
    store.write("a", "c", np.arange(6))
    artefact.rename(artefact.with_name("aside"))
    artefact.symlink_to(mine)
    assert store.read("a", "c").tolist() == list(range(6))
    (artefact / "20190101T000000-00000001").symlink_to(mine / "20200101T000000-00000001")
    (artefact / "20180101T000000-00000001").symlink_to(mine)
    for number in range(3):
        store.write("a", "c", np.arange(number + 1))
        assert store.read("a", "c").tolist() == list(range(number + 1))
    assert sorted(path.parent.name for path in mine.rglob("value.npy")) == sorted(path.name for path in mine.iterdir())
    assert len(list(mine.iterdir())) == 3
