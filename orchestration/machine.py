"""How much of the machine one step may use, so that the steps of a run together do not overload it."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_STEP_GIGABYTES = 4.0
"""Memory that a step of a large category may need: Beauty's largest takes under 1.5 GB, Electronics has four times the
products and pairs."""
_MOST_STEPS = 4
_CGROUP = Path("/sys/fs/cgroup")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def cores() -> int:
    """Cores that this process may run on, a container's CPU quota included."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _limit("cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def memory_gigabytes() -> float:
    """Memory of the machine, or of the container if that has less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _limit("memory.max").strip()
    return min(total, int(limit) if limit.isdigit() else total) / 2**30


def steps_at_once(n_cores: int, gigabytes: float) -> int:
    """Steps that a run executes side by side: two where there are two cores (one reads or writes while the other
    computes), one more for every four cores from twelve on, and no more than memory allows."""
    wished = min(_MOST_STEPS, max(min(2, n_cores), n_cores // 4))
    return max(1, min(wished, int(gigabytes // _STEP_GIGABYTES)))


def threads_per_step(n_cores: int, steps: int) -> int:
    """Threads of one step: at most all cores, and all steps together at most two threads per core.

    Not one per core: a step that reads, writes or runs alone would leave cores idle, and a core shared by two
    threads that both compute loses little.
    """
    return max(1, min(n_cores, 2 * n_cores // steps))


@contextlib.contextmanager
def capped(threads: int) -> Iterator[None]:
    """Cap the thread pools of BLAS, OpenMP, Numba and torch, those loaded already and those still to be loaded.

    A cap holds for the whole process, so what stood before is put back.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))  # read by a library when it is loaded
    # torch and Numba also keep a number of their own, from when they were loaded. Asking Numba for its number would
    # start its threads, so it is set where Numba reads it before starting any.
    torch, numba = sys.modules.get("torch"), sys.modules.get("numba")
    torch_before = torch.get_num_threads() if torch else 0
    numba_before = numba.config.NUMBA_NUM_THREADS if numba else 0
    try:
        with threadpool_limits(threads):
            if torch:
                torch.set_num_threads(threads)
            if numba:
                numba.config.NUMBA_NUM_THREADS = threads
            yield
    finally:
        if torch:
            torch.set_num_threads(torch_before)
        if numba:
            numba.config.NUMBA_NUM_THREADS = numba_before
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end_with_run() -> None:
    """Have a step's process killed when its run is: else it would work on beside the run that takes over.

    Only in a process that multiprocessing made for a step. The system's signal at a parent's death is of no use: the
    parent is multiprocessing's fork server, which lives as long as any of the steps, because each holds an end of its
    pipe. The pipe between a step and its run is closed with the run.
    """
    run = multiprocessing.parent_process()
    if run is not None:
        threading.Thread(target=_die_after, args=(run,), name="end with run", daemon=True).start()


def _die_after(run: Any) -> None:
    run.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _limit(name: str) -> str:
    """A file of the control group (version 2), or an empty text where there is none."""
    try:
        return (_CGROUP / name).read_text()
    except OSError:
        return ""


STEPS_AT_ONCE = steps_at_once(cores(), memory_gigabytes())
THREADS_PER_STEP = threads_per_step(cores(), STEPS_AT_ONCE)
