"""Several writers of one artefact: a slow one loses nothing, and a dead or unwanted one leaves nothing behind."""

import json
import subprocess
import sys
import textwrap
import time

import dagster as dg
import numpy as np
import pytest
from upath import UPath

from core.errors import InputError
from core.graph import ProductGraph
from core.process_identity import this_process
from core.store import leases
from core.store.artefacts import Store, check_artefact, write_artefact
from core.store.manifest import MANIFEST, VERSION_NAME, file_entries
from orchestration.partitions import BY_CATEGORY
from orchestration.resources import StoreIOManager
from tests.conftest import ROOT
from tests.pipeline import local_instance

SLOW = textwrap.dedent(
    """
    import sys
    import numpy as np
    import core.store.artefacts as s
    from core.graph import ProductGraph
    plain = s._write_file
    def slow(path, write):
        done = plain(path, write)
        if path.suffix == ".npy":
            print(path.name, flush=True)
            sys.stdin.readline()
        return done
    s._write_file = slow
    value = ProductGraph(np.array([0, 1, 2]), np.array([1, 0], np.int32), np.array([.5, .5], np.float32))
    s.Store(sys.argv[1]).write("x", "c", value)
    print("stored", flush=True)
    """
)


def versions(folder):
    return {path.name for path in folder.iterdir() if path.is_dir()}


