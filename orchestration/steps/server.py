"""The server that the processes of a run's steps are forked from.

This module does not import Dagster, so that the server can be started before Dagster is loaded.
"""

import contextlib
import multiprocessing
import signal
from multiprocessing import forkserver

import psutil

PRELOAD = ["orchestration.steps.preload"]


def start() -> None:
    """Start the server and return at once, so that it loads on one core while this process loads Dagster on another.

    Otherwise the executor starts it when the run's first step is due. Steps see the environment as it is now.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
    # A terminal sends Ctrl-C to all of its processes. Steps get it from their run, and a server that is still loading
    # would print a stack trace. So it is started with the signal ignored, and it keeps ignoring it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def stop() -> None:
    """End the server and every step with SIGKILL, which artefacts and checkpoints survive."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [psutil.Process(pid)] if pid else []
        for process in [*family, *(child for server in family for child in server.children(recursive=True))]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
