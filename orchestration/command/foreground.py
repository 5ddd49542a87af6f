"""A run in this process, told on the terminal."""

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
from orchestration import run_queue as turns
from orchestration.dagster_internals import execute_run_iterator
from orchestration.loggers import Failures
from orchestration.pools import make_pool
from orchestration.run_launcher import this_run
from orchestration.steps import server as step_server

_STOP_SECONDS = 10.0
"""What steps have to end by themselves after Ctrl-C: one that computes in compiled code does not hear of it."""


@contextlib.contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's instance. Raises InputError: it cannot be opened."""
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(dg.DagsterInstance.get())
            opened.get_runs(limit=1)
        except Exception as error:  # of Dagster, of a database's client, of the system
            raise InputError(
                f"Dagster's storage, by dagster.yaml in {os.getenv('DAGSTER_HOME')}, cannot be used: {_why(error)}; "
                "mend that, or set DAGSTER_HOME to a folder with a dagster.yaml that you may write to"
            ) from error
        yield opened


def _why(error: BaseException) -> str:
    """One line of what is behind an error: the setting that is wrong, or what the database's client said."""
    while error.__cause__ is not None:
        error = error.__cause__
    if found := re.search(
        r'the environment variable ("\w+") which is not set', str(error) + str(getattr(error, "errors", ""))
    ):
        return f"the environment variable {found[1]} is not set"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")


def run(opened: dg.DagsterInstance, category: str, assets: Iterable[dg.AssetKey]) -> bool:
    """Run a category's job for these assets when its turn comes; whether all went well.

    Raises:
        KeyboardInterrupt: Ctrl-C; the run is stored as canceled.
    """
    make_pool(opened)
    job = dg.reconstructable(rebuild_job)
    definition, selection = job.get_definition(), frozenset(assets)

    def make() -> dg.DagsterRun:
        run_id = str(uuid.uuid4())
        made = opened.create_run_for_job(
            job_def=definition,
            run_id=run_id,
            status=dg.DagsterRunStatus.STARTING,
            tags={**definition.run_tags, "dagster/partition": category, **this_run(run_id)},
            run_config={"loggers": {"console": {}}},  # the short lines of orchestration.loggers
            asset_selection=selection,
            job_code_origin=job.get_python_origin(),
        )
        starting = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, made.job_name)
        opened.report_dagster_event(starting, run_id=made.run_id)  # with the time, which the daemon's monitoring reads
        return made

    made = turns.take(opened, category, make, say)
    try:
        return _execute(opened, job, made)
    except BaseException:
        left = opened.get_run_by_id(made.run_id)
        if left is not None and not left.is_finished:
            opened.report_run_canceled(left)
        raise


def _execute(opened: dg.DagsterInstance, job: Any, made: dg.DagsterRun) -> bool:
    failures, interrupted, success = Failures(), False, False
    killer = threading.Timer(_STOP_SECONDS, step_server.stop)
    try:
        for event in execute_run_iterator(job, made, opened):
            if event.is_engine_event and "received termination signal" in (event.message or "") and not interrupted:
                interrupted = True
                opened.report_run_canceling(made)  # else Dagster would call the run failed
                killer.start()
            success = success or event.event_type == dg.DagsterEventType.RUN_SUCCESS
            for text in [] if interrupted else failures.told(event):
                say(text)
    finally:
        killer.cancel()
    if interrupted:
        raise KeyboardInterrupt
    return success


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def rebuild_job() -> Any:  # named by module and function in each step's process
    from orchestration.definitions import defs

    return defs.resolve_job_def("rebuild")
