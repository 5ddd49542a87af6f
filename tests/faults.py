"""Kills with SIGKILL at random points of real rebuilds, and what must hold afterwards; ``make faults`` runs this."""

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
from core.store.manifest import Manifest, files
from core.store.verify import verify
from orchestration.definitions import defs
from tests.conftest import ROOT
from tests.pipeline import run as run_here

LEAVES = ["neighbours/skipgram", "metrics/skipgram", "neighbours/matrix_factorization", "metrics/rp3beta"]
"""What a round rebuilds, with all that it is made from."""
REPEATABLE = ["raw_products", "raw_relationships", "product_pairs", "pair_split", "product_graph", "walks"]
"""Assets whose files must be the same, byte for byte, however often their rebuild was killed."""
ROUND_SECONDS = 180.0
SETTLED_SECONDS = 0.05
VICTIMS = {"step": 0.3, "run": 0.15, "machine": 0.3, "daemon": 0.1, "writers": 0.15}
"""What is killed, and how often: one step's process, the run's own process, all processes at once, the daemon beside a
rebuild (which must not notice), or two processes that write the same artefacts at once."""


class Installation:
    """A category of its own in a fresh folder: instance, store, checkpoints.

    Args:
        folder: empty.
        epochs: of the trained models; many make a training long enough to be hit.
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
        """A rebuild of ``select`` in a session of its own; what it prints is added to ``run.log``."""
        with (self.folder / "run.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestration.cli", "materialize", category, "--select", select],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def complete(self, select: str) -> None:
        """A rebuild that must succeed."""
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
        """Asset → manifest of all that is materialized; what is damaged is left out."""
        found = {asset: self.store.earlier(asset, category) for asset, category in self.store.artefacts("alpha")}
        return {asset: manifest for asset, manifest in found.items() if manifest is not None}

    def digests(self) -> dict[str, str]:
        """SHA-256 of the files of every repeatable asset; what is damaged is left out, as verifying it finds it."""
        found = {}
        for asset in REPEATABLE:
            folder = self.store.folder(asset, "alpha")
            if manifest := self.store.earlier(asset, "alpha"):
                digest = hashlib.sha256()
                with contextlib.suppress(FileNotFoundError):
                    for name in sorted(entry["file"] for entry in files(manifest.fields)):
                        digest.update(name.encode() + (folder / manifest.version / name).read_bytes())
                    found[asset] = digest.hexdigest()
        return found

    def lost(self, before: dict[str, Manifest], reference: dict[str, str]) -> list[str]:
        """What is wrong with the store; an empty list says that nothing was lost.

        Args:
            before: what :meth:`manifests` said before the kill: all of it must still be there, with the contents it had
                or with those that another run made from contents that are or were there.
            reference: :meth:`digests` of a rebuild that nobody disturbed.
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
                    wrong.append(f"{asset}: made from a {used[0]} that nobody has made")
        wrong += [f"{asset}: other contents" for asset, d in self.digests().items() if d != reference.get(asset, d)]
        return wrong

    def daemon(self) -> subprocess.Popen:
        """Dagster's daemon, in a session of its own, once it looks after the instance."""
        with (self.folder / "daemon.log").open("wb") as log:
            started = subprocess.Popen(
                [Path(sys.executable).parent / "dagster-daemon", "run"],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(started, lambda: "Instance is configured with" in (self.folder / "daemon.log").read_text())
        return started

    def writers(self, seed: int) -> list[subprocess.Popen]:
        """Two processes that store some artefacts again and again as they are, both the same ones."""
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
    """The processes of the run's steps: they share a command line with multiprocessing's fork server. What a module
    calls while the server loads it (``uname``) does so for no longer than it takes to start."""

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
    """SIGKILL to every process of the run's session, as a power cut would have it; waits until all are gone."""
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
    """Kill, wait until the run has ended, and say what was killed ("nothing" where it had ended before)."""
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
    """Until ``happened`` or the run's end; fails when neither comes."""
    deadline = time.monotonic() + seconds
    while not happened() and run.poll() is None:
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


def disturb(place: Installation, leaf: str, victim: str, duration: float, rng: random.Random) -> str:
    """One kill at a random time; what was killed, or "nothing"."""
    if victim == "writers":
        for writer in place.writers(rng.randrange(1 << 30)):  # the first, and later the second
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
    """Random kills; 0 when nothing was lost and every rebuild after a kill completed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        place = Installation(Path(folder))
        started = time.monotonic()
        place.complete(f"*{LEAVES[0]}")
        duration = time.monotonic() - started
        reference = place.digests()
        kinds, lost, done, resumed = Counter(), 0, 0, 0
        while done < asked.kills:
            leaf, victim = rng.choice(LEAVES), rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            before = place.manifests()
            victim = disturb(place, leaf, victim, duration, rng)
            if victim == "nothing":
                continue
            done += 1
            kinds[victim] += 1
            wrong = place.lost(before, reference)
            started_with_checkpoint = any((place.folder / "data" / "checkpoints").rglob("checkpoint.npz"))
            if done % 5 == 0 or done == asked.kills:  # in between, the next rebuild is killed too
                place.complete(f"*{leaf}")
                wrong += place.lost(before, reference)
            resumed += started_with_checkpoint
            lost += bool(wrong)
            changed = sum(before.get(asset) != manifest for asset, manifest in place.manifests().items())
            print(
                f"kill {done:3}: {victim:8} of {leaf:32} {changed:2} newer, {'; '.join(wrong) or 'whole'}", flush=True
            )
        sums = verify(place.store)
    print(f"killed {done} ({', '.join(f'{kind} {n}' for kind, n in kinds.items())}; {resumed} left a checkpoint)")
    print(f"survived {done - lost}, lost {lost}")
    print(f"sums: {sums.artefacts - len(sums.damage)} of {sums.artefacts} artefacts whole")
    return 1 if lost else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
