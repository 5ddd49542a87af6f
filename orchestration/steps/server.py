"""The server that the processes of a run's steps are forked from.

This module does not import Dagster, so that the server can be started before Dagster is loaded.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Collection, Sequence
from multiprocessing import forkserver

import psutil

BASIC = ["orchestration.steps.preload"]
"""Modules that the server imports for every run."""
COMPLETE = [*BASIC, "orchestration.steps.preload_models"]
"""Modules that it imports for a run of all assets."""
_WITHOUT_MODELS = {"catalog", "pairs", "graph", "leaderboard"}
"""Groups of ``core.stages`` whose steps need neither torch nor scikit-learn. The few that need Numba import it."""


def preload_modules(assets: Collection[str]) -> list[str]:
    """The modules that the server imports for a run of these assets, or of a job without assets."""
    from core.stages import stages

    groups = {stage.group for name, stage in stages().items() if name in assets}
    return BASIC if groups <= _WITHOUT_MODELS else COMPLETE


def start(modules: Sequence[str]) -> None:
    """Start the server and return at once, so that it imports the modules while this process does something else.

    Otherwise the executor starts it when the run's first step is due. A server that is already there is left as it is.
    Steps see the environment as it is now.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(modules))
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
