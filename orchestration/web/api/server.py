"""Serves the API on a port, with one worker or several."""

import gc
import ipaddress
import logging
import os
import socket
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from core import paths
from core.errors import InputError
from core.untrusted.hosts import spelled_address
from orchestration.web.host_names import VARIABLE, hosts

if TYPE_CHECKING:
    from starlette.applications import Starlette

CATEGORY = "ALSOBOUGHT_API_CATEGORY"
"""Environment variable by which workers learn the only category that they serve."""
_DRAIN_SECONDS = 30
_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep idle connections (nginx: 60 s), so that the API never closes one that a proxy is using."""
_HUNG_SECONDS = 60
"""A worker that gives no sign of life for so long is replaced; on a busy machine a worker may wait for seconds."""
MAX_WORKERS = 256
_POLL_SECONDS = 1.0
_BUCKET_POLL_SECONDS = 15.0
"""A look at a bucket is a few requests that cost time and money."""


def serve(host: str, port: int, workers: int, category: str | None) -> int:
    """Serve until SIGTERM or Ctrl-C; requests that have begun are answered before.

    Args:
        host: address or name to listen at.
        port: 0 for any free one.
        workers: number of processes.
        category: the only category that is served; None for all.

    Returns:
        Exit status.

    Raises:
        InputError: the server would be reachable from elsewhere without a token, or a value is not possible.
        OSError: the port is not free.
    """
    from orchestration.web.api.gate import TOKEN, token

    if not 0 <= port <= 65535:
        raise InputError(f"--port must be between 0 and 65535, not {port}")
    if not 1 <= workers <= MAX_WORKERS:
        raise InputError(f"--workers must be between 1 and {MAX_WORKERS}, not {workers}")
    hosts(os.environ.get(VARIABLE, ""))  # raises InputError here instead of in every worker
    if token() is None and not is_loopback(host):
        raise InputError(
            f"--host {host} is reachable from other machines, so requests must bear a token: set {TOKEN}, or leave "
            "--host out to serve this machine only"
        )
    if category is not None:
        os.environ[CATEGORY] = category
    with _listen(host, port) as listening:
        address = listening.getsockname()
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        print(f"serving http://{shown}:{address[1]} with {workers} worker{'s' * (workers > 1)}", file=sys.stderr)
        return _run(listening, workers)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a server at this address or name."""
    address = spelled_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _listen(host: str, port: int) -> socket.socket:
    # Resolved first, so that "localhost" is an address of the family that this machine uses.
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InputError(f"--host {host!r} is not a host of this machine: {error}") from error
    family, _, _, _, address = found[0]
    if host.lower() == "localhost" and not ipaddress.ip_address(str(address[0])).is_loopback:
        raise InputError("--host localhost does not name this machine here; use 127.0.0.1")
    return socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG)


def _run(listening: socket.socket, workers: int) -> int:
    import uvicorn

    config = uvicorn.Config(
        "orchestration.web.api.server:create_worker", factory=True, workers=workers, access_log=False,
        server_header=False, log_config=_LOGS, timeout_graceful_shutdown=_DRAIN_SECONDS, backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS, timeout_worker_healthcheck=_HUNG_SECONDS,
    )  # fmt: skip
    try:
        if workers == 1:
            server = uvicorn.Server(config)
            server.run(sockets=[listening])
            return 0 if server.started else 1
        from uvicorn.supervisors import Multiprocess

        with tempfile.TemporaryDirectory(prefix="alsobought-metrics-") as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            Multiprocess(config, [listening]).run()
        return 0
    except KeyboardInterrupt:  # uvicorn raises the signal again once it has answered what had begun
        return 0


def create_worker() -> "Starlette":
    """The application of one worker, with everything from the environment."""
    from core.serving.versions import Versions
    from core.store import Store
    from orchestration.web.api import metrics
    from orchestration.web.api.app import create
    from orchestration.web.api.gate import token
    from orchestration.web.api.preparing import in_child

    store = Store(paths.store_root())
    is_bucket = getattr(store.root, "protocol", "") not in ("", "file", "local")
    versions = Versions(store, paths.serving_dir(), in_child, os.environ.get(CATEGORY) or None, metrics.refused)
    seconds = _BUCKET_POLL_SECONDS if is_bucket else _POLL_SECONDS
    app = create(versions, token(), hosts(os.environ.get(VARIABLE, "")), seconds)
    gc.collect()
    gc.freeze()  # what exists now stays, so no collection looks at it again
    return app


_LOGS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": level, "propagate": False}
        for name, level in (
            ("uvicorn", logging.WARNING), ("core", logging.INFO), ("orchestration", logging.INFO),
        )
    },
}  # fmt: skip
