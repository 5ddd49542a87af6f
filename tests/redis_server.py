"""A Redis server of the tests' own: in a temporary folder, on a free port, ended afterwards."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.browser import free_port


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A fresh server that stores nothing on disk; yields its URL."""
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("no Redis server on this machine: redis-server is missing (Debian: apt-get install redis-server)")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            lines = []
            for line in running.stdout:
                lines.append(line)
                if "Ready to accept connections" in line:
                    break
            else:
                raise AssertionError("".join(lines))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            running.kill()
            running.wait(20)
            running.stdout.close()
