"""Serve the Dagster UI, its daemon and the explorer together, and stop all of them together."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from core import paths
from orchestration.web import host_names

_START_SECONDS = 90.0
_STOP_SECONDS = 15.0


def serve(ui_port: int, explorer_port: int, work: Callable[[], int] | None = None) -> int:
    """Start webserver, daemon and explorer, print their addresses and wait for Ctrl-C or SIGTERM.

    Args:
        ui_port, explorer_port: ports; the next free one is taken if another process uses it.
        work: what is done as soon as the servers answer, such as a run, which people can then watch. Its errors, and
            Ctrl-C while it goes on, stop the servers and reach the caller.

    Returns:
        After an orderly stop, the status of the work, 0 without any; 1 if a server failed to start or ended by itself.
    """
    ui_port, explorer_port = _free(ui_port), _free(explorer_port)
    logs = paths.home() / ".dagster" / "server-logs"
    logs.mkdir(parents=True, exist_ok=True)
    # SIGINT too, because a shell starts background jobs with that signal ignored, and children would inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _as_interrupt)
    _create_tables()
    children: dict[str, subprocess.Popen[bytes]] = {}
    working, status = False, 0
    addresses = {
        "dagster-webserver": f"http://127.0.0.1:{ui_port}",
        "explorer": f"http://127.0.0.1:{explorer_port}",
    }
    # The explorer links to the UI that is started here, unless people reach the UI under another address.
    environment = {"ALSOBOUGHT_DAGSTER_URL": addresses["dagster-webserver"]} | os.environ
    try:
        for name, command in _commands(ui_port, explorer_port).items():
            with (logs / f"{name}.log").open("wb") as log:
                # A session of its own: Ctrl-C reaches only this process, which then stops the children in order.
                children[name] = subprocess.Popen(
                    command,
                    cwd=paths.home(),
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        health = {"dagster-webserver": "/server_info", "explorer": "/_stcore/health"}
        for name, address in addresses.items():
            if not _answers(address + health[name], children):
                print(f"{name} did not start; see its log, {logs / name}.log", file=sys.stderr)
                return 1
        where = f"\n  Dagster UI  {addresses['dagster-webserver']}\n  Explorer    {addresses['explorer']}\n"
        print(where, flush=True)
        if work is not None:
            print("Both fill while the run goes on. Press Ctrl-C to stop everything.\n", flush=True)
            working = True
            status = work()
            working = False
            print(where, flush=True)
        print("Press Ctrl-C to stop everything.", flush=True)
        return _watch(children, logs) or status
    except KeyboardInterrupt:
        if working:
            raise
        return status
    finally:
        _stop(children)


def _create_tables() -> None:
    """Create the instance's tables if they do not exist.

    Otherwise the webserver and the daemon, which start together, would both create them, and Dagster cannot use the
    result ("alembic_version has more than one head").
    """
    from orchestration.command import foreground
    from orchestration.pools import make_pool

    with foreground.instance() as instance:
        make_pool(instance)
        instance.event_log_storage.get_concurrency_run_ids()
        instance.all_instigator_state()


def _commands(ui_port: int, explorer_port: int) -> dict[str, list[str]]:
    bin_dir = Path(sys.executable).parent
    known = host_names.hosts(os.environ.get(host_names.VARIABLE, ""))
    workspace = str(paths.home() / "workspace.yaml")
    app = str(Path(__file__).resolve().parents[2] / "explorer" / "app.py")
    return {
        # Never `dagster-webserver` itself: any web page could start runs through its port.
        "dagster-webserver": [
            sys.executable, "-m", "orchestration.web.server", "--workspace", workspace, "--port", str(ui_port),
        ],
        "dagster-daemon": [str(bin_dir / "dagster-daemon"), "run", "-w", workspace],
        "explorer": [
            sys.executable, "-m", "streamlit", "run", app, f"--server.port={explorer_port}",
            "--server.address=127.0.0.1", "--server.headless=true", "--browser.gatherUsageStats=false",
            # The same values as in .streamlit/config.toml, which is absent outside the project's folder.
            "--server.enableCORS=true", "--server.enableXsrfProtection=true", "--server.enableAgentApi=false",
            *(f"--server.allowedHosts={name}" for name in _without_port([*host_names.LOCAL, *known])),
        ],
    }  # fmt: skip


def _without_port(names: list[str]) -> list[str]:
    """The hosts as Streamlit compares them, without port and brackets."""
    return [re.sub(r":\d+$", "", name).strip("[]") for name in names]


def _as_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _free(port: int) -> int:
    """``port``, or the next port that no other process uses."""
    for candidate in range(port, port + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                return candidate
    raise OSError(f"all ports from {port} to {port + 99} are in use; choose another with --ui-port or --explorer-port")


def _answers(address: str, children: dict[str, subprocess.Popen[bytes]]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and all(child.poll() is None for child in children.values()):
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
            if answer.status == 200:
                return True
        time.sleep(0.3)
    return False


def _watch(children: dict[str, subprocess.Popen[bytes]], logs: Path) -> int:
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                print(
                    f"{name} ended by itself with status {child.returncode}; see its log, {logs / name}.log",
                    file=sys.stderr,
                )
                return 1
        time.sleep(0.5)


def _stop(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask each child's process group to end, then kill what is left: the UI and the daemon have children too."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for child in children.values():
        _signal(child, signal.SIGINT)
    deadline = time.monotonic() + _STOP_SECONDS
    for child in children.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.1, deadline - time.monotonic()))
    for child in children.values():
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)
