"""Which runs still have a process, and ending those that have lost theirs.

Dagster's own launcher cannot tell, so after a kill -9 or a power cut a run would stay "started" for ever, and keep its
pool slots and its place in the queue.
"""

import json
import socket
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import psutil

from core.process_identity import identity_of, is_alive, this_process
from orchestration import run_queue as turns
from orchestration.dagster_internals import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from orchestration.pools import make_pool

HOST_TAG = "alsobought/host"
"""Tag of a run: the machine its process is on, by machine id and boot; no other machine can say whether that lives."""
PROCESS_TAG = "alsobought/process"
"""Tag of a run: its process, once that is known; see :mod:`core.process_identity`."""

_START_SECONDS = 60.0
"""A run younger than this may not have told its process yet."""
_HAVE_PROCESS = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


def here() -> dict[str, str]:
    """Tags of a run whose process is on this machine."""
    place = {name: value for name, value in this_process().items() if name not in ("pid", "started")}
    return {HOST_TAG: json.dumps(place | {"name": socket.gethostname()}, sort_keys=True)}


def process_tag(run_id: str, identity: Mapping[str, Any]) -> dict[str, str]:
    """The tag that names a run's process, and the run: who runs one again in the UI copies the tags of the first."""
    return {PROCESS_TAG: json.dumps({**identity, "run": run_id}, sort_keys=True)}


def this_run(run_id: str) -> dict[str, str]:
    """Tags of a run whose process is this one."""
    return here() | process_tag(run_id, this_process())


def is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """True if the run's process was on this machine and is gone; False when it lives or cannot be known."""
    process = _read(run.tags.get(PROCESS_TAG))
    known = process.get("run") == run.run_id
    if not known and run.status not in _HAVE_PROCESS:
        return False  # it has none yet; Dagster has a time limit for the start of a run that it launches
    same = _is_here(_read(run.tags.get(HOST_TAG)))
    if same is not True:
        return same is False  # the machine was started anew since
    if known:
        return is_alive(process) is False
    started = None
    for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = record.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event and event.step_key is None else None
        if pid is not None:
            started = record.timestamp
            if _lives(int(str(pid.value)), started):
                # From now on by its start in the machine's own count: this clock's times are moved when it is set.
                identity = identity_of(int(str(pid.value))) or {}
                instance.add_run_tags(run.run_id, process_tag(run.run_id, identity))
                return False
    if started is None:
        stored = instance.get_run_record_by_id(run.run_id)
        return stored is not None and time.time() - stored.create_timestamp.timestamp() > _START_SECONDS
    return True


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report the dead runs of this machine as failed and free their pool slots; their ids."""
    dead = [run for run in instance.get_runs(dg.RunsFilter(statuses=turns.UNDER_WAY)) if is_dead(instance, run)]
    for run in dead:
        instance.report_run_failed(run, "The run's process is gone: it was killed, or the machine went down.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Dagster's launcher, whose runs the daemon's run monitoring finds when their process is gone."""

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        if turns.put_back(self._instance, run):
            return
        make_pool(self._instance)
        self._instance.add_run_tags(run.run_id, here())
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if is_dead(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _is_here(place: dict[str, Any]) -> bool | None:
    """Whether processes of a place can be looked up here: True; False if the place is no more; None if it is another.

    The host's name counts for one thing only: a container that was started anew has other process numbers, and is known
    by keeping its name.
    """
    own = this_process()
    same = is_alive(own | {name: value for name, value in place.items() if name in own} if place else {})
    if same is None and place.get("machine") == own["machine"] and place.get("name") == socket.gethostname():
        return False
    return same


def _read(tag: str | None) -> dict[str, Any]:
    try:
        found = json.loads(tag or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _lives(pid: int, since: float) -> bool:
    """Whether the process that had this number at ``since`` (seconds since the epoch) still has it."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since + 1.0
    except psutil.NoSuchProcess:
        return False
