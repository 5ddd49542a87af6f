"""What failed in a run, in words for a person."""

import contextlib
import errno
import re
from pathlib import Path

import dagster as dg

from core.untrusted.urls import scrubbed
from orchestration.dagster_internals import SerializableErrorInfo

_SELF_EXPLAINING = ("InputError", "Failure")
"""Errors whose message says everything."""
_OS_ERRORS = ("OSError", "PermissionError")
_USE_LESS_MEMORY = "use smaller settings, or let fewer steps run at once"
_REMEDIES = {
    "memory": f"the machine has too little memory for it: {_USE_LESS_MEMORY}",
    "ENOSPC": "the disk, or /dev/shm, is full: free some space",
    "EDQUOT": "the disk quota is used up: free some space",
    "EROFS": "the file system is read-only: set ALSOBOUGHT_STORE and ALSOBOUGHT_HOME to folders that can be written to",
    "EACCES": "the account that runs this may not write or read it: change its owner or its mode",
}
_NUMBERS = {getattr(errno, name) for name in _REMEDIES if name.startswith("E")}


class FailureReporter:
    """Describes each failure of a run once, as it happens.

    It reads the run's events, because a step's process may end before its last lines reach the terminal.
    """

    def __init__(self) -> None:
        self._memory_kills = memory_kills()
        self._crashes: dict[str, str] = {}
        self._has_reported = False

    def lines(self, event: dg.DagsterEvent) -> list[str]:
        """The lines for one event, usually none: what a step's code raised, how a step's process ended, or what ended
        the run outside its steps."""
        step = event.step_key
        if event.is_engine_event and step and "child process for step" in (event.message or ""):
            self._crashes[step] = crash_text(event.message or "", memory_kills() > self._memory_kills)
        if event.is_step_failure and step:
            if _is_interrupt(event.step_failure_data.error):
                return []  # Ctrl-C, which reached the step before its run
            self._has_reported = True
            return [scrubbed(f"{step} failed: {self._crashes.pop(step, None) or failure_text(event)}")]
        if event.event_type == dg.DagsterEventType.RUN_FAILURE and not self._has_reported:
            error = event.job_failure_data.error
            return [scrubbed(f"the run failed: {_error_text(error) if error else event.message}")]
        return []


def failure_text(event: dg.DagsterEvent) -> str:
    """What a failed step's code raised. For bad input and a failed check it is the message alone."""
    error = event.step_failure_data.error
    return _error_text(error) if error else str(event.message)


def crash_text(explanation: str, out_of_memory: bool) -> str:
    """How a step's process ended, from Dagster's explanation of its exit.

    Args:
        explanation: contains "signal 9 (SIGKILL)" or "exited with code 3".
        out_of_memory: whether the kernel has killed a process for lack of memory since the run started.
    """
    if signal := re.search(r"signal (\d+) \((\w+)\)", explanation):
        how = f"its process was killed by signal {signal[1]} ({signal[2]})"
        if signal[2] != "SIGKILL":
            return f"{how}; the last lines above may say why"
        if out_of_memory:
            return f"{how}, probably because the machine ran out of memory, as the kernel reports; {_USE_LESS_MEMORY}"
        return f"{how}: by somebody, or because the machine ran out of memory; in that case {_USE_LESS_MEMORY}"
    code = re.search(r"code (-?\d+)", explanation)
    return f"its process ended by itself with exit code {code[1] if code else 'unknown'}"


def memory_kills() -> int:
    """Number of processes that the kernel has killed for lack of memory, in this container and on the machine."""
    total = 0
    for file in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        with contextlib.suppress(OSError, ValueError):
            lines = dict(line.split(" ", 1) for line in Path(file).read_text().splitlines() if " " in line)
            total += int(lines.get("oom_kill", 0))
    return total


def _error_text(error: SerializableErrorInfo) -> str:
    """The message alone if it explains the error, else the stack too."""
    explaining: SerializableErrorInfo | None = error
    while explaining is not None and explaining.cls_name not in _SELF_EXPLAINING and not _trouble(explaining):
        explaining = explaining.cause
    if explaining is None:
        root = error
        while root.cause is not None:
            root = root.cause
        return root.to_string().strip()
    text = explaining.message.strip()
    if explaining.cls_name in _SELF_EXPLAINING:
        return re.sub(r"^[\w.]+: ", "", text)
    return f"{text}; {_REMEDIES[_trouble(explaining)]}"


def _is_interrupt(error: SerializableErrorInfo | None) -> bool:
    while error is not None:
        if error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
            return True
        error = error.cause
    return False


def _trouble(error: SerializableErrorInfo) -> str:
    """The machine's trouble behind an error, a key of ``_REMEDIES``; empty if the error has another cause."""
    if error.cls_name in ("MemoryError", "_ArrayMemoryError"):
        return "memory"
    number = re.search(r"\[Errno (\d+)\]", error.message) if error.cls_name in _OS_ERRORS else None
    return errno.errorcode.get(int(number[1]), "") if number and int(number[1]) in _NUMBERS else ""
