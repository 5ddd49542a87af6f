"""Only one run of a category executes at a time, also if two start at the same moment."""

from orchestration.runs import queue
from tests.orchestration.stored_runs import LAUNCHED, QUEUED, STARTED, STARTING, stored
from tests.pipeline import local_instance


def test_a_terminals_run_waits_for_a_run_of_its_category_and_says_so(tmp_path):
    with local_instance(tmp_path) as instance:
        first, second = (stored(instance, status, remote_job_origin=LAUNCHED) for status in (STARTED, STARTING))
        stored(instance, STARTED, "beta")
        stored(instance, QUEUED, remote_job_origin=LAUNCHED)  # it waits for this run, not the other way round
        lines = []

        def say(text):
            lines.append(text)
            instance.report_run_failed(first if len(lines) == 1 else second)  # ends the run that is waited for

        own = queue.create_run_in_turn(instance, "alpha", lambda: stored(instance, STARTING), say, poll_seconds=0)
        assert lines == [
            f"Waiting for run {run.run_id} of alpha, which is in progress. Press Ctrl-C to stop waiting."
            for run in (first, second)
        ]
        assert instance.get_run_by_id(own.run_id).status == STARTING


def test_of_two_terminals_at_the_same_moment_the_first_goes_and_the_other_waits(tmp_path):
    """Each creates its run before it sees the other's; the one created later gives way."""
    with local_instance(tmp_path) as instance:
        earlier, made = [], []

        def make():
            if not earlier:
                earlier.append(stored(instance, STARTING))
            made.append(stored(instance, STARTING))
            return made[-1]

        def end(text):
            instance.report_run_failed(earlier[0])

        own = queue.create_run_in_turn(instance, "alpha", make, end, poll_seconds=0)
        assert len(made) == 2 and own == made[1]
        assert instance.get_run_by_id(made[0].run_id) is None
        # The earlier run does not wait for one that was created after it.
        [first] = [r for r in instance.get_run_records() if r.dagster_run.run_id == own.run_id]
        later = stored(instance, STARTING)
        [second] = [r for r in instance.get_run_records() if r.dagster_run.run_id == later.run_id]
        assert queue._goes_first(first, second) and not queue._goes_first(second, first)
