"""The pool of the steps that use the torch device.

Nothing that reads categories.yaml is imported: the daemon has to start whatever is wrong with that.
"""

import contextlib

import dagster as dg

GPU_POOL = "gpu"
"""Pool of the steps that train on the torch device; dagster.yaml says how many may do so at once."""


def make_pool(instance: dg.DagsterInstance) -> None:
    """Make the pool before its first use: where two runs come to that at once, PostgreSQL refuses what Dagster does
    when the other was first ("current transaction is aborted", dagster 1.13), and a run fails."""
    from sqlalchemy.exc import DBAPIError

    storage = instance.event_log_storage
    if GPU_POOL not in {pool.name for pool in storage.get_pool_limits()}:
        with contextlib.suppress(DBAPIError):  # another run has just made it
            storage.initialize_concurrency_limit_to_default(GPU_POOL)
