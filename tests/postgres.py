"""A PostgreSQL server of the tests' own: in a temporary folder, on a free port, ended afterwards."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.browser import free_port


def _binary(name: str) -> str:
    """Debian keeps the server's programs out of the PATH."""
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    if not found:
        pytest.skip(f"no PostgreSQL server on this machine: {name} is missing (Debian: apt-get install postgresql)")
    return found


def url(variables: dict[str, str], password: str = "not asked for") -> str:
    """The URL of a server's database."""
    user, port = variables["DAGSTER_PG_USER"], variables["DAGSTER_PG_PORT"]
    return f"postgresql://{user}:{quote(password)}@127.0.0.1:{port}/{variables['DAGSTER_PG_DB']}"


@contextlib.contextmanager
def server(fsync: str = "off") -> Iterator[dict[str, str]]:
    """A fresh server; yields the variables that ``orchestration/deploy/dagster.postgres.yaml`` names."""
    initdb, pg_ctl = _binary("initdb"), _binary("pg_ctl")
    # A short path: the server's socket lies in it, and its name may have about 100 characters. Root may not start
    # the server, so then the account does that Debian's package made for it.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    account = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    more = {"cwd": folder, "check": True, "capture_output": True, "timeout": 60} | account
    data, port = folder / "data", free_port()
    try:
        subprocess.run([initdb, "-D", data, "-U", "alsobought", "-A", "trust", "--no-sync", "-E", "UTF8"], **more)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync={fsync}"
        subprocess.run([pg_ctl, "-D", data, "-w", "-l", folder / "log", "-o", options, "start"], **more)
        try:
            yield {
                "DAGSTER_PG_HOST": "127.0.0.1",
                "DAGSTER_PG_PORT": str(port),
                "DAGSTER_PG_USER": "alsobought",
                "DAGSTER_PG_PASSWORD": "not asked for",
                "DAGSTER_PG_DB": "postgres",
            }
        finally:
            subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], **more)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
