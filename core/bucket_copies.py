"""Local copies of a bucket's files, so that they can be memory-mapped and are downloaded once per machine.

Belongs here: where the copies are and how long they stay. Does not belong here: what the files are (``core.store``).
They stand in the temporary folder under the bucket's own paths, ``…/<artefact>/<version>/<file>``, shared by the
machine's processes: each step of a rebuild reads what others have read before it, so that the end of a process is no
reason to remove them. They go when they have been superseded twice, or when nobody has asked for them for a day.
"""

import contextlib
import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path

from upath import UPath

UNUSED_SECONDS = 86_400.0
"""A version whose copies were not asked for during this time is removed from this machine."""
_KEPT = 2
"""Newest versions of an artefact whose copies stay: a reader may be on its way with the manifest before the last."""


def local_copy(path: UPath) -> Path:
    """The local copy of a bucket's file ``<artefact>/<version>/<file>``; versions sort by their age."""
    root = Path(tempfile.gettempdir()) / "alsobought"
    copy = root / path.protocol / path.path.strip("/")
    try:
        os.utime(copy)  # it is in use
    except FileNotFoundError:
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = copy.with_name(f"{copy.name}.{uuid.uuid4().hex[:8]}.tmp")
        path.fs.get(path.path, str(partial))
        partial.replace(copy)
        _remove_superseded(copy.parent)
        _remove_unused(root)
    return copy


def _remove_superseded(asked_for: Path) -> None:
    """Memory maps of what is removed stay readable (POSIX)."""
    for version in sorted(asked_for.parent.iterdir())[:-_KEPT]:
        if version != asked_for:
            shutil.rmtree(version, ignore_errors=True)


def _remove_unused(root: Path) -> None:
    for folder, _, files in os.walk(root):
        with contextlib.suppress(OSError):  # another process removes too
            used = max((Path(folder, name).stat().st_mtime for name in files), default=time.time())
            if time.time() - used > UNUSED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
