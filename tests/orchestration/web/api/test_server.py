"""The server as a process: its start, several workers, new versions under load, and an orderly end."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import quote

import pytest

from core.errors import InputError
from core.recommendations.served import ASSET
from core.store import Store
from orchestration.cli import main
from orchestration.web.api.server import is_loopback, serve
from tests.conftest import ROOT
from tests.core.serving.shops import lists_of, table
from tests.orchestration.web.api.test_app import LISTS, ODD, PRODUCTS, SECRET

pytestmark = pytest.mark.slow
START = 120.0


def write(folder, lists=LISTS):
    return Store(folder / "data" / "store").write(ASSET, "shoes", lists_of(table(PRODUCTS), lists)).version


@contextlib.contextmanager
def running(folder, *options, **environment):
    """The process and the port of a server; its log goes to ``log`` in the folder."""
    command = [sys.executable, "-m", "orchestration.cli", "api", "--port", "0", *options]
    variables = os.environ | {"ALSOBOUGHT_HOME": str(folder), "PYTHONPATH": str(ROOT)} | environment
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=variables, stderr=log, cwd=folder)
    try:
        port = waited(lambda: re.search(r"serving http://\S+:(\d+)", (folder / "log").read_text()), server)[1]
        waited(lambda: answers(int(port)), server)
        yield server, int(port)
    finally:
        server.terminate()
        try:
            server.wait(60)
        finally:
            server.kill()


def waited(condition, server):
    """The first true value of a condition; polls, because the condition is in another process."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        assert server.poll() is None, "the server has ended"
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come true")


def answers(port):
    with contextlib.suppress(OSError):
        return ask(port, "/health")[0] == 200


def ask(port, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


class Load(threading.Thread):
    """Asks again and again over one connection that is kept, and notes the versions and everything that fails."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stopped, self.versions, self.failures = port, threading.Event(), [], []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.stopped.wait(0.005):  # leaves the processor to the servers
            try:
                connection.request("GET", "/v1/shoes/products/A/goes-with")
                response = connection.getresponse()
                answer = json.loads(response.read())
                items = [entry["product"] for entry in answer["items"]]
                if response.status != 200 or items not in (["B", "C", "D"], ["C"]):
                    self.failures.append(answer)
                elif answer["version"] not in self.versions[-1:]:
                    self.versions.append(answer["version"])
            except OSError as error:
                self.failures.append(error)
        connection.close()


def test_new_versions_without_a_failed_request(tmp_path):
    """Two workers under load: a damaged version is refused, the next one is taken up by both, and both stop."""
    first = write(tmp_path)
    with running(tmp_path, "--workers", "2") as (server, port):
        load = [Load(port) for _ in range(4)]
        for thread in load:
            thread.start()
        waited(lambda: all(thread.versions for thread in load), server)
        manifest = Store(tmp_path / "data" / "store").folder(ASSET, "shoes") / "manifest.json"
        whole = manifest.read_bytes()
        manifest.write_bytes(b"{")
        waited(lambda: (tmp_path / "log").read_text().count("is refused") == 2, server)
        manifest.write_bytes(whole)
        second = write(tmp_path, {"A": ["C"]})
        waited(lambda: all(thread.versions[-1] == second for thread in load), server)
        for thread in load:
            thread.stopped.set()
            thread.join(60)
        assert not [failure for thread in load for failure in thread.failures]
        # A connection stays with its worker, so each saw one change.
        assert all(thread.versions == [first, second] for thread in load)
        _, text, _ = ask(port, "/metrics")
        counted = re.findall(rb'requests_total\{endpoint="goes_with",status="200"\} (\S+)', text)
        assert len(counted) == 1 and float(counted[0]) > 4  # of both workers together
        assert re.search(rb'refused_versions_total\{category="shoes"\} 2.0', text)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_one_worker(tmp_path):
    """Odd ids on the wire, the token, and a request that has begun is answered after SIGTERM."""
    write(tmp_path)
    with running(tmp_path, "--category", "shoes", ALSOBOUGHT_API_TOKEN=SECRET) as (server, port):
        welcome = {"Authorization": f"Bearer {SECRET}"}
        for product in ODD:
            status, body, _ = ask(port, f"/v1/shoes/products/{quote(product, safe='')}/goes-with", headers=welcome)
            assert status == 200 and json.loads(body)["asked"]["product"] == product
        status, body, headers = ask(port, "/v1/shoes/products/A/goes-with", "HEAD", headers=welcome)
        assert (status, body) == (200, b"") and int(headers["content-length"]) > 100
        assert ask(port, "/v1/shoes/products/A/goes-with")[0] == 401
        status, body, _ = ask(port, "/v1/shoes/basket", "POST", b" " * 300_000, welcome)
        assert status == 413 and json.loads(body)["error"]["code"] == "body_too_large"

        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        content = b'{"products":["A"]}'
        connection.putrequest("POST", "/v1/shoes/basket")
        connection.putheader("Authorization", welcome["Authorization"])
        connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content[:5])  # the server waits for the rest
        ask(port, "/health")
        server.send_signal(signal.SIGTERM)
        waited(lambda: not listens(port), server)
        connection.send(content[5:])
        response = connection.getresponse()
        assert response.status == 200 and json.loads(response.read())["items"][0]["product"] == "B"
        connection.close()
        assert server.wait(60) == 0
        log = (tmp_path / "log").read_text()
        assert SECRET not in log and "Traceback" not in log


def listens(port):
    try:
        ask(port, "/health")
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True), ("localhost", True), ("LocalHost", True), ("::1", True), ("127.1", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.5", False), ("shop.example", False), ("", False), ("0", False),
    ],
)  # fmt: skip
def test_which_hosts_are_this_machine_only(host, local):
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("options", "token", "sentence"),
    [
        (["--host", "0.0.0.0"], "", "reachable from other machines, so requests must bear a token"),
        (["--host", "::"], "", "reachable from other machines"),
        ([], "short", "ALSOBOUGHT_API_TOKEN must have at least 16 characters"),
        ([], "with a space in the middle", "ALSOBOUGHT_API_TOKEN must have"),
        (["--port", "70000"], "", "--port must be between 0 and 65535"),
        (["--workers", "0"], "", "--workers must be between 1 and 256"),
        (["--category", "../x"], "", "there is no category '../x'"),
    ],
)
def test_what_cannot_be_served(monkeypatch, capsys, options, token, sentence):
    monkeypatch.setenv("ALSOBOUGHT_API_TOKEN", token)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    assert main(["api", *options]) == 2
    error = capsys.readouterr().err
    assert sentence in error and (token not in error or not token)


def test_a_host_that_is_not_there(monkeypatch):
    def fails(*arguments, **options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("ALSOBOUGHT_API_TOKEN", SECRET)
    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(InputError, match=r"is not a host of this machine: .*Name or service not known"):
        serve("no-such-host", 0, 1, None)


def test_a_wrong_name_in_the_environment(monkeypatch):
    monkeypatch.setenv("ALSOBOUGHT_HOSTS", "https://a.example")
    with pytest.raises(InputError, match="is not a host name"):
        serve("127.0.0.1", 0, 1, None)
