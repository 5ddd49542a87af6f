"""Whose turn it is: of one category one run works at a time, wherever it was started.

The queue sees a terminal's run as soon as it is under way, and a terminal waits for every run that is. What is left is
that both start at the same moment. Each therefore says that it starts, and then looks for others: at least one of them
sees the other. A launched run that sees a terminal's goes back to the queue; a terminal's run gives way to a run that
works, or that was made before it.
"""

import time
from collections.abc import Callable

import dagster as dg

UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_PARTITION = "dagster/partition"
_POLL_SECONDS = 1.0


def take(
    instance: dg.DagsterInstance,
    category: str,
    make: Callable[[], dg.DagsterRun],
    say: Callable[[str], None],
    poll_seconds: float = _POLL_SECONDS,
) -> dg.DagsterRun:
    """Wait until no run of the category is under way, and make one that is.

    Args:
        instance: where runs are stored.
        category: the partition.
        make: stores the run, in a state of ``UNDER_WAY``; called again if another run was first.
        say: told which run is waited for, once for each.
        poll_seconds: between two looks at the instance.
    """
    told = ""
    while True:
        if not (ahead := _others(instance, category)):
            run = make()
            [own] = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
            if not any(_goes_first(other, own) for other in _others(instance, category, run.run_id)):
                return run
            instance.delete_run(run.run_id)
            continue
        first = ahead[0].dagster_run.run_id
        if first != told:
            say(f"run {first} of {category} is under way; waiting, Ctrl-C to leave it")
            told = first
        time.sleep(poll_seconds)


def put_back(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Put a run that is about to be launched back into the queue if a terminal's run of its category is under way."""
    category = run.tags.get(_PARTITION)
    if category is None or not isinstance(instance.run_coordinator, dg.QueuedRunCoordinator):
        return False
    ahead = [other.dagster_run for other in _others(instance, category, run.run_id)]
    of_terminals = [other for other in ahead if other.remote_job_origin is None]
    if not of_terminals:
        return False
    instance.report_engine_event(f"Run {of_terminals[0].run_id} of {category} has just started in a terminal.", run)
    instance.report_dagster_event(dg.DagsterEvent.job_enqueue(run), run_id=run.run_id)
    return True


def _goes_first(other: dg.RunRecord, own: dg.RunRecord) -> bool:
    return other.dagster_run.status != dg.DagsterRunStatus.STARTING or other.storage_id < own.storage_id


def _others(instance: dg.DagsterInstance, category: str, besides: str = "") -> list[dg.RunRecord]:
    """Runs of the category that are under way and live, the oldest first."""
    from orchestration.run_launcher import end_dead_runs

    end_dead_runs(instance)
    wanted = dg.RunsFilter(statuses=UNDER_WAY, tags={_PARTITION: category})
    records = instance.get_run_records(wanted, ascending=True)
    return [record for record in records if record.dagster_run.run_id != besides]
