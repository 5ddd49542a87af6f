"""Local copies of a bucket's files, so that they can be memory-mapped and are downloaded once per machine.

They stand in a folder of the temporary folder that this user alone can enter, under the bucket's own paths,
``…/<artefact>/<version>/<file>``, shared by the user's processes: each step of a rebuild reads what others have read
before it, so that the end of a process is no reason to remove them. They go when they have been superseded twice, or
when nobody has asked for them for a day. Nothing outside of that folder is written or removed.
"""

import contextlib
import os
import shutil
import stat
import tempfile
import time
import uuid
from pathlib import Path

from upath import UPath

from core.errors import InputError
from core.store.files import DamagedFileError, sha256
from core.store.manifest import VERSION_NAME

UNUSED_SECONDS = 86_400.0
"""A version whose copies were not asked for during this time is removed from this machine."""
_KEPT = 2
"""Newest versions of an artefact whose copies stay: a reader may be on its way with the manifest before the last."""

_verified: set[tuple[str, int, int, int, str]] = set()
"""Path, inode, size, time and sum of the copies that this process has compared."""


def local_copy(path: UPath, size: int, total: str | None) -> Path:
    """The local copy of a bucket's file ``<artefact>/<version>/<file>``; versions sort by their age.

    Args:
        path: in the bucket.
        size: bytes that the file must have.
        total: SHA-256 that it must have, as hexadecimal digits; None where its manifest knows none.

    Raises:
        FileNotFoundError: it is not in the bucket.
        DamagedFileError: what the bucket has is not what its manifest says.
        InputError: the copies' folder is somebody else's.
    """
    root = copies_folder()
    copy = _inside(root, path)
    if not _is_good(copy, size, total):
        partial = copy.with_name(f"{copy.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            path.fs.get(path.path, str(partial))
            if not _is_good(partial, size, total):
                raise DamagedFileError(
                    f"{path} is damaged: it is not the file of {size:,} bytes that its manifest names"
                )
            partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)
        _is_good(copy, size, total)  # remembered under its own name
        _remove_superseded(copy.parent)
        _remove_unused(root)
    # It is in use. When it was written stays as it was: by that a changed copy is noticed.
    os.utime(copy, ns=(time.time_ns(), copy.stat().st_mtime_ns))
    return copy


def copies_folder() -> Path:
    """The folder of this user's copies, made if it is not there. Raises InputError if it is somebody else's."""
    root = Path(tempfile.gettempdir()) / f"alsobought-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise InputError(f"{root} is not a folder of this user; remove it, or set TMPDIR to a folder of your own")
    if stat.S_IMODE(found.st_mode) & 0o077:
        root.chmod(0o700)
    return root


def _inside(root: Path, path: UPath) -> Path:
    """The place of a copy, whose folder is made; a link on the way that leads elsewhere is taken away."""
    folder = root
    for part in (str(path.protocol), *path.path.strip("/").split("/")[:-1]):
        if part in ("", ".", "..") or "\0" in part:
            raise InputError(f"{path} is not a path in a bucket: {part!r} cannot be part of one")
        folder = folder / part
        if folder.is_symlink():
            folder.unlink()
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder / path.name


def _is_good(copy: Path, size: int, total: str | None) -> bool:
    """Whether there is a file of this size and sum; a sum is compared once by each process."""
    try:
        found = copy.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        return False
    key = (str(copy), found.st_ino, found.st_size, found.st_mtime_ns, total or "")
    if key not in _verified:
        if total is not None and sha256(copy) != total:
            return False
        _verified.add(key)
    return True


def _remove_superseded(asked_for: Path) -> None:
    """Memory maps of what is removed stay readable (POSIX)."""
    versions = sorted(path for path in asked_for.parent.iterdir() if _is_version(path))
    for version in versions[:-_KEPT]:
        if version != asked_for:
            shutil.rmtree(version, ignore_errors=True)


def _remove_unused(root: Path) -> None:
    for folder, _, files in os.walk(root):  # does not follow links
        path = Path(folder)
        with contextlib.suppress(OSError):  # another process removes too
            if _is_version(path):
                used = max((_used(path / name) for name in files), default=time.time())
                if time.time() - used > UNUSED_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)


def _is_version(path: Path) -> bool:
    return VERSION_NAME.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()


def _used(path: Path) -> float:
    return path.lstat().st_atime