def start(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


@pytest.fixture
def everything_is_old(monkeypatch):
    monkeypatch.setattr("core.store.artefacts._ABANDONED_SECONDS", -2.0)


def test_a_slow_writers_version_stays_however_old_and_becomes_current(tmp_path, everything_is_old):
    store = Store(tmp_path)
    slow = start(SLOW, tmp_path)
    try:
        assert slow.stdout.readline() == "indptr.npy\n"  # one of three files is there
        (theirs,) = versions(tmp_path / "x" / "c")
        for number in range(4):  # each of these takes it for abandoned
            store.write("x", "c", np.arange(number))
        assert theirs in versions(tmp_path / "x" / "c")
        slow.stdin.write("\n\n\n")
        slow.stdin.flush()
        assert [slow.stdout.readline() for _ in range(3)] == ["indices.npy\n", "weights.npy\n", "stored\n"]
    finally:
        slow.communicate()
    assert slow.returncode == 0
    assert store.manifest("x", "c").version == theirs
    assert isinstance(store.read("x", "c"), ProductGraph)
    check_artefact(store.folder("x", "c"), "x", "c")
    assert not list(tmp_path.rglob(leases.LEASE))


def test_what_a_dead_writer_left_goes_with_the_next_write(tmp_path, everything_is_old):
    slow = start(SLOW, tmp_path)
    assert slow.stdout.readline() == "indptr.npy\n"
    (theirs,) = versions(tmp_path / "x" / "c")
    slow.kill()
    slow.communicate()
    Store(tmp_path).write("x", "c", np.arange(3))
    assert theirs not in versions(tmp_path / "x" / "c")


@pytest.mark.parametrize(
    ("lease", "stays"),
    [
        (json.dumps({"machine": "another", "boot": "b", "pids": "p", "pid": 1, "started": 1}), True),
        ("{", True),
        ("[]", True),
        ("", True),
        (None, False),
    ],
)
def test_a_writer_on_an_unknown_machine_has_a_day(tmp_path, lease, stays):
    def version(hours):
        return time.strftime("%Y%m%dT%H%M%S", time.gmtime(time.time() - hours * 3600)) + "-0123abcd"

    folder = tmp_path / "x" / "c"
    for hours in (1, 30):
        (folder / version(hours)).mkdir(parents=True)
        if lease is not None:
            (folder / version(hours) / leases.LEASE).write_text(lease)
    before = versions(folder)
    current = Store(tmp_path).write("x", "c", np.arange(3)).version
    assert versions(folder) == {current} | ({max(before)} if stays else set())


def test_a_version_that_became_current_in_between_is_not_removed(tmp_path, monkeypatch, everything_is_old):
    store = Store(tmp_path)
    folder = tmp_path / "x" / "c"
    first = store.write("x", "c", np.arange(3))
    named = (folder / MANIFEST).read_bytes()
    store.write("x", "c", np.arange(4))

    def put_back(version):  # the other writer, between this one's look and its removal
        (folder / MANIFEST).write_bytes(named)
        return False

    monkeypatch.setattr(leases, "writer_is_alive", put_back)
    store.write("x", "c", np.arange(5))
    assert store.manifest("x", "c") == first and store.read("x", "c").tolist() == [0, 1, 2]


def test_a_version_whose_files_were_taken_away_does_not_stay_current(tmp_path, monkeypatch):
    import core.store.artefacts as module

    store, plain = Store(tmp_path), module._replace
    before = store.write("x", "c", np.arange(3))
    named = (tmp_path / "x" / "c" / MANIFEST).read_bytes()

    def replace(path, data):
        plain(path, data)
        if data != named:  # another machine takes the new version for abandoned
            (path.parent / json.loads(data)["version"] / "value.npy").unlink()

    monkeypatch.setattr(module, "_replace", replace)
    for asset in ("x", "y"):
        with pytest.raises(InputError, match=f"was removed or changed while {asset} of c was stored"):
            store.write(asset, "c", np.arange(4))
    assert store.manifest("x", "c") == before and store.read("x", "c").tolist() == [0, 1, 2]
    assert store.manifest("y", "c") is None


def test_an_interrupt_right_after_the_manifest_was_put_loses_nothing(tmp_path, monkeypatch):
    import core.store.artefacts as module

    store, plain = Store(tmp_path), module._replace
    store.write("x", "c", np.arange(3))

    def replace(path, data):
        plain(path, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_replace", replace)
    with pytest.raises(KeyboardInterrupt):
        store.write("x", "c", np.arange(4))
    assert store.read("x", "c").tolist() == [0, 1, 2, 3]
    check_artefact(store.folder("x", "c"), "x", "c")


LOOP = textwrap.dedent(
    """
    import sys
    import numpy as np
    import core.store.artefacts as s
    s._ABANDONED_SECONDS = -2.0
    store = s.Store(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(40):
        store.write("x", "c", np.full(1000, float(sys.argv[2]) + number))
    """
)


def test_of_two_writers_at_once_the_last_wins_and_the_named_version_is_whole(tmp_path):
    writers = [start(LOOP, tmp_path, first) for first in (0, 1000)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    store, seen = Store(tmp_path), set()
    while any(writer.poll() is None for writer in writers):
        if store.manifest("x", "c"):
            values = np.unique(np.array(store.read("x", "c")))
            assert len(values) == 1
            seen.add(float(values[0]))
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    manifest = check_artefact(store.folder("x", "c"), "x", "c")
    assert float(store.read("x", "c")[0]) in (39.0, 1039.0) and len(seen) > 3
    for version in versions(tmp_path / "x" / "c"):  # the one before is whole too
        (entry,) = file_entries(manifest.fields)
        assert VERSION_NAME.fullmatch(version)
        assert (tmp_path / "x" / "c" / version / entry["file"]).stat().st_size == entry["bytes"]


@pytest.mark.parametrize("root", ["folder", "bucket"])
def test_what_is_no_longer_wanted_is_not_stored(tmp_path, root):
    store = Store(tmp_path if root == "folder" else UPath(f"memory://{tmp_path.name}/store"))
    before = store.write("x", "c", np.arange(3))
    folder = store.folder("x", "c")
    asked = []

    def unwanted():
        (fresh,) = [path for path in folder.iterdir() if path.is_dir() and path.name != before.version]
        asked.append(sorted(path.name for path in fresh.iterdir()))
        return False

    with pytest.raises(InputError, match="the run that made it has ended"):
        write_artefact(folder, "x", "c", np.arange(4), still_wanted=unwanted)
    assert asked == [[leases.LEASE, "value.npy"]]  # at the very end, after everything is written
    assert store.manifest("x", "c") == before and versions(folder) == {before.version}
    write_artefact(folder, "x", "c", np.arange(4), still_wanted=lambda: True)
    assert store.read("x", "c").tolist() == [0, 1, 2, 3]


def test_a_lease_names_its_writer_until_the_version_is_whole(tmp_path):
    version = UPath(tmp_path / "20200101T000000-0123abcd")
    assert leases.writer_is_alive(version) is False
    leases.take(version)
    assert json.loads((version / leases.LEASE).read_text()) == this_process()
    assert leases.writer_is_alive(version) is True
    (version / leases.LEASE).write_text(json.dumps(this_process() | {"started": 1}))
    assert leases.writer_is_alive(version) is False
    leases.release(version)
    leases.release(version)
    assert leases.writer_is_alive(version) is False and not list(version.iterdir())


@pytest.mark.parametrize("end", ["report_run_canceled", "report_run_failed"])
def test_the_step_of_a_run_that_is_over_stores_nothing(tmp_path, end):
    over = False

    @dg.asset(partitions_def=BY_CATEGORY, io_manager_key="store")
    def made(context: dg.AssetExecutionContext) -> np.ndarray:
        if over:  # somebody ends the run while its step continues
            getattr(context.instance, end)(context.run)
        return np.arange(4 if over else 3)

    store = StoreIOManager(UPath(tmp_path / "store"))
    with local_instance(tmp_path) as instance:

        def run():
            return dg.materialize(
                [made], instance=instance, resources={"store": store}, partition_key="alpha", raise_on_error=False
            )

        assert run().success
        before = store.store.manifest("made", "alpha")
        over = True
        assert not run().success
    assert store.store.manifest("made", "alpha") == before
    assert versions(store.store.folder("made", "alpha")) == {before.version}
