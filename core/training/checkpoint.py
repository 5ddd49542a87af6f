"""Checkpoints of a training, from which an interrupted run resumes.

A checkpoint carries a fingerprint of everything that decides the result, so a run never resumes from other data or
settings. The caller clears the folder once it has stored the finished model, because the trainer cannot know when that
is. A checkpoint whose training is never finished (of a removed model or category) is deleted after :data:`KEPT_DAYS`.
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
"""Days after which an unfinished training that nobody has resumed is given up."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training.

    Attributes:
        arrays: name → array (no object arrays).
        meta: JSON-serializable facts.
    """

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]


def fingerprint(settings: dict[str, Any], *arrays: np.ndarray) -> str:
    """SHA-256, as hexadecimal digits, of JSON-serializable settings and the type, shape and contents of arrays."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        rows = max(1, _CHUNK // max(1, array[:1].nbytes))
        for first in range(0, len(array), rows):  # in pieces, because a memory-mapped array may be larger than memory
            digest.update(np.ascontiguousarray(array[first : first + rows]).data)
    return digest.hexdigest()


def save(folder: Path, key: str, checkpoint: Checkpoint) -> None:
    """Write the checkpoint, which atomically replaces the last one.

    Where two runs train the same model, the first to end clears the folder of both. The other run must not fail then:
    it has no checkpoint until it writes the next one.

    Args:
        folder: folder of the checkpoint; created if it does not exist.
        key: the fingerprint of the run.
        checkpoint: the state to write.
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
    """The last checkpoint of the run with this fingerprint, or None. A damaged one is logged and not used."""
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        return _read(path, key)
    except Exception as error:  # NumPy and zipfile raise many kinds, depending on where the file is damaged
        _LOG.warning("The checkpoint %s cannot be read (%s); the training starts from the beginning.", path, error)
        return None


def _read(path: Path, key: str) -> Checkpoint | None:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        # Checkpoints are written uncompressed, so no member can claim more memory than the file has bytes.
        if any(m.compress_type != zipfile.ZIP_STORED or m.file_size > size for m in archive.infolist()):
            raise ValueError("its members are larger than the file")
        names = [member.filename.removesuffix(".npy") for member in archive.infolist()]
        header = json.loads(str(_array(archive, _META)))
        if not isinstance(header, dict) or not isinstance(header.get("meta"), dict):
            raise ValueError("its header is not that of a checkpoint")
        if header.get("key") != key:
            return None
        return Checkpoint({name: _array(archive, name) for name in names if name != _META}, header["meta"])


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read one array, whose header must ask for exactly the bytes that the member has."""
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        shape, _, dtype = artefact_files.header(file)
        if file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ValueError(f"the size of its array {name!r} does not match the array's header")
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def clear(folder: Path) -> None:
    """Remove the checkpoint and the unfinished files of killed runs, and the folder if nothing else is in it.

    The same is done first in the folders within it, of which a training of several models has one per model.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        clear(path)
    for path in [folder / _FILE, *folder.glob(f".{_FILE}.*")]:
        path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def sweep(root: Path, days: float = KEPT_DAYS) -> list[Path]:
    """Remove only the checkpoints below ``root`` that were last written more than ``days`` ago.

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
