"""The process of a step, which must not outlive its run."""

import multiprocessing
import os
import signal
import threading
from typing import Any


def end_with_run() -> None:
    """Have this step's process killed when its run's process is gone.

    Otherwise it would continue beside the run that takes over. Only a process that multiprocessing started for a step
    is affected. The kernel's signal at the death of a parent does not help: the parent is multiprocessing's fork
    server, which lives as long as any step, because each step holds an end of its pipe. The pipe between a step and its
    run is closed with the run.
    """
    run = multiprocessing.parent_process()
    if run is not None:
        threading.Thread(target=_die_after, args=(run,), name="end with run", daemon=True).start()


def _die_after(run: Any) -> None:
    run.join()
    os.kill(os.getpid(), signal.SIGKILL)
