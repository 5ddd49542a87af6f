"""Delivery to folders and buckets: what readers see during it, after it, and after it was killed."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from upath import UPath

from core.delivery import files as module
from core.delivery import folders
from core.delivery.place import Shipment, deliver
from core.errors import InputError
from core.progress import silent
from core.recommendations import RECOMMENDATIONS
from core.store import leases
from tests.core.delivery import shop


def publish(folder, **more):
    return {"files": {"url": str(folder), **more}}


def pointer(root):
    return json.loads((UPath(root) / "shoes" / "current.json").read_text())


def current(root):
    """The lists by a reader's way: the pointer first, then the file in the folder that it names."""
    folder = UPath(root) / "shoes" / pointer(root)["version"]
    lines = [json.loads(line) for line in (folder / "recommendations.jsonl").read_text().splitlines()]
    return {(line["slot"], line["product"]): line["neighbours"] for line in lines}


def versions(root):
    return sorted(path.name for path in (UPath(root) / "shoes").iterdir() if path.name != "current.json")


@pytest.mark.parametrize("ids", [None, [*shop.STRANGE, "a\0b"]])
def test_both_files_hold_what_was_delivered(tmp_path, ids):
    of = shop.lists("a", ids=ids)
    receipt = shop.send(shop.place(**publish(tmp_path)), of)
    named = pointer(tmp_path)
    folder = tmp_path / "shoes" / named["version"]
    assert receipt.rows == named["rows"] == of.rows and receipt.compared > 5
    assert named["files"] == {path.name: path.stat().st_size for path in folder.iterdir()}
    table = pq.read_table(folder / "recommendations.parquet")
    assert table.schema == RECOMMENDATIONS and [tuple(row.values()) for row in table.to_pylist()] == shop.rows(of)
    entries = []
    for line in (folder / "recommendations.jsonl").read_bytes().splitlines():
        one = json.loads(line)
        entries += [
            (one["product"], one["slot"], rank, neighbour, None if score is None else float(np.float32(score)), source)
            for rank, (neighbour, score, source) in enumerate(
                zip(one["neighbours"], one["scores"], one["sources"], strict=True), 1
            )
        ]
    assert entries == shop.rows(of)


def test_many_row_groups_and_chunks_are_compared(tmp_path, monkeypatch):
    """Lists that lie across row groups are found again."""
    monkeypatch.setattr(module, "_ROW_GROUP", 3)
    plain = module.chunks
    monkeypatch.setattr(module, "chunks", lambda of: plain(of, 5))
    of = shop.lists("a", products=50)
    shop.send(shop.place(**publish(tmp_path)), of)
    assert current(tmp_path) == shop.by_list(of)


def test_formats_are_chosen_and_the_default_is_in_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_HOME", str(tmp_path))
    for url in ({}, {"url": "data/lists"}):  # a path is relative to the project, wherever the command is called
        shop.send(shop.place(files={"formats": "jsonl", **url}), shop.lists("a"))
    [folder] = (tmp_path / "data" / "lists" / "shoes").glob("2*")
    assert [path.name for path in folder.iterdir()] == ["recommendations.jsonl"]


def test_the_previous_version_is_put_back_and_older_ones_go(tmp_path):
    place = shop.place(**publish(tmp_path))
    assert place.current() is None and place.previous() is None
    with pytest.raises(InputError, match="no previous version"):
        place.put_back()
    for marker in "abc":
        shop.send(place, shop.lists(marker))
    assert len(versions(tmp_path)) == 2 and place.previous().digest == "b0"
    assert place.put_back().digest == "b0" and current(tmp_path) == shop.by_list(shop.lists("b"))
    assert place.put_back().digest == "c0" and current(tmp_path) == shop.by_list(shop.lists("c"))
    shop.send(place, shop.lists("c"))  # the same lists again: b0 is still the way back
    assert place.previous().digest == "b0" and len(versions(tmp_path)) == 2
    for file in (tmp_path / "shoes" / pointer(tmp_path)["previous"]["version"]).iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"files of .* are missing"):
        place.put_back()


def test_a_reader_never_sees_nothing_or_a_part(tmp_path):
    place = shop.place(**publish(tmp_path))
    with shop.reading(lambda: current(tmp_path)) as (expect, wait, start):
        for marker in "abcd":
            expect(marker, shop.lists(marker))
        shop.send(place, shop.lists("a"))
        start()
        for marker in "bcd":
            wait({"b": "a", "c": "b", "d": "c"}[marker])
            shop.send(place, shop.lists(marker))
            wait(marker)
        place.put_back()
        wait("c")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["Parquet", "JSON lines"])
