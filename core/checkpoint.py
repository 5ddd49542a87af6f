"""Checkpoints of a training: what an interrupted run leaves behind and finds again.

Belongs here: writing, recognizing and removing checkpoint files. Does not belong here: what a model puts into one.
A checkpoint carries a fingerprint of everything that decides the result, so one of other data or settings is never
taken up. The caller clears the folder once it has stored the finished model; the trainer cannot know when. What is
never finished (a model that was removed, a category that left categories.yaml) goes after :data:`KEPT_DAYS`.
"""

import contextlib
import hashlib
import json
import os
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_FILE = "checkpoint.npz"
_META = "__meta__"
_CHUNK = 1 << 20
KEPT_DAYS = 30.0
"""An unfinished training that nobody has taken up for so long is given up."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training.

    Attributes:
        arrays: name → array (no object arrays).
        meta: JSON-able facts.
    """

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]


def fingerprint(settings: dict[str, Any], *arrays: np.ndarray) -> str:
    """SHA-256, as hexadecimal digits, over JSON-able settings and the type, shape and contents of arrays."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        rows = max(1, _CHUNK // max(1, array[:1].nbytes))
        for first in range(0, len(array), rows):  # in pieces: the array may be memory-mapped and larger than memory
            digest.update(np.ascontiguousarray(array[first : first + rows]).data)
    return digest.hexdigest()


def save(folder: Path, key: str, checkpoint: Checkpoint) -> None:
    """Write the checkpoint, replacing the last one atomically.

    Where two runs train the same, the first to end clears the folder of both: then there is no checkpoint until the
    next one, which is no reason to fail the other.

    Args:
        folder: made if absent.
        key: the fingerprint of the run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members: dict[str, Any] = {**checkpoint.arrays, _META: np.array(json.dumps({"key": key, "meta": checkpoint.meta}))}
    unfinished = folder / f".{_FILE}.{os.getpid()}"
    try:
        with contextlib.suppress(FileNotFoundError):
            with unfinished.open("wb") as file:
                np.savez(file, **members)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(folder / _FILE)
    finally:
        unfinished.unlink(missing_ok=True)


def load(folder: Path, key: str) -> Checkpoint | None:
    """The last checkpoint of the run with this fingerprint, or None; an unreadable file counts as none."""
    try:
        with np.load(folder / _FILE, allow_pickle=False) as file:
            head = json.loads(str(file[_META]))
            if head["key"] != key:
                return None
            return Checkpoint({name: file[name] for name in file.files if name != _META}, head["meta"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def clear(folder: Path) -> None:
    """Remove the checkpoint and what killed runs left unfinished; the folder too if nothing else is in it."""
    if not folder.is_dir():
        return
    for path in [folder / _FILE, *folder.glob(f".{_FILE}.*")]:
        path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def sweep(root: Path, days: float = KEPT_DAYS) -> list[Path]:
    """Remove the checkpoints below ``root`` that were last written more than ``days`` ago, and nothing else.

    Returns:
        The folders of the checkpoints that were removed.
    """
    oldest, removed = time.time() - days * 86_400, []
    for folder in sorted({path.parent for path in root.rglob(f"*{_FILE}*") if _is_ours(path)}):
        files = [path for path in folder.iterdir() if _is_ours(path)]
        if all(path.stat().st_mtime < oldest for path in files):
            clear(folder)
            removed.append(folder)
    return removed


def _is_ours(path: Path) -> bool:
    return path.name == _FILE or path.name.startswith(f".{_FILE}.")
