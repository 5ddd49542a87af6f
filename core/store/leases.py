"""Records who is writing a version of an artefact, so that it is not taken for abandoned and removed.

A writer may be slow, stopped for hours or on another machine: its age says nothing, so the file says which process it
is.
"""

import contextlib
import json

from upath import UPath

from core.process_identity import is_alive, this_process

LEASE = ".writer.json"
_ATTEMPTS = 5


def take(version: UPath) -> None:
    """Say that this process writes the version; makes its folder."""
    for attempt in range(_ATTEMPTS):
        version.mkdir(parents=True, exist_ok=True)
        try:
            (version / LEASE).write_text(json.dumps(this_process()))
            return
        except FileNotFoundError:  # a folder that has no lease yet may be taken away
            if attempt == _ATTEMPTS - 1:
                raise


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
