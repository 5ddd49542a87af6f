"""The pool of the steps that use the torch device.

This module imports nothing that reads categories.yaml, because the daemon has to start even if that file is wrong.
"""

import contextlib

import dagster as dg

GPU_POOL = "gpu"
"""Pool of the steps that train on the torch device; dagster.yaml limits how many may do so at once."""


def make_pool(instance: dg.DagsterInstance) -> None:
    """Create the pool before its first use.

    If two runs used it for the first time at once, PostgreSQL would refuse the second one's statement ("current
    transaction is aborted", dagster 1.13), and that run would fail.
    """
    from sqlalchemy.exc import DBAPIError

    storage = instance.event_log_storage
    if GPU_POOL not in {pool.name for pool in storage.get_pool_limits()}:
        with contextlib.suppress(DBAPIError):  # another run has just created it
            storage.initialize_concurrency_limit_to_default(GPU_POOL)
