"""Serve Dagster's UI behind :class:`orchestration.web.guard.WebGuard`, on this machine's own address only.

``python -m orchestration.web.server --workspace workspace.yaml --port 3000``. ``dagster-webserver`` and ``dagster dev``
have no such layer.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

from core.errors import InputError
from orchestration.web.guard import WebGuard
from orchestration.web.host_names import VARIABLE, hosts

ADDRESS = "127.0.0.1"


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal arrives; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", required=True, help="path of workspace.yaml")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args(argv)
    try:
        known = hosts(os.environ.get(VARIABLE, ""))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _serve(arguments.workspace, arguments.port, known)
    return 0


def _serve(workspace: str, port: int, known: list[str]) -> None:
    # The same as the command `dagster-webserver` does after reading its options (dagster_webserver.cli, 1.13).
    import dagster as dg
    import uvicorn
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.cli import DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_MAX_OVERFLOW, DEFAULT_POOL_RECYCLE
    from dagster_webserver.version import __version__

    from orchestration.dagster_internals import WorkspaceFileTarget, WorkspaceProcessContext, configure_loggers

    configure_loggers(log_level="INFO")
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        target = WorkspaceFileTarget(paths=[workspace])
        with WorkspaceProcessContext(instance, version=__version__, workspace_load_target=target) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=2000, lifespan=_lifespan)
            uvicorn.run(WebGuard(app, known), host=ADDRESS, port=port, log_level="warning")


@contextlib.asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:
    with contextlib.suppress(asyncio.CancelledError):  # uvicorn cancels it at Ctrl-C
        yield


if __name__ == "__main__":
    sys.exit(main())
