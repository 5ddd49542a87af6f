"""Every sum of every artefact: on the command line, in the nightly job, in a folder and in a bucket."""

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from core.errors import InputError
from core.store import Store
from core.store.manifest import MANIFEST
from core.store.verify import verify
from orchestration import cli
from orchestration.definitions import defs
from orchestration.jobs import compare_sums
from orchestration.resources import StoreIOManager


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    found = Store(tmp_path / "store" if request.param == "folder" else UPath(f"memory://{tmp_path.name}/store"))
    found.write("walks", "c", np.arange(100))
    found.write("walks", "d", np.arange(100))
    found.write("embeddings/m", "c", pa.table({"n": [1, 2, 3]}))
    found.write("walks", "c", np.arange(50))  # with an earlier version beside it
    (found.root / "walks" / "notes.txt").write_text("mine")
    (found.root / "walks" / "20200101T000000-00000001").mkdir(parents=True, exist_ok=True)
    return found


def file_of(store, asset, category):
    (path,) = (store.folder(asset, category) / store.manifest(asset, category).version).iterdir()
    return path


def flip(path):
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_all_that_is_stored_is_gone_through_and_what_a_disk_lost_is_named(store):
    whole = verify(store)
    assert whole.damage == () and whole.artefacts == 3
    assert whole.bytes == sum(file_of(store, *one).stat().st_size for one in store.artefacts())
    assert list(store.artefacts()) == [("embeddings/m", "c"), ("walks", "c"), ("walks", "d")]
    flip(file_of(store, "walks", "d"))  # of the same size: opening it would not show
    (store.folder("embeddings/m", "c") / MANIFEST).write_text("[]")
    found = {(asset, category): trouble for asset, category, trouble in verify(store).damage}
    assert set(found) == {("walks", "d"), ("embeddings/m", "c")}
    assert "SHA-256" in found["walks", "d"] and "CATEGORY=d SELECT='walks'" in found["walks", "d"]
    assert [one[:2] for one in verify(store, "d").damage] == [("walks", "d")] and verify(store, "d").artefacts == 1
    file_of(store, "walks", "c").unlink()
    assert ("walks", "c") in {one[:2] for one in verify(store).damage}


def test_the_command_prints_a_sentence_for_each_and_fails(store, monkeypatch, capsys):
    monkeypatch.setattr("core.store.Store", lambda root: store)
    assert cli.main(["verify"]) == 0
    assert "3 artefacts, 0 damaged" in capsys.readouterr().out
    flip(file_of(store, "walks", "d"))
    assert cli.main(["verify"]) == 1 and cli.main(["verify", "c"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("walks of d: ") and said.err.count("\n") == 1 and "3 artefacts, 1 damaged" in said.out
    assert cli.main(["verify", "nothing"]) == 2
    assert "nothing of 'nothing' is materialized" in capsys.readouterr().err


def test_the_nightly_job_fails_by_the_names_of_what_is_damaged(store):
    assert defs.resolve_schedule_def("verify_store_nightly").job_name == defs.resolve_job_def("verify_store").name
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_op_context(instance=instance, resources={"store": StoreIOManager(store.root)})
        compare_sums(context)
        flip(file_of(store, "walks", "d"))
        with pytest.raises(InputError, match="1 of 3 artefacts are damaged:\nwalks of d: "):
            compare_sums(context)
