"""The launcher that dagster.yaml names."""

from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext

from orchestration.pools import GPU_POOL
from orchestration.run_launcher import LocalRunLauncher
from tests.orchestration.stored_runs import LAUNCHED, QUEUED, STARTING, stored


def test_a_launched_run_goes_back_to_the_queue_when_a_terminal_was_first(shipped, monkeypatch):
    launched = []
    monkeypatch.setattr(DefaultRunLauncher, "launch_run", lambda self, context: launched.append(context.dagster_run))
    launcher = shipped.run_launcher
    assert isinstance(launcher, LocalRunLauncher)
    own = stored(shipped, STARTING)
    run = stored(shipped, STARTING, remote_job_origin=LAUNCHED)
    launcher.launch_run(LaunchRunContext(run, None))
    assert launched == [] and shipped.get_run_by_id(run.run_id).status == QUEUED
    shipped.report_run_failed(own)
    assert shipped.event_log_storage.get_pool_limits() == []
    launcher.launch_run(LaunchRunContext(run, None))
    assert launched == [run]
    # The pool exists before the steps of any run use it.
    assert [pool.name for pool in shipped.event_log_storage.get_pool_limits()] == [GPU_POOL]
