"""A bucket on moto's server, which is another process; the credentials are in the environment."""

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3fs import S3FileSystem
from upath import UPath

from tests.browser import free_port


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """A fresh bucket; yields its address. Files of a bucket are cached below ``folder``."""
    monkeypatch = pytest.MonkeyPatch()
    pytest.importorskip("moto", reason="the extra 'dev' installs it")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address, "TMPDIR": str(folder),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", None)
    # Clients are kept by their arguments, among which this server's address is not: those of an earlier server of this
    # process would be used again.
    S3FileSystem.clear_instance_cache()
    with (folder / "moto.log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not _answers(address):
            assert running.poll() is None and time.monotonic() < deadline, (folder / "moto.log").read_text()
            time.sleep(0.1)
        name = f"alsobought-{port}"
        UPath(f"s3://{name}").fs.mkdir(name)
        yield f"s3://{name}"
    finally:
        running.terminate()
        running.wait(20)
        monkeypatch.undo()
        S3FileSystem.clear_instance_cache()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
