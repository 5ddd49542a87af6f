"""Kill real rebuilds with SIGKILL at random points and check what must hold afterwards; ``make faults`` runs this."""

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psutil
import yaml

from core.store import Store
from core.store.manifest import Manifest, file_entries
from core.store.verify import verify
from orchestration.definitions import defs
from tests.conftest import ROOT
from tests.pipeline import run as run_here

LEAVES = ["neighbours/skipgram", "metrics/skipgram", "neighbours/matrix_factorization", "metrics/rp3beta"]
"""The assets that a round rebuilds, with everything that they are made from."""
REPEATABLE = [
    "raw_products",
    "raw_orders",
    "raw_relationships",
    "order_history",
    "order_relationships",
    "product_pairs",
    "pair_split",
    "product_graph",
    "sessions",
    "walks",
]
"""Assets whose files must be equal, byte for byte, no matter how often their rebuild was killed."""
ROUND_SECONDS = 180.0
SETTLED_SECONDS = 0.05
VICTIMS = {"step": 0.3, "run": 0.15, "machine": 0.3, "daemon": 0.1, "writers": 0.15}
"""Victim → share of the kills: one step's process, the run's own process, all processes at once, the daemon (which must
not affect the rebuild), or two processes that write the same artefacts at once."""


class Installation:
    """A project with one category in a new folder, with its own instance, store and checkpoints.

    Args:
        folder: an empty folder.
        epochs: number of epochs of the trained models; with many, training takes long enough to be hit.
    """

    def __init__(self, folder: Path, epochs: int = 30) -> None:
        self.folder = folder
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(ROOT / name, folder)
        settings = yaml.safe_load((ROOT / "tests" / "categories.yaml").read_text())["categories"]["alpha"]["settings"]
        for model in ("skipgram", "matrix_factorization"):
            settings[model] |= {"epochs": epochs}
        self.categories = {"alpha": {"source": "sample", "settings": settings}}
        self.write_categories(self.categories)
        self.store = Store(folder / "data" / "store")
        self.environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("ALSOBOUGHT", "DAGSTER", "RAW_DIR"))
        } | {"ALSOBOUGHT_HOME": str(folder), "DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT)}

    def write_categories(self, categories: dict) -> None:
        (self.folder / "categories.yaml").write_text(yaml.safe_dump({"categories": categories}))

    def start(self, select: str, category: str = "alpha") -> subprocess.Popen:
        """Start a rebuild of ``select`` in its own session; its output is appended to ``run.log``."""
        with (self.folder / "run.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestration.cli", "materialize", category, "--select", select],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def complete(self, select: str) -> None:
        """Run a rebuild that must succeed."""
        run = self.start(select)
        try:
            status = run.wait(ROUND_SECONDS)
        except subprocess.TimeoutExpired:
            kill_all(run)
            status = f"none within {ROUND_SECONDS:.0f} s"
        assert status == 0, f"rebuild ended with {status}: {(self.folder / 'run.log').read_text()[-3000:]}"

    def prepare(self, asset: str) -> None:
        """Make what is missing of an asset and of what it is made from, in this process and without the instance."""
        graph = defs.resolve_asset_graph()
        above = dg.AssetSelection.assets(asset).upstream().required_multi_asset_neighbors().resolve(graph)
        there = self.manifests()
        wanted = [key for key in above & graph.materializable_asset_keys if key.to_user_string() not in there]
        if not wanted:
            return
        with dg.DagsterInstance.ephemeral() as instance:
            result = run_here(Path(self.store.root), "alpha", instance, asset_selection=wanted)
        assert result.success, [e.message for e in result.all_events if e.is_failure]

    def manifests(self) -> dict[str, Manifest]:
        """Asset → manifest of every materialized asset, without damaged ones."""
        found = {asset: self.store.earlier(asset, category) for asset, category in self.store.artefacts("alpha")}
        return {asset: manifest for asset, manifest in found.items() if manifest is not None}

    def digests(self) -> dict[str, str]:
        """SHA-256 of the files of every repeatable asset, without damaged ones, which the verification finds."""
        found = {}
        for asset in REPEATABLE:
            folder = self.store.folder(asset, "alpha")
            if manifest := self.store.earlier(asset, "alpha"):
                digest = hashlib.sha256()
                with contextlib.suppress(FileNotFoundError):
                    for name in sorted(entry["file"] for entry in file_entries(manifest.fields)):
                        digest.update(name.encode() + (folder / manifest.version / name).read_bytes())
                    found[asset] = digest.hexdigest()
        return found

    def lost(self, before: dict[str, Manifest], reference: dict[str, str]) -> list[str]:
        """The faults of the store; an empty list means that nothing was lost.

        Args:
            before: :meth:`manifests` before the kill. Each asset must still exist, with the same contents or with those
                that another run made from contents that exist or existed.
            reference: :meth:`digests` of a rebuild without a kill.
        """
        now = self.manifests()
        wrong = [f"{asset}: gone" for asset in before if asset not in now]
        wrong += [f"{asset}: {trouble}" for asset, _, trouble in verify(self.store).damage]
        there = {(asset, manifest.digest) for asset, manifest in [*before.items(), *now.items()]}
        for asset, manifest in now.items():
            earlier = before.get(asset)
            if earlier is not None and earlier.digest == manifest.digest:
                continue
            if earlier is not None and earlier.info["run_id"] == manifest.info["run_id"]:
                wrong.append(f"{asset}: other contents of the same run")
            for used in manifest.info["inputs"].items():
                if used not in there:
                    wrong.append(f"{asset}: made from a {used[0]} that never existed")
        wrong += [f"{asset}: other contents" for asset, d in self.digests().items() if d != reference.get(asset, d)]
        return wrong

    def daemon(self) -> subprocess.Popen:
        """Start Dagster's daemon in its own session and wait until it serves the instance."""
        with (self.folder / "daemon.log").open("wb") as log:
            started = subprocess.Popen(
                [Path(sys.executable).parent / "dagster-daemon", "run"],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(started, lambda: "Instance is configured with" in (self.folder / "daemon.log").read_text())
        return started

    def writers(self, seed: int) -> list[subprocess.Popen]:
        """Start two processes that write the same artefacts again and again with unchanged contents."""
        command = [sys.executable, "-c", _WRITER, str(self.store.root)]
        running = [
            subprocess.Popen([*command, str(seed)], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
            for _ in range(2)
        ]
        for writer in running:
            assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        return running


_WRITER = """
import random, sys
from core.store import Store
store, rng = Store(sys.argv[1]), random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    asset = rng.choice(["pair_split", "product_graph", "walks"])
    manifest, value = store.manifest(asset, "alpha"), store.read(asset, "alpha")
    store.write(asset, "alpha", value, manifest.info)
"""


def steps(run: subprocess.Popen) -> list[psutil.Process]:
    """The processes of the run's steps, which have the command line of multiprocessing's fork server.

    A program that a module calls while the server loads it (``uname``) has that command line only until it starts.
    """

    def forked() -> list[psutil.Process]:
        servers, parents = set(), {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(run.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # gone in between, or a zombie
                    if any("multiprocessing.forkserver" in part for part in process.cmdline()):
                        parents[process] = process.ppid()
                        servers.add(process.pid)
        return [process for process, parent in parents.items() if parent in servers]

    earlier = forked()
    time.sleep(SETTLED_SECONDS)
    return [p for p in forked() if p in earlier]


def kill_all(run: subprocess.Popen) -> None:
    """Send SIGKILL to every process of the run's session, like a power cut, and wait until all are gone."""
    try:
        family = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    run.wait()
    psutil.wait_procs(family, timeout=20)


def kill(run: subprocess.Popen, victim: str, rng: random.Random) -> str:
    """Kill the victim, wait until the run has ended, and return what was killed; "nothing" if it had ended before."""
    working = steps(run)
    if run.poll() is not None or (victim == "step" and not working):
        victim = "machine" if run.poll() is None else "nothing"
    if victim == "machine":
        kill_all(run)
    elif victim == "run":
        run.kill()
        run.wait()
        _, alive = psutil.wait_procs(working, timeout=30)
        assert not alive, f"steps outlived their run: {alive}"
    elif victim == "step":
        try:
            rng.choice(working).kill()
        except psutil.NoSuchProcess:
            victim = "nothing"
        try:
            run.wait(ROUND_SECONDS)
        except subprocess.TimeoutExpired:
            kill_all(run)
            raise AssertionError("the run did not notice that its step was killed") from None
    return victim


def wait_for(run: subprocess.Popen, happened: Callable[[], object], seconds: float = 90) -> None:
    """Wait until ``happened()`` is true or the run has ended; fail if neither happens in time."""
    deadline = time.monotonic() + seconds
    while not happened() and run.poll() is None:
        assert time.monotonic() < deadline, "the event did not happen in time"
        time.sleep(0.01)


def disturb(place: Installation, leaf: str, victim: str, duration: float, rng: random.Random) -> str:
    """Kill the victim at a random time; return what was killed, or "nothing"."""
    if victim == "writers":
        for writer in place.writers(rng.randrange(1 << 30)):  # first one, then the other
            time.sleep(rng.uniform(0.05, 1.0))
            assert writer.poll() is None, "a writer failed"
            kill_all(writer)
        return victim
    daemon = place.daemon() if victim == "daemon" else None
    run = place.start(f"*{leaf}")
    time.sleep(rng.uniform(0.05, 0.95) * duration)
    if daemon is None:
        return kill(run, victim, rng)
    kill_all(daemon)
    status = run.wait(ROUND_SECONDS)
    assert status == 0, f"the rebuild ended with {status} when the daemon was killed"
    return victim


def main(arguments: list[str] | None = None) -> int:
    """Run the random kills; 0 if nothing was lost and every rebuild after a kill completed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="number of kills (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random choices (default: 0)")
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        place = Installation(Path(folder))
        started = time.monotonic()
        place.complete(f"*{LEAVES[0]}")
        duration = time.monotonic() - started
        reference = place.digests()
        kinds, lost, done, resumed = Counter(), 0, 0, 0
        while done < options.kills:
            leaf, victim = rng.choice(LEAVES), rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            before = place.manifests()
            victim = disturb(place, leaf, victim, duration, rng)
            if victim == "nothing":
                continue
            done += 1
            kinds[victim] += 1
            wrong = place.lost(before, reference)
            started_with_checkpoint = any((place.folder / "data" / "checkpoints").rglob("checkpoint.npz"))
            if done % 5 == 0 or done == options.kills:  # otherwise the next rebuild is killed too
                place.complete(f"*{leaf}")
                wrong += place.lost(before, reference)
            resumed += started_with_checkpoint
            lost += bool(wrong)
            changed = sum(before.get(asset) != manifest for asset, manifest in place.manifests().items())
            outcome = "; ".join(wrong) or "nothing lost"
            print(f"kill {done:3}: {victim:8} of {leaf:32} {changed:2} newer, {outcome}", flush=True)
        verification = verify(place.store)
    print(f"killed {done} ({', '.join(f'{kind} {n}' for kind, n in kinds.items())}; {resumed} left a checkpoint)")
    print(f"survived {done - lost}, lost {lost}")
    intact = verification.artefacts - len(verification.damage)
    print(f"verified: {intact} of {verification.artefacts} artefacts are intact")
    return 1 if lost else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
