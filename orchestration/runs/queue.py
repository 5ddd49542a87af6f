"""Let only one run of a category execute at a time, whether it was launched by Dagster or started in a terminal.

Dagster's queue sees a terminal's run as soon as it is in progress, and a terminal waits for every run that is. What
remains is that both start at the same moment. Each of them therefore first stores that it starts and then looks for
others, so that at least one of them sees the other. A launched run that sees a terminal's run goes back to the queue.
A terminal's run gives way to a run that is executing or that was created before it.
"""

import time
from collections.abc import Callable

import dagster as dg

from orchestration.runs.monitoring import IN_PROGRESS, fail_dead_runs

_PARTITION = "dagster/partition"
_POLL_SECONDS = 1.0


def create_run_in_turn(
    instance: dg.DagsterInstance,
    category: str,
    create_run: Callable[[], dg.DagsterRun],
    say: Callable[[str], None],
    poll_seconds: float = _POLL_SECONDS,
) -> dg.DagsterRun:
    """Wait until no run of the category is in progress, then create one that is.

    Args:
        instance: stores the runs.
        category: the partition.
        create_run: stores the run with a status of ``IN_PROGRESS``; it is called again if another run came first.
        say: receives a line for each run that is waited for.
        poll_seconds: time between two looks at the instance.
    """
    announced = ""
    while True:
        if not (ahead := _in_progress(instance, category)):
            run = create_run()
            [own] = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
            if not any(_goes_first(other, own) for other in _in_progress(instance, category, run.run_id)):
                return run
            instance.delete_run(run.run_id)
            continue
        first = ahead[0].dagster_run.run_id
        if first != announced:
            say(f"Waiting for run {first} of {category}, which is in progress. Press Ctrl-C to stop waiting.")
            announced = first
        time.sleep(poll_seconds)


def requeue(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Put a run that is about to be launched back into the queue if a terminal's run of its category is in progress.

    Returns:
        Whether it was put back.
    """
    category = run.tags.get(_PARTITION)
    if category is None or not isinstance(instance.run_coordinator, dg.QueuedRunCoordinator):
        return False
    ahead = [other.dagster_run for other in _in_progress(instance, category, run.run_id)]
    of_terminals = [other for other in ahead if other.remote_job_origin is None]
    if not of_terminals:
        return False
    instance.report_engine_event(f"Run {of_terminals[0].run_id} of {category} has just started in a terminal.", run)
    instance.report_dagster_event(dg.DagsterEvent.job_enqueue(run), run_id=run.run_id)
    return True


def _goes_first(other: dg.RunRecord, own: dg.RunRecord) -> bool:
    return other.dagster_run.status != dg.DagsterRunStatus.STARTING or other.storage_id < own.storage_id


def _in_progress(instance: dg.DagsterInstance, category: str, besides: str = "") -> list[dg.RunRecord]:
    """Runs of the category that are in progress and have a living process, the oldest first."""
    fail_dead_runs(instance)
    filters = dg.RunsFilter(statuses=IN_PROGRESS, tags={_PARTITION: category})
    records = instance.get_run_records(filters, ascending=True)
    return [record for record in records if record.dagster_run.run_id != besides]
