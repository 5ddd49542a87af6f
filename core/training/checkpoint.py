"""Checkpoints of a training: what an interrupted run leaves behind and finds again.

A checkpoint carries a fingerprint of everything that decides the result, so one of other data or settings is never
taken up. The caller clears the folder once it has stored the finished model; the trainer cannot know when. What is
never finished (a model that was removed, a category that left categories.yaml) goes after :data:`KEPT_DAYS`.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.store import files as artefact_files

_LOG = logging.getLogger(__name__)
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
    """The last checkpoint of the run with this fingerprint, or None; a damaged one counts as none, with a warning."""
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        return _read(path, key)
    except Exception as error:  # NumPy and zipfile raise all kinds, each at another place of a damaged file
        _LOG.warning("the checkpoint %s cannot be read (%s): the training starts from the beginning", path, error)
        return None


def _read(path: Path, key: str) -> Checkpoint | None:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        # Uncompressed, as it was written: then no part can claim more memory than the file has bytes.
        if any(m.compress_type != zipfile.ZIP_STORED or m.file_size > size for m in archive.infolist()):
            raise ValueError("its parts are larger than the file")
        names = [member.filename.removesuffix(".npy") for member in archive.infolist()]
        head = json.loads(str(_array(archive, _META)))
        if not isinstance(head, dict) or not isinstance(head.get("meta"), dict):
            raise ValueError("its head is not that of a checkpoint")
        if head.get("key") != key:
            return None
        return Checkpoint({name: _array(archive, name) for name in names if name != _META}, head["meta"])


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array; its header must ask for as many bytes as there are."""
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        shape, _, dtype = artefact_files.header(file)
        if file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ValueError(f"its array {name!r} has another size than it says")
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


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
