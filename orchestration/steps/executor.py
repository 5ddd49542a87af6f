"""The executor of the runs: each step in a process of its own, forked from a server that has done the slow imports.

Otherwise every step of a run would import Dagster again, and torch if it trains a model.
"""

from typing import Any

import dagster as dg

from orchestration.dagster_internals import selected_assets
from orchestration.machine import STEPS_AT_ONCE
from orchestration.steps.server import preload_modules

_multiprocess: Any = dg.multiprocess_executor


@dg.executor(
    name=_multiprocess.name, config_schema=_multiprocess.config_schema, requirements=_multiprocess.get_requirements
)
def _forked_steps(context: dg.InitExecutorContext) -> dg.Executor:
    """Dagster's multiprocess executor; its server imports what the run's steps need, and no more."""
    modules = preload_modules(selected_assets(context.job.get_definition()))
    config = {**context.executor_config, "start_method": {"forkserver": {"preload_modules": modules}}}
    return _multiprocess.executor_creation_fn(context._replace(executor_config=config))


# Configured here, so that the run config can change nothing of it.
executor = _forked_steps.configured({"max_concurrent": STEPS_AT_ONCE})
