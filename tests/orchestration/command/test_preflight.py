"""What would fail a run in its first steps is one sentence before it starts."""

import multiprocessing.synchronize  # before the test that replaces its semaphore

import pytest

from core.categories import Category
from core.errors import InputError
from orchestration.command import preflight


@pytest.mark.parametrize("root", ["file", "/proc/store"])
def test_a_store_that_cannot_be_written_to_is_a_sentence(tmp_path, monkeypatch, root):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(tmp_path / root))
    with pytest.raises(InputError, match=r"cannot be written to .*set ALSOBOUGHT_STORE"):
        preflight.check_machine()


def test_shared_memory_that_cannot_be_used_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(tmp_path))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(multiprocessing.synchronize._multiprocessing, "SemLock", full)
    with pytest.raises(InputError, match=r"/dev/shm, cannot be used \(No space left on device\)"):
        preflight.check_machine()


def test_a_missing_source_is_found_without_asking_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("RAW_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"none\.csv does not exist"):
        preflight.check_source(Category("a", "A", "none.csv"))
    with pytest.raises(InputError, match=r"products\.csv does not exist"):
        preflight.check_source(Category("a", "A", "https://127.0.0.1:9/x", products="products.csv"))
    preflight.check_source(Category("a", "A", "https://127.0.0.1:9/x"))
    preflight.check_source(Category("a", "A", "sample"))
    with pytest.raises(InputError, match=r"none\.csv does not exist; put the file there, or correct stock of a in"):
        preflight.check_source(Category("a", "A", "sample", stock="none.csv"))
    with pytest.raises(InputError, match=r"correct pins of a in"):
        preflight.check_source(Category("a", "A", "sample", stock="https://127.0.0.1:9/x", pins="none.csv"))
