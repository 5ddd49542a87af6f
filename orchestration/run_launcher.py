"""The run launcher that dagster.yaml names."""

import dagster as dg

from orchestration.dagster_internals import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from orchestration.pools import make_pool
from orchestration.runs.monitoring import host_tags, is_dead
from orchestration.runs.queue import requeue


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, which also tells the daemon's run monitoring when the process of a run is gone."""

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        if requeue(self._instance, run):
            return
        make_pool(self._instance)
        self._instance.add_run_tags(run.run_id, host_tags())
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if is_dead(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
