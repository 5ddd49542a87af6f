"""The identity of a process, so that another process can tell later whether it is still alive.

The host's name is not part of it: names change, and containers share them. Nor is the time of day: clocks are adjusted.
"""

import functools
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

_MACHINE_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_BOOT_FILE = "/proc/sys/kernel/random/boot_id"
_INITIAL_PIDS = "pid:[4026531836]"
"""The kernel's name of the process numbers outside of any container."""
_SECONDS_OF_TOLERANCE = 2.0


@functools.cache
def machine_id() -> str:
    """What this machine is called by its operating system for as long as it is installed; never empty."""
    for name in _MACHINE_FILES:
        if text := _text(name):
            return text
    return f"{uuid.getnode():012x}"  # of a network card


def this_process() -> dict[str, Any]:
    """The identity of this process, as plain data for a file or a tag; see :func:`identity_of`."""
    return identity_of(os.getpid()) or {}  # a process that asks lives


def identity_of(pid: int) -> dict[str, Any] | None:
    """The identity of a process of this machine, or None if no process has this number.

    Returns:
        ``machine``, ``boot`` (id of the machine's current boot; empty where the system has none), ``pids`` (the space
        of process numbers, which each container has its own of; empty where the system has none), ``pid`` and
        ``started`` (in a unit of the system's own).
    """
    started = _started(pid)
    return None if started is None else _place() | {"pid": pid, "started": started}


def is_alive(identity: Mapping[str, Any]) -> bool | None:
    """Whether the process is alive; None if this process cannot know, e.g. because it is on another machine.

    Args:
        identity: what :func:`this_process` gave, perhaps read back from a file; anything else gives None.
    """
    here = _place()
    pid, started = identity.get("pid"), identity.get("started")
    if isinstance(pid, bool) or not isinstance(pid, int) or not isinstance(started, int | float) or not 0 < pid < 2**31:
        return None
    if any(not isinstance(identity.get(name), str) for name in here):
        return None
    if here["boot"] and identity["boot"] and identity["boot"] != here["boot"]:
        # The same machine was restarted since, unless the two are containers with an image's machine id in common.
        same = identity["machine"] == here["machine"] and identity["pids"] == here["pids"] == _INITIAL_PIDS
        return False if same else None
    if identity["pids"] != here["pids"] or identity["machine"] != here["machine"]:
        return None
    now = _started(pid)
    return now is not None and abs(now - started) <= (0 if here["boot"] else _SECONDS_OF_TOLERANCE)


def _place() -> dict[str, str]:
    try:
        pids = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        pids = ""
    return {"machine": machine_id(), "boot": _text(_BOOT_FILE), "pids": pids}


def _started(pid: int) -> float | None:
    """When a living process of this number started; None if there is no such process, or it is a zombie.

    On Linux in clock ticks since the boot, which no setting of the clock moves; elsewhere in seconds since the epoch.
    """
    try:
        # The name, in brackets, may hold blanks and brackets itself; state is the first field after it.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except (OSError, IndexError, ValueError):
        pass
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def _text(file: str) -> str:
    try:
        return Path(file).read_text(errors="replace").strip()
    except OSError:
        return ""
