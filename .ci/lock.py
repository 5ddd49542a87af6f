"""Make the lock files anew from pyproject.toml: ``make lock``; ``make lock LOCK=--upgrade`` takes newer versions.

``requirements.lock`` is what runs, ``requirements-dev.lock`` what tests need besides; both with the hashes of every
file of a release, so that pip refuses any other. torch stands alone in ``requirements-torch.lock``, without hashes:
which of its wheels is right (CPU, CUDA) is the machine's business, and so is which of NVIDIA's libraries come with it.
Versions stay as they are unless pyproject.toml asks for others or ``--upgrade`` is given.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN, DEV, TORCH = (ROOT / f"requirements{part}.lock" for part in ("", "-dev", "-torch"))
PIN = re.compile(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)", re.MULTILINE)
WITH_TORCH = re.compile(r"torch|triton|(cuda|nvidia)-.*")
HEADS = {
    RUN: "# What runs, with hashes. Made by `make lock`; torch stands in requirements-torch.lock.",
    DEV: "# What tests and checks need besides requirements.lock, with hashes. Made by `make lock`.",
}


def resolve(extras: list[str], pins: str, folder: Path) -> dict[str, str]:
    """Name → its lines in a lock file, of pyproject.toml with extras, as far as the pins allow."""
    (folder / "pins.txt").write_text(pins)
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *(f"--extra={extra}" for extra in extras),
        "--constraint", str(folder / "pins.txt"), "--python-version=3.11", "--universal", "--generate-hashes",
        "--no-strip-extras", "--no-annotate", "--no-header", "--quiet",
    ]  # fmt: skip
    text = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    entries = re.findall(r"^\S.*(?:\n[ \t]+.*)*", text, re.MULTILINE)
    return {re.split(r"[\[=\s]", entry, maxsplit=1)[0]: entry for entry in entries}


def pins_of(text: str) -> str:
    """The versions of a lock file, one a line."""
    return "\n".join(map("==".join, PIN.findall(text)))


def main() -> None:
    present = "".join(path.read_text() for path in (RUN, DEV, TORCH) if path.exists())
    pins = "" if "--upgrade" in sys.argv else pins_of(present)
    torch = re.findall(r"^torch==.*", present, re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        everything = resolve(["deploy", "delivery", "dev"], "\n".join([pins, *torch]), Path(folder))
        runs = resolve(["deploy", "delivery"], pins_of("\n".join(everything.values())), Path(folder))
    for path, entries in ((RUN, runs), (DEV, {n: e for n, e in everything.items() if n not in runs})):
        kept = [entry for name, entry in entries.items() if not WITH_TORCH.fullmatch(name)]
        path.write_text("\n".join([HEADS[path], *kept]) + "\n")


if __name__ == "__main__":
    main()
