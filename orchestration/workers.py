"""Which runs still have a process, and ending those that have lost theirs.

Belongs here: telling a run that works from one whose process was killed, on this machine. Does not belong here:
starting runs (Dagster does) and what a step leaves behind (``core.store``, ``core.checkpoint``). Dagster's own launcher
cannot tell, so after a kill -9 or a power cut a run would stay "started" for ever, and keep its pool slots and its
place in the queue.
"""

import socket
import time

import dagster as dg
import psutil
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus

HOST_TAG = "alsobought/host"
"""Tag of a run: the machine its process is on; no other machine can say whether that lives."""

_START_SECONDS = 60.0
"""A run younger than this may not have told its process yet."""
_UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def here() -> dict[str, str]:
    """Tags of a run whose process is on this machine."""
    return {HOST_TAG: socket.gethostname()}


def is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """True if the run's process was on this machine and is gone; False when it lives or cannot be known."""
    if run.tags.get(HOST_TAG) != socket.gethostname():
        return False
    started = None
    for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = record.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event and event.step_key is None else None
        if pid is not None:
            started = record.timestamp
            if _lives(int(str(pid.value)), started):
                return False
    if started is None:
        stored = instance.get_run_record_by_id(run.run_id)
        return stored is not None and time.time() - stored.create_timestamp.timestamp() > _START_SECONDS
    return True


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report the dead runs of this machine as failed and free their pool slots; their ids."""
    dead = [run for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)) if is_dead(instance, run)]
    for run in dead:
        instance.report_run_failed(run, "The run's process is gone: it was killed, or the machine went down.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, whose runs the daemon's run monitoring finds when their process is gone."""

    def launch_run(self, context: LaunchRunContext) -> None:
        self._instance.add_run_tags(context.dagster_run.run_id, here())
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if is_dead(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _lives(pid: int, since: float) -> bool:
    """Whether the process that had this number at ``since`` (seconds since the epoch) still has it."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since + 1.0
    except psutil.NoSuchProcess:
        return False
