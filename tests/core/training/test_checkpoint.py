"""Checkpoints: round trip, recognition of the run, robustness and tidying up."""

import json
import os
import random
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from core.training import checkpoint
from core.training.checkpoint import Checkpoint

STATE = Checkpoint(
    {"center.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"epoch": 2, "curve": [{"loss": 0.5}]}
)


def test_what_is_saved_comes_back(tmp_path):
    checkpoint.save(tmp_path / "new" / "folder", "key", STATE)
    loaded = checkpoint.load(tmp_path / "new" / "folder", "key")
    assert loaded.meta == STATE.meta
    assert loaded.arrays.keys() == STATE.arrays.keys()
    assert (loaded.arrays["center.weight"] == STATE.arrays["center.weight"]).all()
    assert loaded.arrays["center.weight"].dtype == np.float32


def test_a_later_checkpoint_replaces_the_earlier_one_and_leaves_nothing_else(tmp_path):
    checkpoint.save(tmp_path, "key", STATE)
    checkpoint.save(tmp_path, "key", Checkpoint({}, {"epoch": 3}))
    assert checkpoint.load(tmp_path, "key") == Checkpoint({}, {"epoch": 3})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_no_checkpoint_and_that_of_another_run_count_as_none(tmp_path):
    assert checkpoint.load(tmp_path / "absent", "key") is None
    checkpoint.save(tmp_path, "key", STATE)
    assert checkpoint.load(tmp_path, "another key") is None


@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_damaged_file_counts_as_none(tmp_path, keep):
    checkpoint.save(tmp_path, "key", STATE)
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:keep])
    assert checkpoint.load(tmp_path, "key") is None


def test_pickled_objects_are_not_loaded(tmp_path):
    np.savez(tmp_path / "checkpoint.npz", __meta__=np.array([{"key": "key", "meta": {}}], dtype=object))
    assert checkpoint.load(tmp_path, "key") is None


@pytest.mark.parametrize("step", ["savez", "fsync"])
def test_a_training_goes_on_when_another_run_of_the_same_clears_the_folder_meanwhile(tmp_path, monkeypatch, step):
    folder, module = tmp_path / "model", {"savez": np, "fsync": os}[step]
    original = getattr(module, step)

    def cleared(*args, **kwargs):
        original(*args, **kwargs)
        checkpoint.clear(folder)

    with monkeypatch.context() as patched:
        patched.setattr(module, step, cleared)
        checkpoint.save(folder, "key", STATE)
    assert not folder.exists()
    checkpoint.save(folder, "key", STATE)
    assert checkpoint.load(folder, "key").meta == STATE.meta


def test_a_failed_write_leaves_the_last_checkpoint_and_no_litter(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, "key", STATE)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, "key", Checkpoint({}, {}))
    assert checkpoint.load(tmp_path, "key").meta == STATE.meta
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_clear_removes_checkpoints_and_the_folder_but_nothing_of_others(tmp_path):
    checkpoint.save(tmp_path / "run", "key", STATE)
    (tmp_path / "run" / ".checkpoint.npz.123").write_bytes(b"left by a killed run")
    checkpoint.clear(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    checkpoint.save(tmp_path, "key", STATE)
    (tmp_path / "notes.txt").write_text("mine")
    checkpoint.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    checkpoint.clear(tmp_path / "absent")


def test_fingerprint_depends_on_settings_contents_shape_and_type_but_not_on_layout(monkeypatch):
    array = np.arange(24, dtype=np.int32)
    key = checkpoint.fingerprint({"a": 1, "b": 2}, array)
    assert key == checkpoint.fingerprint({"b": 2, "a": 1}, array.copy())
    changed = array.copy()
    changed[-1] += 1
    others = [
        checkpoint.fingerprint({"a": 1, "b": 3}, array),
        checkpoint.fingerprint({"a": 1, "b": 2}, changed),
        checkpoint.fingerprint({"a": 1, "b": 2}, array.reshape(6, 4)),
        checkpoint.fingerprint({"a": 1, "b": 2}, array.view(np.uint32)),
    ]
    assert len({key, *others}) == 5
    square = array.reshape(6, 4)
    assert checkpoint.fingerprint({}, np.asfortranarray(square)) == checkpoint.fingerprint({}, square)
    whole = checkpoint.fingerprint({}, square)
    monkeypatch.setattr("core.training.checkpoint._CHUNK", 32)
    assert checkpoint.fingerprint({}, square) == whole


def age(path, days):
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_sweeping_removes_checkpoints_nobody_took_up_for_long_and_nothing_else(tmp_path):
    for name, days in (("toys/old", 31), ("toys/young", 29), ("gone/model", 400)):
        checkpoint.save(tmp_path / name, "key", STATE)
        age(tmp_path / name / "checkpoint.npz", days)
    left = tmp_path / "toys" / "killed"
    left.mkdir()
    (left / ".checkpoint.npz.123").write_bytes(b"left by a killed run")
    age(left / ".checkpoint.npz.123", 31)
    other = tmp_path / "gone" / "checkpoint.npz.notes"
    other.write_text("mine")
    age(other, 400)
    # An old file beside a recent one: the training is still running.
    (tmp_path / "toys" / "young" / ".checkpoint.npz.5").write_bytes(b"")
    age(tmp_path / "toys" / "young" / ".checkpoint.npz.5", 300)

    removed = checkpoint.sweep(tmp_path)
    assert removed == [tmp_path / "gone/model", tmp_path / "toys/killed", tmp_path / "toys/old"]
    assert checkpoint.load(tmp_path / "toys/young", "key").meta == STATE.meta
    assert other.exists() and not (tmp_path / "toys/old").exists()
    assert checkpoint.sweep(tmp_path / "absent") == []


def crafted(path, **members):
    """A checkpoint with the right key and other contents."""
    head = members.pop("head", {"key": "key", "meta": STATE.meta})
    np.savez(path, __meta__=np.array(json.dumps(head)), **members)


@pytest.mark.parametrize(
    "head", [[], None, 3, "x", {}, {"key": "key"}, {"key": "key", "meta": []}, {"key": [], "meta": {}}], ids=str
)
def test_a_head_that_is_none_counts_as_no_checkpoint_and_says_so(tmp_path, caplog, head):
    crafted(tmp_path / "checkpoint.npz", head=head)
    assert checkpoint.load(tmp_path, "key") is None
    if not (isinstance(head, dict) and "meta" in head and isinstance(head["meta"], dict)):
        assert "starts from the beginning" in caplog.text


def test_mutated_checkpoints_are_taken_up_as_they_were_or_not_at_all(tmp_path):
    checkpoint.save(tmp_path, "key", STATE)
    path, rng = tmp_path / "checkpoint.npz", random.Random(0)
    plain = path.read_bytes()
    tracemalloc.start()
    try:
        for _ in range(300):
            data = bytearray(plain)
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(bytes(data))
            loaded = checkpoint.load(tmp_path, "key")
            if loaded is not None and loaded.arrays.keys() == STATE.arrays.keys():
                for name, array in STATE.arrays.items():
                    assert (loaded.arrays[name] == array).all()
                assert loaded.meta == STATE.meta
        assert tracemalloc.get_traced_memory()[1] < 16e6
    finally:
        tracemalloc.stop()


def test_a_compressed_part_that_would_not_fit_into_memory_is_not_unpacked(tmp_path, caplog):
    with zipfile.ZipFile(tmp_path / "checkpoint.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__meta__.npy", bytes(50_000_000))
    assert checkpoint.load(tmp_path, "key") is None
    assert "larger than the file" in caplog.text
