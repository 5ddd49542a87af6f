"""Execute a run in this process and report it on the terminal."""

import contextlib
import os
import re
import sys
import threading
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from core.errors import InputError
from orchestration.dagster_internals import execute_run_iterator
from orchestration.pools import make_pool
from orchestration.runs.failures import FailureReporter
from orchestration.runs.monitoring import tags_of_this_process
from orchestration.runs.queue import create_run_in_turn
from orchestration.steps import server as step_server

_STOP_SECONDS = 10.0
"""Time that steps have to end by themselves after Ctrl-C. A step in compiled code does not notice it."""


@contextlib.contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """Open Dagster's instance. Raises InputError if it cannot be opened."""
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(dg.DagsterInstance.get())
            opened.get_runs(limit=1)
        except Exception as error:  # from Dagster, a database's client or the system
            raise InputError(
                f"Dagster's storage, which dagster.yaml in {os.getenv('DAGSTER_HOME')} names, cannot be used: "
                f"{_cause(error)}; correct that, or set DAGSTER_HOME to a folder with a dagster.yaml in which you may "
                "write"
            ) from error
        yield opened


def _cause(error: BaseException) -> str:
    """The cause of an error in one line: the setting that is wrong, or the message of the database's client."""
    while error.__cause__ is not None:
        error = error.__cause__
    if variable := re.search(
        r'the environment variable ("\w+") which is not set', str(error) + str(getattr(error, "errors", ""))
    ):
        return f"the environment variable {variable[1]} is not set"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")


def run(opened: dg.DagsterInstance, category: str, assets: Iterable[dg.AssetKey], folding: bool = False) -> bool:
    """Run a category's job for these assets as soon as no other run of the category is in progress.

    Args:
        opened: Dagster's instance.
        category: the partition.
        assets: what is made.
        folding: whether the final models are folded in instead of trained.

    Returns:
        Whether the run succeeded.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C; the run is stored as canceled.
    """
    make_pool(opened)
    job = dg.reconstructable(fold_in_job if folding else rebuild_job)
    definition, selection = job.get_definition(), frozenset(assets)

    def create_run() -> dg.DagsterRun:
        run_id = str(uuid.uuid4())
        dagster_run = opened.create_run_for_job(
            job_def=definition,
            run_id=run_id,
            status=dg.DagsterRunStatus.STARTING,
            tags={**definition.run_tags, "dagster/partition": category, **tags_of_this_process(run_id)},
            run_config={"loggers": {"console": {}}},  # the short lines of orchestration.loggers
            asset_selection=selection,
            job_code_origin=job.get_python_origin(),
        )
        starting = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, dagster_run.job_name)
        opened.report_dagster_event(starting, run_id=dagster_run.run_id)  # its time is read by the daemon's monitoring
        return dagster_run

    dagster_run = create_run_in_turn(opened, category, create_run, say)
    try:
        return _execute(opened, job, dagster_run)
    except BaseException:
        stored = opened.get_run_by_id(dagster_run.run_id)
        if stored is not None and not stored.is_finished:
            opened.report_run_canceled(stored)
        raise


def _execute(opened: dg.DagsterInstance, job: Any, dagster_run: dg.DagsterRun) -> bool:
    failures, interrupted, success = FailureReporter(), False, False
    killer = threading.Timer(_STOP_SECONDS, step_server.stop)
    try:
        for event in execute_run_iterator(job, dagster_run, opened):
            if event.is_engine_event and "received termination signal" in (event.message or "") and not interrupted:
                interrupted = True
                opened.report_run_canceling(dagster_run)  # otherwise Dagster would report the run as failed
                killer.start()
            success = success or event.event_type == dg.DagsterEventType.RUN_SUCCESS
            for text in [] if interrupted else failures.lines(event):
                say(text)
    finally:
        killer.cancel()
    if interrupted:
        raise KeyboardInterrupt
    return success


def say(text: str) -> None:
    """Print a line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def rebuild_job() -> Any:  # each step's process finds it by module and name
    from orchestration.definitions import defs

    return defs.resolve_job_def("rebuild")


def fold_in_job() -> Any:  # likewise
    from orchestration.definitions import defs

    return defs.resolve_job_def("fold_in")
