"""What races share: their command line, and one contender in a process of its own.

Belongs here: starting contenders, so that each has a peak memory of its own and no other's threads. Does not belong
here: what they do and how it is judged (``word2vec``, ``factorization``).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Result = dict[str, Any]


def in_process(script: str, name: str, file: Path, epochs: int, threads: int) -> Result:
    """Start a script again for one contender; what it prints last is its result."""
    command = [sys.executable, script, "--contender", name, "--data", str(file)]
    command += ["--epochs", str(epochs), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(
    doc: str | None,
    contenders: list[str],
    epochs: int,
    make_data: Callable[[Path, int, int], None],
    contend: Callable[[str, Path, int, int], Result],
    race: Callable[[argparse.Namespace, Path], None],
) -> None:
    """Be the command: the race, or in a process of its own one contender.

    Args:
        doc: the script's; its first line is shown by --help.
        contenders: names.
        epochs: default of --epochs.
        make_data: writes the data that all read; called with file, products, threads.
        contend: runs one; called with its name, the data, epochs and threads.
        race: called with the arguments and the data.
    """
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=50_000, help="products of the synthetic catalogue")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=contenders, default=contenders)
    parser.add_argument("--data", type=Path, help="walks and pairs to use; written if the file does not exist")
    parser.add_argument("--out", type=Path, help="append one JSON line per contender")
    parser.add_argument("--contender", choices=contenders, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contender:
        print(json.dumps(contend(args.contender, args.data, args.epochs, args.threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = args.data or Path(folder) / "data.npz"
        if not file.exists():
            make_data(file, args.nodes, args.threads)
        race(args, file)
