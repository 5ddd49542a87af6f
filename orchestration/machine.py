"""How much of the machine one step may use, so that the steps of a run together do not overload it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_STEP_GIGABYTES = 4.0
"""Memory that a step of a large category may need. Beauty's largest step takes less than 1.5 GB, and Electronics has
four times as many products and pairs."""
_MAX_STEPS = 4
_CGROUP = Path("/sys/fs/cgroup")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def cores() -> int:
    """Number of cores that this process may use, within a container's CPU quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _limit("cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def memory_gigabytes() -> float:
    """Memory of the machine, or of the container if it has less, in GiB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _limit("memory.max").strip()
    return min(total, int(limit) if limit.isdigit() else total) / 2**30


def steps_at_once(n_cores: int, gigabytes: float) -> int:
    """Number of steps that a run executes at once.

    It is two on two cores (one step reads or writes while the other computes) and grows by one for every four cores
    from twelve on, as far as memory allows.
    """
    wanted = min(_MAX_STEPS, max(min(2, n_cores), n_cores // 4))
    return max(1, min(wanted, int(gigabytes // _STEP_GIGABYTES)))


def threads_per_step(n_cores: int, steps: int) -> int:
    """Number of threads of one step: at most one per core, and for all steps together at most two per core.

    One per core for all steps together would leave cores idle while a step reads, writes or runs alone. A core that is
    shared by two computing threads loses little.
    """
    return max(1, min(n_cores, 2 * n_cores // steps))


@contextlib.contextmanager
def capped(threads: int) -> Iterator[None]:
    """Cap the thread pools of BLAS, OpenMP, Numba and torch, whether they are loaded already or will be later.

    The cap holds for the whole process, so the earlier numbers are restored at the end.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))  # read by a library when it is loaded
    # torch and Numba also keep a number of their own from when they were loaded. Asking Numba for its number would
    # start its threads, so the number is set where Numba reads it before it starts any.
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


def _limit(name: str) -> str:
    """The content of a file of the control group (version 2), or an empty text if there is no such file."""
    try:
        return (_CGROUP / name).read_text()
    except OSError:
        return ""


STEPS_AT_ONCE = steps_at_once(cores(), memory_gigabytes())
THREADS_PER_STEP = threads_per_step(cores(), STEPS_AT_ONCE)
