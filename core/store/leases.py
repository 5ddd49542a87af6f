"""Records who is writing a version of an artefact, so that it is not taken for abandoned and removed.

A writer may be slow, stopped for hours or on another machine: its age says nothing, so the file says which process it
is.
"""

import contextlib
import json
from pathlib import Path

from upath import UPath

from core.process_identity import is_alive, this_process

LEASE = ".writer.json"
STAGED = ".staged-"
"""Leads the name of a version's folder until its lease is in it."""


def take(version: UPath) -> None:
    """Say that this process writes the version; makes its folder.

    On a local disk the folder appears with its lease in it: without one it could be removed as abandoned at any moment.
    """
    lease = json.dumps(this_process())
    if getattr(version, "protocol", "") not in ("", "file", "local") or version.exists():
        version.mkdir(parents=True, exist_ok=True)
        (version / LEASE).write_text(lease)
        return
    folder = Path(str(version))
    staged = folder.with_name(STAGED + folder.name)
    staged.mkdir(parents=True, exist_ok=True)
    (staged / LEASE).write_text(lease)
    staged.rename(folder)


def release(version: UPath) -> None:
    """Say that the version is whole and its manifest is in place."""
    with contextlib.suppress(FileNotFoundError):
        (version / LEASE).unlink()


def writer_is_alive(version: UPath) -> bool | None:
    """Whether the version is still being written; None where this machine cannot know.

    False also if there is no lease: the version is finished, or was written by a program that left none.
    """
    try:
        lease = json.loads((version / LEASE).read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError):
        return None
    return is_alive(lease) if isinstance(lease, dict) else None
