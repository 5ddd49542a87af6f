"""Prepares a version's files in a process of its own, so that a server's memory and answers do not suffer from it.

``python -m orchestration.web.api.preparing`` reads what to prepare as JSON from its standard input.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from core.errors import InputError
from core.store import Store

_NICE = 10


def in_child(store: Store, category: str, root: Path, version: str) -> None:
    """What :func:`core.serving.prepared.prepare` does, in another process.

    Raises:
        InputError: the version cannot be served.
    """
    order = json.dumps([str(store.root), category, str(root), version])
    # By standard input: command lines are visible to everybody on the machine.
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.web.api.preparing"], input=order, capture_output=True, text=True
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise InputError(lines[-1] if lines else f"it could not be prepared (exit status {done.returncode})")


def main() -> int:
    """Prepare what standard input names; returns the exit status."""
    from core.serving.prepared import prepare

    root, category, folder, version = json.load(sys.stdin)
    os.nice(_NICE)
    try:
        prepare(Store(root), category, Path(folder), version)
    except (InputError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
