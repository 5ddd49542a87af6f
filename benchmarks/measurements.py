"""What every benchmark hands in: measurements with their targets, as JSON lines and as a table.

Only the standard library is imported, so that a contender can run in an environment that has nothing but the peers.
"""

import argparse
import dataclasses
import itertools
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

Run = dict[str, Any]
"""What a contender says of one run of its own: at least ``rate`` (units of work per second)."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One number.

    Attributes:
        subject: the benchmark, e.g. "walks".
        data: on what, in words.
        quantity: what, in words.
        value: median over the rounds.
        unit: of value; "x" for a ratio.
        target: "" or ">= 25", "<= 30", in the same unit.
        low, high: least and greatest over the rounds.
        detail: how it came about: rates of both sides, threads, peak memory, versions.
    """

    subject: str
    data: str
    quantity: str
    value: float
    unit: str
    target: str = ""
    low: float | None = None
    high: float | None = None
    detail: Run = dataclasses.field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``reached``, ``MISSED``, or nothing where there is no target."""
        sign, _, limit = self.target.partition(" ")
        if not sign:
            return ""
        return "reached" if (self.value >= float(limit) if sign == ">=" else self.value <= float(limit)) else "MISSED"

    def text(self) -> str:
        """The value with its unit and its range over the rounds."""
        value = f"{number(self.value)} {self.unit}".strip()
        if self.low is None or self.high is None or number(self.low) == number(self.high):
            return value
        return f"{value} ({number(self.low)} to {number(self.high)})"

    def cells(self) -> list[str]:
        """Data, quantity, value with its range, target, verdict."""
        target = f"{self.target} {self.unit}" if self.target else ""
        return [self.data, self.quantity, self.text(), target, self.verdict]


COLUMNS = ("data", "quantity", "measured (range of rounds)", "target", "")


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{value:.5f}" if "e" in text else text


def ratio(subject: str, data: str, quantity: str, ours: Sequence[Run], peer: Sequence[Run], target: str) -> Measurement:
    """Our rate by the peer's, round by round: both were equally disturbed in a round."""
    ratios = [one["rate"] / other["rate"] for one, other in zip(ours, peer, strict=True)]
    detail = {"ours": summary(ours), "peer": summary(peer)}
    return Measurement(
        subject, data, quantity, statistics.median(ratios), "x", target, min(ratios), max(ratios), detail
    )


def spread(
    subject: str, data: str, quantity: str, values: Sequence[float], unit: str, target: str = "", **detail: Any
) -> Measurement:
    """The median of one side's own numbers."""
    return Measurement(
        subject, data, quantity, statistics.median(values), unit, target, min(values), max(values), detail
    )


def summary(runs: Sequence[Run]) -> Run:
    """Medians of the numbers of several runs, and the rest of the last run."""
    numbers = {
        key: statistics.median(run[key] for run in runs) for key, value in runs[-1].items() if isinstance(value, float)
    }
    return {**runs[-1], **numbers}


def interleaved(
    names: Iterable[str], rounds: int, run: Callable[[str], Run], within: float = math.inf
) -> dict[str, list[Run]]:
    """Every contender once per round, in turn. One that fails is told about and left out from then on.

    Args:
        names: of the contenders.
        rounds: how often.
        run: makes one contender's run.
        within: seconds; a further round is left out where it would, as long as those before it, end later than that.
    """
    runs: dict[str, list[Run]] = {name: [] for name in names}
    started = time.monotonic()
    for done in range(rounds):
        if done and (time.monotonic() - started) * (done + 1) / done > within:
            print(f"{done} of {rounds} rounds: more would not end within {within:g} s", file=sys.stderr, flush=True)
            break
        for name in list(runs):
            try:
                runs[name].append(run(name))
            except ContenderError as error:
                print(f"{name} failed: {error}", file=sys.stderr, flush=True)
                del runs[name]
    return runs


def turns(seconds: float, least: int = 1) -> Iterator[int]:
    """0, 1, 2, ...: at least ``least``, and more while less than ``seconds`` are over.

    For calls that are so short that one of them says more of what else the machine did just then.
    """
    started = time.monotonic()
    for turn in itertools.count():
        if turn >= least and time.monotonic() - started >= seconds:
            return
        yield turn


class ContenderError(Exception):
    """A contender's process ended with an error; the message is its last line."""


def in_process(python: str, script: str, *arguments: object, threads: int = 2) -> Run:
    """Run ``script`` with the arguments in a process of its own, and read the JSON on its last line.

    Raises:
        ContenderError: it failed.
    """
    env = {**os.environ, "NUMBA_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([python, script, *map(str, arguments)], capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise ContenderError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:200])
    return json.loads(done.stdout.strip().splitlines()[-1])


def peak_gb() -> float:
    """Peak resident memory of this process; from /proc, since getrusage also counts the parent before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def versions(*packages: str) -> dict[str, str]:
    """Of Python and of the packages that are installed here."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in packages if list(metadata.distributions(name=name))
    }


def machine() -> str:
    """Processor, cores and memory in words."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = models[0] if models else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB"


def parser(doc: str | None, rounds: int = 3, *, race: bool = False) -> argparse.ArgumentParser:
    """A parser with what all benchmarks understand; and ``--within``, where contenders take turns."""
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    made.add_argument("--rounds", type=int, default=rounds, help="interleaved repeats; medians are reported")
    if race:
        made.add_argument("--within", type=float, default=math.inf, help="seconds: fewer rounds on a slow machine")
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--out", type=Path, help="write the measurements here, one JSON object a line")
    return made


def report(found: Sequence[Measurement], out: Path | None) -> None:
    """Print the measurements as a table; write them to ``out`` if given, replacing what was there."""
    rows = [one.cells() for one in found]
    widths = [max(len(cell) for cell in column) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        about = {"machine": machine(), "command": " ".join(["python", *sys.argv])}
        lines = [json.dumps(dataclasses.asdict(one) | about) for one in found]
        out.write_text("".join(f"{line}\n" for line in lines))
