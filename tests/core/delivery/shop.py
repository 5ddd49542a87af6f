"""Lists to deliver, how readers see them, and deliveries that are killed at a certain point."""

import contextlib
import os
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa

from core.categories import Category
from core.delivery.config import parse_publish
from core.delivery.place import Shipment, deliver
from core.delivery.publish import place_of
from core.progress import silent
from core.recommendations import RECOMMENDATIONS, Recommendations
from tests.conftest import ROOT

STRANGE = [
    "'", '"', "\\", "\\N", "%", "%s", "{}", "{a,b}", "NULL", "null", ",", "a b", " a", "a ", "\t", "a\nb", "a\r\nb",
    "$1", "{shoes}", "'; DROP TABLE recommendations; --", "Ünïcode", "日本語", "🧦", "ي", "\u202eabc", "\x01",
    "x" * 20_000, "ä" * 5_000,
]  # fmt: skip


def lists(marker: str, products: int = 6, ids: list[str] | None = None, similar: bool = True) -> Recommendations:
    """Random lists of two slots, some empty, some short; every id begins with the marker unless ids are given."""
    ids = sorted(ids or [f"{marker}{number}" for number in range(products)])
    n, k = len(ids), 4
    rng = np.random.default_rng(len(marker) + n)
    neighbours, scores, sources = {}, {}, {}
    for slot in ("goes_with", "similar") if similar else ("goes_with",):
        nodes = np.stack([rng.permutation(n)[:k] for _ in range(n)]).astype(np.int32)
        nodes[np.arange(k)[None, :] >= rng.integers(1, k + 1, n)[:, None]] = -1
        nodes[n // 2] = -1  # a product without a list
        values = rng.random((n, k), dtype=np.float32)
        values[rng.random((n, k)) < 0.3] = np.nan
        neighbours[slot], scores[slot] = nodes, values
        sources[slot] = rng.integers(0, 4, (n, k)).astype(np.uint8)
    return Recommendations(pa.table({"product_id": ids}), neighbours, scores, sources)


def rows(of: Recommendations) -> list[tuple]:
    """All entries as ``RECOMMENDATIONS`` has them, in its order."""
    return [tuple(row.values()) for row in pa.Table.from_batches(of.batches(), RECOMMENDATIONS).to_pylist()]


def by_list(of: Recommendations) -> dict[tuple[str, str], list[str]]:
    """Slot and product → ids."""
    found: dict[tuple[str, str], list[str]] = {}
    for product, slot, _, neighbour, _, _ in rows(of):
        found.setdefault((slot, product), []).append(neighbour)
    return found


def category(name: str = "shoes", **publish) -> Category:
    """A category that is published to the given places only."""
    where = {"api": False, "files": False} | publish
    return Category(name, name, "sample", publish=parse_publish("publish", where))


def send(place, of: Recommendations, category: str = "shoes", digest: str = "", progress=silent):
    """Deliver lists whose digest is that of their first id unless it is given."""
    digest = digest or of.products["product_id"][0].as_py()
    receipt = deliver(place, Shipment(category, of, digest), progress)
    assert not receipt.problem, receipt.problem
    return receipt


def kill_at(stage: str, marker: str, publish: dict, environment: dict[str, str], name: str = "shoes") -> None:
    """Deliver lists in another process and kill that with SIGKILL when it reports a stage."""
    program = f"""
import sys
from tests.core.delivery import shop
from core.delivery.publish import place_of

def progress(stage, done, total, unit):
    if stage == {stage!r}:
        print("here", flush=True)
        sys.stdin.read()

category = shop.category({name!r}, **{publish!r})
[place] = category.publish
shop.send(place_of(category, place), shop.lists({marker!r}), {name!r}, progress=progress)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ | environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout.readline() == "here\n", f"the delivery ended before it reported {stage!r}"
    finally:
        child.kill()
        child.wait(30)
        child.stdin.close()
        child.stdout.close()


@contextlib.contextmanager
def reading(read):
    """Read in a thread, again and again; yields a function that waits until a version has been seen.

    Args:
        read: returns everything that a reader sees in one go, as ``by_list`` does.
    """
    versions: dict[str, dict] = {}
    seen: dict[str, threading.Event] = {}
    wrong: list[str] = []
    ended = threading.Event()

    def run():
        try:
            while not ended.is_set():
                found = read()
                names = [name for name, expected in versions.items() if found == expected]
                if not names:
                    wrong.append(f"a reader saw {found}")
                    break
                seen[names[0]].set()
        except Exception as error:  # shown by the test
            wrong.append(repr(error))
        for event in seen.values():
            event.set()

    def expect(name: str, of: Recommendations) -> None:
        seen[name], versions[name] = threading.Event(), by_list(of)

    def wait(name: str) -> None:
        seen[name].clear()
        if wrong or not seen[name].wait(60):
            raise AssertionError(wrong or f"no reader saw {name}")
        assert not wrong, wrong

    thread = threading.Thread(target=run)
    try:
        yield expect, wait, thread.start
    finally:
        ended.set()
        if thread.ident:
            thread.join(60)
    assert not wrong, wrong


def place(name: str = "shoes", **publish):
    """The place of a category that is published to one place only."""
    own = category(name, **publish)
    [only] = own.publish
    return place_of(own, only)
