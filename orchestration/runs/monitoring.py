"""Find runs whose process is gone, and report them as failed.

Dagster's own launcher cannot tell. After a `kill -9` or a power cut, a run would stay "started" for ever and keep its
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

IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
"""Statuses of the runs that occupy a place in the queue."""
HOST_TAG = "alsobought/host"
"""Run tag that names the machine of the run's process by machine id and boot. Only that machine can tell whether the
process is alive."""
PROCESS_TAG = "alsobought/process"
"""Run tag that identifies the run's process as soon as it is known; see :mod:`core.process_identity`."""

_START_SECONDS = 60.0
"""A run younger than this may not have reported its process yet."""
_HAVE_PROCESS = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


def host_tags() -> dict[str, str]:
    """The tags of a run whose process is on this machine."""
    host = {name: value for name, value in this_process().items() if name not in ("pid", "started")}
    return {HOST_TAG: json.dumps(host | {"name": socket.gethostname()}, sort_keys=True)}


def process_tags(run_id: str, identity: Mapping[str, Any]) -> dict[str, str]:
    """The tags that identify a run's process. They also name the run, because the UI copies the tags of a run that
    somebody runs again."""
    return {PROCESS_TAG: json.dumps({**identity, "run": run_id}, sort_keys=True)}


def tags_of_this_process(run_id: str) -> dict[str, str]:
    """The tags of a run that is executed by this process."""
    return host_tags() | process_tags(run_id, this_process())


def is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Return True if the run's process was on this machine and is gone, and False if it is alive or cannot be known."""
    process = _parsed(run.tags.get(PROCESS_TAG))
    is_known = process.get("run") == run.run_id
    if not is_known and run.status not in _HAVE_PROCESS:
        return False  # it has no process yet; Dagster itself limits how long a launched run may take to start
    is_here = _is_this_host(_parsed(run.tags.get(HOST_TAG)))
    if is_here is not True:
        return is_here is False  # the machine was restarted since
    if is_known:
        return is_alive(process) is False
    reported = None
    for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = record.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event and event.step_key is None else None
        if pid is not None:
            reported = record.timestamp
            if _is_running(int(str(pid.value)), reported):
                # From now on the process is known by its start on the machine's own counter. The clock that stamps
                # events may be set to another time.
                identity = identity_of(int(str(pid.value))) or {}
                instance.add_run_tags(run.run_id, process_tags(run.run_id, identity))
                return False
    if reported is None:
        stored = instance.get_run_record_by_id(run.run_id)
        return stored is not None and time.time() - stored.create_timestamp.timestamp() > _START_SECONDS
    return True


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report the dead runs of this machine as failed and free their pool slots; return their ids."""
    dead = [run for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS)) if is_dead(instance, run)]
    for run in dead:
        instance.report_run_failed(run, "The run's process is gone: it was killed, or the machine went down.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


def _is_this_host(host: dict[str, Any]) -> bool | None:
    """Return True if this machine can look up the host's processes, False if the host no longer exists, and None if it
    is another machine.

    The host's name is used in one case only: a restarted container has other process numbers but the same name.
    """
    own = this_process()
    same = is_alive(own | {name: value for name, value in host.items() if name in own} if host else {})
    if same is None and host.get("machine") == own["machine"] and host.get("name") == socket.gethostname():
        return False
    return same


def _parsed(tag: str | None) -> dict[str, Any]:
    try:
        content = json.loads(tag or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _is_running(pid: int, since: float) -> bool:
    """Whether the process that had this number at ``since`` (seconds since the epoch) still has it."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since + 1.0
    except psutil.NoSuchProcess:
        return False
