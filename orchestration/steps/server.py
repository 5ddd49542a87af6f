"""The server that the processes of a run's steps are forked from.

Nothing of Dagster is imported, so that it can be started before Dagster is there.
"""

import contextlib
import multiprocessing
import signal
from multiprocessing import forkserver

import psutil

PRELOAD = ["orchestration.steps.preload"]


def start() -> None:
    """Start it now, to load on one core while this process loads Dagster on another, and return at once.

    Else the executor does so when the run's first step is due. Steps see the environment as it is now.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
    # A terminal sends Ctrl-C to all of its processes. Steps hear of it from their run, and what is still loading would
    # answer with a stack trace; so it is started deaf to it, which it keeps.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def stop() -> None:
    """End it and every step with SIGKILL, which artefacts and checkpoints survive."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [psutil.Process(pid)] if pid else []
        for process in [*family, *(child for server in family for child in server.children(recursive=True))]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
