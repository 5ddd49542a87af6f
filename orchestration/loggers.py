"""What a run looks like on a terminal."""

import contextlib
import errno
import logging
import re
import sys
from pathlib import Path

import dagster as dg

from core.untrusted.urls import scrubbed
from orchestration.dagster_internals import SerializableErrorInfo


class _ShortFormatter(logging.Formatter):
    """Time, step and message; Dagster's own format repeats job and run id on every line."""

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "dagster_meta", {}) or {}
        step = facts.get("step_key") or ""
        message = facts.get("orig_message") or record.getMessage()
        text = f"{self.formatTime(record, '%H:%M:%S')}  {step:<38} {message}"
        return f"{text}  [{record.levelname}]" if record.levelno >= logging.WARNING else text


def _says_something(record: logging.LogRecord) -> bool:
    """False for what Dagster logs of a failure: what failed is said by :class:`Failures`, once and in its own words."""
    facts = getattr(record, "dagster_meta", {}) or {}
    return not str(facts.get("orig_message")).startswith(("Dependencies for step", "Execution of "))


class Failures:
    """Says of a run's events what failed, each failure once, as it happens.

    Taken from the events, because a step's process may end before its last lines reach the terminal.
    """

    def __init__(self) -> None:
        self._out_of_memory = memory_kills()
        self._crashes: dict[str, str] = {}
        self._said = False

    def told(self, event: dg.DagsterEvent) -> list[str]:
        """The lines for one event, mostly none: what a step's own code raised, how its process ended, or what ended the
        run outside of its steps."""
        step = event.step_key
        if event.is_engine_event and step and "child process for step" in (event.message or ""):
            self._crashes[step] = crash_text(event.message or "", memory_kills() > self._out_of_memory)
        if event.is_step_failure and step:
            if _interrupted(event.step_failure_data.error):
                return []  # Ctrl-C, which reached the step before its run
            self._said = True
            return [scrubbed(f"{step} failed: {self._crashes.pop(step, None) or failure_text(event)}")]
        if event.event_type == dg.DagsterEventType.RUN_FAILURE and not self._said:
            error = event.job_failure_data.error
            return [scrubbed(f"the run failed: {_words(error) if error else event.message}")]
        return []


def failure_text(event: dg.DagsterEvent) -> str:
    """What a failed step's own code raised: of bad input or a failed check the message alone."""
    error = event.step_failure_data.error
    return _words(error) if error else str(event.message)


def crash_text(explanation: str, out_of_memory: bool) -> str:
    """How a step's process ended, from Dagster's explanation of its exit.

    Args:
        explanation: says "signal 9 (SIGKILL)" or "exited with code 3".
        out_of_memory: whether the kernel killed a process for want of memory meanwhile.
    """
    if found := re.search(r"signal (\d+) \((\w+)\)", explanation):
        how = f"its process was killed by signal {found[1]} ({found[2]})"
        if found[2] != "SIGKILL":
            return f"{how}; the last lines above may say why"
        if out_of_memory:
            return f"{how}, probably out of memory: the kernel says that it killed a process for that; {_LESS}"
        return f"{how}: from outside, or out of memory; in that case {_LESS}"
    code = re.search(r"code (-?\d+)", explanation)
    return f"its process ended by itself with exit code {code[1] if code else 'unknown'}"


def memory_kills() -> int:
    """How many processes the kernel has killed for want of memory, of this container and of the machine."""
    total = 0
    for file in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        with contextlib.suppress(OSError, ValueError):
            lines = dict(line.split(" ", 1) for line in Path(file).read_text().splitlines() if " " in line)
            total += int(lines.get("oom_kill", 0))
    return total


def _words(error: SerializableErrorInfo) -> str:
    """The message of an error that says everything itself, else the stack too."""
    found: SerializableErrorInfo | None = error
    while found is not None and not _speaks(found):
        found = found.cause
    if found is None:
        last = error
        while last.cause is not None:
            last = last.cause
        return last.to_string().strip()
    text = found.message.strip()
    return re.sub(r"^[\w.]+: ", "", text) if found.cls_name in _OWN_WORDS else f"{text}; {_REMEDIES[_trouble(found)]}"


def _interrupted(error: SerializableErrorInfo | None) -> bool:
    while error is not None:
        if error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
            return True
        error = error.cause
    return False


def _speaks(error: SerializableErrorInfo) -> bool:
    return error.cls_name in _OWN_WORDS or bool(_trouble(error))


def _trouble(error: SerializableErrorInfo) -> str:
    """The machine's trouble that an error is about, a key of ``_REMEDIES``; empty if none."""
    if error.cls_name in ("MemoryError", "_ArrayMemoryError"):
        return "memory"
    number = re.search(r"\[Errno (\d+)\]", error.message) if error.cls_name in _OS_ERRORS else None
    return errno.errorcode.get(int(number[1]), "") if number and int(number[1]) in _NUMBERS else ""


_OWN_WORDS = ("InputError", "Failure")
"""Errors whose message says everything."""
_OS_ERRORS = ("OSError", "PermissionError")
_LESS = "use smaller settings, or let fewer steps run at once"
_REMEDIES = {
    "memory": f"the machine has too little memory for it: {_LESS}",
    "ENOSPC": "the disk, or /dev/shm, is full: free some space",
    "EDQUOT": "the quota of the disk is used up: free some space",
    "EROFS": "the file system is read-only: set ALSOBOUGHT_STORE and ALSOBOUGHT_HOME to folders that can be written to",
    "EACCES": "the account that runs this may not write or read it: change its owner or its mode",
}
_NUMBERS = {getattr(errno, name) for name in _REMEDIES if name.startswith("E")}


@dg.logger(
    config_schema={"log_level": dg.Field(str, default_value="INFO", is_required=False)},
    description="One short line per message on standard error.",
)
def console(init_context: dg.InitLoggerContext) -> logging.Logger:
    """A logger that prints short lines; Dagster's own events are at DEBUG level and stay out by default."""
    logger = logging.Logger("alsobought", level=init_context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ShortFormatter())
    handler.addFilter(_says_something)
    logger.addHandler(handler)
    return logger
