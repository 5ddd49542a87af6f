"""Faults: kill -9, a full disk, an unreadable source. The next rebuild continues and no partial artefact is served."""

import contextlib
import os
import random
import shutil
import subprocess
import sys

import dagster as dg
import pytest

from core.store import Store
from tests.conftest import ROOT
from tests.faults import ROUND_SECONDS, Installation, disturb, kill, kill_all, steps, wait_for
from tests.pipeline import shipped_instance

SELECT = "*embeddings/skipgram"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("faults"), epochs=60)


def test_every_kind_of_kill_leaves_whole_artefacts_and_the_next_rebuild_uses_what_was_learned(place):
    checkpoint = place.folder / "data" / "checkpoints" / "alpha" / "skipgram" / "checkpoint.npz"

    # A power cut in the middle of the first training: earlier artefacts are whole, and training resumes.
    run = place.start(SELECT)
    wait_for(run, checkpoint.exists)
    assert kill(run, "machine", random.Random(0)) == "machine", (place.folder / "run.log").read_text()[-3000:]
    before, reference = place.manifests(), place.digests()
    assert "walks" in before and "embeddings/skipgram" not in before
    assert place.lost({}, {}) == [] and checkpoint.exists()
    # The run's own process alone: its steps end with it, else they would store what they made over what the next run
    # has made. And one step: the run says so and ends. The step is one that cannot end before it is killed.
    whole = place.categories["alpha"]
    endless = whole | {"settings": whole["settings"] | {"sample": {"products": 500_000, "pairs_per_product": 20}}}
    place.write_categories({"alpha": endless})
    try:
        for victim in ("run", "step"):
            before = place.manifests()
            run = place.start("raw_products")
            wait_for(run, lambda run=run: steps(run))
            assert kill(run, victim, random.Random(0)) == victim
            assert run.returncode != 0
            assert place.lost(before, reference) == []
            if victim == "step":
                said = (place.folder / "run.log").read_text()
                assert "raw_catalog failed: its process was killed by signal 9 (SIGKILL)" in said
                assert "Stack Trace" not in said and "Traceback" not in said
    finally:
        kill_all(run)
        place.write_categories(place.categories)

    place.complete("embeddings/skipgram")  # would wait for ever if a dead run had kept its slot of the pool "gpu"
    assert place.store.read("embeddings/skipgram", "alpha").info["resumed_after_epoch"] > 0
    assert not checkpoint.exists()
    assert place.lost(before, reference) == []
    with shipped_instance(place.folder) as instance:
        assert len(instance.get_runs()) == 4
        in_progress = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
        assert instance.get_runs(in_progress) == []
        assert instance.event_log_storage.get_concurrency_run_ids() == set()


def test_two_killed_writers_of_the_same_artefacts_lose_nothing(place):
    place.prepare("walks")
    before, reference = place.manifests(), place.digests()
    assert disturb(place, "", "writers", 0.0, random.Random(0)) == "writers"
    after = place.manifests()
    assert {asset: m.digest for asset, m in after.items()} == {asset: m.digest for asset, m in before.items()}
    assert any(after[asset].version != before[asset].version for asset in before)  # they did write
    assert place.lost(before, reference) == []


def test_what_is_lost_is_noticed(place):
    """The check that the others rely on: by contents, not by times or names."""
    place.prepare("walks")
    before, reference = place.manifests(), place.digests()
    folder = place.store.folder("walks", "alpha")
    (path,) = (folder / before["walks"].version).glob("*.npy")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert any("SHA-256" in one for one in place.lost(before, reference))
    path.write_bytes(data)
    info = before["walks"].info
    place.store.write("walks", "alpha", place.store.read("walks", "alpha")[:-1], info)
    assert {"walks: other contents of the same run", "walks: other contents"} <= set(place.lost(before, reference))
    info = {**info, "run_id": "another", "inputs": {"transition_matrix": "unheard of"}}
    place.store.write("walks", "alpha", place.store.read("walks", "alpha"), info)
    assert "walks: made from a transition_matrix that nobody has made" in place.lost(before, reference)
    shutil.rmtree(folder)
    assert "walks: gone" in place.lost(before, reference)
    place.prepare("walks")
    assert place.lost(before, reference) == []


def test_a_full_disk_fails_with_a_reason_and_leaves_the_earlier_version(place):
    place.prepare("product_pairs")
    before, reference = place.manifests(), place.digests()
    folder = place.store.folder("product_pairs", "alpha")
    versions = sorted(path.name for path in folder.iterdir())
    program = """
import resource, signal, sys
from core.store import Store
store = Store(sys.argv[1])
value = store.read("product_pairs", "alpha")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write beyond the limit fails like one on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))
store.write("product_pairs", "alpha", value)
"""
    command = [sys.executable, "-c", program, str(place.store.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "File too large" in done.stderr, done.stderr
    assert place.manifests() == before and place.lost(before, reference) == []
    assert sorted(path.name for path in folder.iterdir()) == versions  # and no file is left that takes up space


def test_a_disk_that_fills_up_during_a_run_fails_it_by_name_and_the_next_run_with_room_goes_on(
    place, tmp_path, monkeypatch
):
    place.prepare("product_pairs")
    disk = tmp_path / "disk"
    with mounted(disk, "4m"):
        shutil.copytree(str(place.store.root), disk / "store")
        monkeypatch.setattr(place, "store", Store(disk / "store"))
        monkeypatch.setitem(place.environment, "ALSOBOUGHT_STORE", str(disk / "store"))
        before, reference = place.manifests(), place.digests()
        folder = place.store.folder("product_pairs", "alpha")
        versions = {path.name for path in folder.iterdir()}
        space = os.statvfs(disk)
        # Space for the catalogue's 50 kB, but not for the pairs' 65 kB.
        (disk / "ballast").write_bytes(bytes(space.f_bavail * space.f_frsize - 80_000))
        run = place.start("*product_pairs")
        assert run.wait(ROUND_SECONDS) == 1
        text = (place.folder / "run.log").read_text()
        assert "there is no room to store product_pairs of alpha" in text and "No space left on device" in text
        assert place.lost(before, reference) == []
        assert {path.name for path in folder.iterdir()} == versions
        (disk / "ballast").unlink()
        place.complete("product_pairs")
        assert place.lost(before, reference) == [] and place.manifests()["product_pairs"] != before["product_pairs"]


@contextlib.contextmanager
def mounted(folder, size):
    """A separate disk that is small enough to be filled."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_an_unreadable_source_fails_by_name_and_leaves_the_earlier_version(place):
    place.prepare("raw_products")
    before, reference = place.manifests(), place.digests()
    whole = (place.folder / "categories.yaml").read_text()
    source = place.folder / "data" / "raw" / "broken.json.gz"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(b"\x1f\x8b\x08\x00 this is not gzip")
    place.write_categories({"alpha": {"source": "broken.json.gz"}})
    try:
        run = place.start("raw_products")
        assert run.wait(ROUND_SECONDS) == 1
    finally:
        (place.folder / "categories.yaml").write_text(whole)
    assert "broken.json.gz" in (place.folder / "run.log").read_text()
    assert place.manifests() == before and place.lost(before, reference) == []