def test_killed_in_the_middle(tmp_path, stage):
    place = shop.place(**publish(tmp_path))
    for marker in "ab":
        shop.send(place, shop.lists(marker))
    shop.kill_at(stage, "c", publish(tmp_path), {})
    assert current(tmp_path) == shop.by_list(shop.lists("b")) and len(versions(tmp_path)) == 3
    shop.send(place, shop.lists("d"))
    assert current(tmp_path) == shop.by_list(shop.lists("d")) and len(versions(tmp_path)) == 2
    assert place.previous().digest == "b0"


def test_a_version_that_somebody_writes_stays_and_a_killed_one_goes(tmp_path):
    place = shop.place(**publish(tmp_path))
    alive, dead = (tmp_path / "shoes" / f"20200101T000000-0000000{n}" for n in (1, 2))
    elsewhere = tmp_path / "shoes" / "20990101T000000-00000003"
    for folder in (alive, dead, elsewhere):
        leases.take(UPath(folder))
    identity = json.loads((dead / leases.LEASE).read_text())
    (dead / leases.LEASE).write_text(json.dumps(identity | {"started": identity["started"] - 999}))
    (elsewhere / leases.LEASE).write_text(json.dumps(identity | {"machine": "another", "boot": "another"}))
    (tmp_path / "shoes" / "notes.txt").write_text("mine")
    shop.send(place, shop.lists("a"))
    assert alive.exists() and elsewhere.exists() and not dead.exists()
    assert (tmp_path / "shoes" / "notes.txt").exists()


def test_what_is_read_back_wrong_is_not_published(tmp_path, monkeypatch):
    place = shop.place(**publish(tmp_path))
    shop.send(place, shop.lists("a"))
    plain = module.sync

    def torn(file):
        plain(file)
        path = Path(file.name)
        data = path.read_bytes()
        path.write_bytes(data.replace(b"b0", b"b1"))

    monkeypatch.setattr(module, "sync", torn)
    for formats in ("parquet", "jsonl"):
        other = shop.place(**publish(tmp_path, formats=formats))
        try:
            problem = deliver(other, Shipment("shoes", shop.lists("b"), "b"), silent).problem
        except (InputError, OSError) as error:  # Parquet's own checksum
            problem = str(error)
        assert problem
        assert current(tmp_path) == shop.by_list(shop.lists("a")) and len(versions(tmp_path)) == 1


def test_a_failed_switch_leaves_the_old_lists(tmp_path, monkeypatch):
    place = shop.place(**publish(tmp_path))
    shop.send(place, shop.lists("a"))

    def fail(path, data):
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(folders, "replace", fail)
        with pytest.raises(InputError, match=r"cannot be used .*no space left"):
            shop.send(place, shop.lists("b"))
    assert current(tmp_path) == shop.by_list(shop.lists("a")) and len(versions(tmp_path)) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "../x", "files": {}}', "{" * 99_999])
def test_a_damaged_pointer_is_a_sentence(tmp_path, text):
    (tmp_path / "shoes").mkdir()
    (tmp_path / "shoes" / "current.json").write_text(text)
    with pytest.raises(InputError, match=r"current\.json is damaged; remove it and run"):
        shop.place(**publish(tmp_path)).current()


@pytest.mark.slow
def test_a_bucket_serves_whole_versions(bucket):
    place, root = shop.place(**publish(f"{bucket}/lists")), UPath(f"{bucket}/lists", use_listings_cache=False)
    for marker in "abc":
        shop.send(place, shop.lists(marker))
        assert current(root) == shop.by_list(shop.lists(marker))
    assert len(versions(root)) == 2
    table = pq.read_table((root / "shoes" / pointer(root)["version"] / "recommendations.parquet").open("rb"))
    assert [tuple(row.values()) for row in table.to_pylist()] == shop.rows(shop.lists("c"))
    assert place.put_back().digest == "b0" and current(root) == shop.by_list(shop.lists("b"))
    shop.kill_at("JSON lines", "d", publish(f"{bucket}/lists"), {})
    assert current(root) == shop.by_list(shop.lists("b"))
    shop.send(place, shop.lists("e"))
    assert current(root) == shop.by_list(shop.lists("e")) and len(versions(root)) == 2


def test_a_place_that_is_not_there_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for url in ("nosuch://x", str(tmp_path / "file" / "x")):
        with pytest.raises(InputError, match=rf"files of shoes: {url} cannot be used"):
            shop.send(shop.place(**publish(url)), shop.lists("a"))
