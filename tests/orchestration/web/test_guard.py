"""The Dagster UI's port: requests of foreign pages, of forms and to wrong names, with a stub and the real server."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import urllib.parse

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from websockets.sync.client import connect

from core.errors import InputError
from orchestration.command import servers
from orchestration.web import guard as web_guard
from orchestration.web import host_names
from tests import browser
from tests.conftest import ROOT

MUTATION = 'mutation { terminateRun(runId: "x") { __typename } }'
NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
JSON = {"content-type": "application/json"}


async def echo(request):
    return PlainTextResponse(await request.body())


async def talk(websocket):
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def client(*known, host="localhost:3000"):
    """A client of a stub that answers everything, behind the guard."""
    everything = Route("/{path:path}", echo, methods=["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    app = Starlette(routes=[WebSocketRoute("/graphql", talk), everything])
    return TestClient(web_guard.WebGuard(app, known), f"http://{host}")


def opens(stub, url, headers):
    """Whether the guard lets a WebSocket through."""
    try:
        with stub.websocket_connect(url, headers=headers) as opened:
            return opened.receive_text() == "hello"
    except WebSocketDisconnect:
        return False


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("127.0.0.1:1", 200),
        ("[::1]", 200),
        ("[0:0:0:0:0:0:0:1]:3000", 200),
        ("team.example", 200),
        ("team.example:99", 200),
        ("port.example:8443", 200),
        ("port.example", 403),
        ("port.example:8444", 403),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("evil-localhost", 403),
        ("127.0.0.2", 403),
        ("[::2]", 403),
        ("2130706433", 403),
        ("localhost.", 403),
        ("", 400),
        ("localhost:", 400),
        ("localhost:99999999", 400),
        ("localhost evil.example", 400),
        ("localhost,evil.example", 400),
        ("user@localhost", 400),
        ("localhost/x", 400),
        ("[::1", 400),
        ("[:::::]", 400),
        ("ｌocalhost".encode(), 400),
        ("localhost\n", 400),
        ("a" * 100_000, 400),
    ],
)
def test_only_known_names_are_answered(host, status):
    answer = client("team.example", "port.example:8443").get("/runs", headers={"host": host})
    assert answer.status_code == status, answer.text
    stub = client("team.example", "port.example:8443")
    assert opens(stub, "/graphql", {"host": host}) == (status == 200)


def test_a_request_must_have_exactly_one_host():
    for headers in ([("host", "localhost"), ("host", "localhost")], []):
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b""}
        scope["headers"] = [(name.encode(), value.encode()) for name, value in headers]
        assert web_guard.WebGuard(None)._refusal(scope).status == 400


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),  # a program
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "http://LOCALHOST:3000", "sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),  # typed into the address bar
        ({"origin": "http://localhost:8501"}, True),  # another server of this machine
        ({"origin": "http://127.0.0.1:3000"}, True),
        ({"origin": "https://localhost"}, True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "http://localhost:3000.evil.example"}, True),
        ({"origin": "http://localhost:3000@evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
        ({"origin": "file://"}, True),
        ({"origin": "chrome-extension://localhost:3000"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"origin": "http://localhost:3000", "sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "something-new"}, True),
    ],
)
def test_other_origins_are_refused_everywhere(headers, foreign):
    stub = client()
    query = {"query": "{ version }"}
    for answer in (
        stub.post("/graphql", json=query, headers=headers),
        stub.get("/graphql", params=query, headers=headers),
        stub.post("/report_asset_materialization/walks", json={}, headers=headers),
        stub.get("/logs/x/y.out", headers=headers),
        stub.options("/graphql", headers=headers),
    ):
        assert answer.status_code == (403 if foreign else 200), answer.request.url
    assert opens(stub, "ws://localhost:3000/graphql", headers) != foreign


def test_behind_a_proxy_with_tls_the_origin_has_no_port():
    stub = client("team.example", host="team.example")
    answer = stub.post("/graphql", json={"query": MUTATION}, headers={"origin": "https://team.example"})
    assert answer.status_code == 200
    for other in ("https://team.example:8443", "https://other.team.example"):
        assert stub.post("/graphql", json={"query": "{ a }"}, headers={"origin": other}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_from_elsewhere_opens_pages_and_nothing_else(site):
    follow = NAVIGATION | {"sec-fetch-site": site}
    stub = client()
    assert stub.get("/runs/x?query=y", headers=follow).status_code == 200
    for path in (
        "/graphql", "/graphql%0A?query={version}", "/logs/a.out", "/notebook?path=x", "/dagit/notebook", "/./GraphQL",
        "/download_debug/x", "/report_asset_check/x",
    ):  # fmt: skip
        assert stub.get(path, headers=follow).status_code == 403, path
    assert stub.get("/runs", headers=follow | {"sec-fetch-dest": "iframe"}).status_code == 403
    assert stub.get("/runs", headers=follow | {"sec-fetch-mode": "no-cors"}).status_code == 403
    # A form that a page sends by itself is a navigation too.
    assert stub.post("/graphql", data={"query": MUTATION}, headers=follow).status_code == 403
    assert stub.post("/graphql", json={"query": MUTATION}, headers=follow).status_code == 403
    assert stub.get("/").headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("{ version }", 200),
        ("query A { version } fragment F on Query { version }", 200),
        (MUTATION, 403),
        ("query A { version } " + MUTATION, 403),
        ("#c\n\ufeff" + MUTATION, 403),
        ("subscription { x }", 403),
        ("no graphql {", 403),
        ("", 403),
        ("{a" * 8_000, 403),
    ],
)
def test_graphql_by_get_only_reads(query, status):
    for path in ("/graphql", "/graphql\n", "/GRAPHQL/", "/prefix/graphql"):
        url = urllib.parse.quote(path) + "?" + urllib.parse.urlencode({"query": query})
        assert client().get(url, headers={"accept": "text/html"}).status_code == status
    twice = client().get("/graphql", params=[("query", "{ version }"), ("query", query)])
    assert twice.status_code == status
    assert client().get("/graphql").status_code == 200  # the page for trying out queries


def test_changes_are_posted_as_json():
    stub, body = client(), json.dumps({"query": MUTATION})
    for path in ("/graphql", "/report_asset_materialization/walks?partition=x", "/anything"):
        assert stub.post(path, content=body, headers=JSON).text == body
        assert stub.post(path, content=body, headers={"content-type": "Application/JSON; charset=utf-8"}).text == body
        for kind in (
            "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql",
            "text/plain; application/json", "application/json, text/plain", "application/jsonp", "",
        ):  # fmt: skip
            assert stub.post(path, content=body, headers={"content-type": kind}).status_code == 403, kind
        assert stub.post(path, content=body).status_code == 403
        assert stub.post(path, content=body, headers=[*JSON.items(), ("content-type", "text/plain")]).status_code == 403
        for method in ("PUT", "DELETE", "PATCH"):
            assert stub.request(method, path, content=body, headers=JSON if method == "GET" else {}).status_code == 403
    files = stub.post("/graphql", data={"operations": body}, files={"0": b"x"})
    assert files.status_code == 403


def test_a_graphql_request_is_one_object_of_bounded_size(monkeypatch):
    stub = client()
    assert stub.post("/graphql", content=f"[{json.dumps({'query': MUTATION})}]", headers=JSON).status_code == 403
    assert stub.post("/graphql", content="{", headers=JSON).status_code == 400
    assert stub.post("/graphql", content=b"\xff\xfe", headers=JSON).status_code == 400
    assert stub.post("/graphql", content="[" * 100_000, headers=JSON).status_code == 400
    monkeypatch.setattr(web_guard, "_MAX_QUERY_BYTES", 1000)
    assert stub.post("/graphql", content='{"a":"' + "x" * 1000 + '"}', headers=JSON).status_code == 413


def test_names_in_the_environment_are_checked():
    assert host_names.hosts("") == [] and host_names.hosts(" a.example, [::2]:80 ,") == ["a.example", "[::2]:80"]
    for wrong in ("https://a.example", "a.example/x", "*.a.example", "a b"):
        with pytest.raises(InputError, match="ALSOBOUGHT_HOSTS"):
            host_names.hosts(wrong)


class Running:
    """Dagster's webserver and the explorer, each started with the command of `alsobought serve`."""

    def __init__(self, folder):
        for path in ("dagster.yaml", "workspace.yaml", "tests/categories.yaml"):
            shutil.copy(ROOT / path, folder)
        self.ports = {"dagster-webserver": browser.free_port(), "explorer": browser.free_port()}
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ALSOBOUGHT", "DAGSTER", "RAW_DIR"))}
        own = {"ALSOBOUGHT_HOME": str(folder), "DAGSTER_HOME": str(folder), "ALSOBOUGHT_HOSTS": "team.example:8443"}
        with pytest.MonkeyPatch.context() as patched:
            for name, value in own.items():
                patched.setenv(name, value)
            servers._create_tables()
            commands = servers._commands(*self.ports.values())
        self.children = {}
        for name in self.ports:
            with (folder / f"{name}.log").open("wb") as log:
                self.children[name] = subprocess.Popen(
                    commands[name], cwd=folder, env=environment | own, stdout=log, stderr=log, start_new_session=True
                )
        health = {"dagster-webserver": "/server_info", "explorer": "/_stcore/health"}
        for name, port in self.ports.items():
            assert servers._answers(f"http://127.0.0.1:{port}{health[name]}", self.children), name

    def ask(self, method, target, headers=None, body=None):
        """Status and body of the webserver's answer."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.ports["dagster-webserver"])) as connection:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def handshake(self, name, path, **headers):
        """The first line of a server's answer to a WebSocket handshake."""
        port = self.ports[name]
        lines = {
            "Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13",
        } | headers  # fmt: skip
        request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
        with socket.create_connection(("127.0.0.1", port), 30) as plug:
            plug.sendall(request.encode())
            return plug.makefile("rb").readline().decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    found = Running(tmp_path_factory.mktemp("served"))
    yield found
    servers._stop(found.children)


def test_the_real_server_refuses_what_a_page_could_send(running):
    port, quoted = running.ports["dagster-webserver"], urllib.parse.quote(MUTATION)
    assert running.ask("GET", f"/graphql?query={quoted}")[0] == 403
    assert running.ask("GET", f"/graphql%0A?query={quoted}", {"Accept": "*/*"})[0] == 403
    asked = json.dumps({"query": "{ version }"})
    status, answer = running.ask("POST", "/graphql", JSON, asked)
    assert status == 200 and json.loads(answer)["data"]["version"]
    own = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
    assert running.ask("POST", "/graphql", JSON | own, asked)[0] == 200
    assert running.ask("POST", "/graphql", JSON | {"Origin": "https://evil.example"}, asked)[0] == 403
    assert running.ask("POST", "/graphql", JSON | {"Host": "evil.example"}, asked)[0] == 403
    assert running.ask("POST", f"/graphql?query={quoted}", {"Content-Type": "text/plain"}, "")[0] == 403
    assert running.ask("POST", "/report_asset_materialization/walks?partition=alpha", {}, "")[0] == 403
    assert running.ask("GET", "/", {"Host": "team.example:8443"})[0] == 200
    assert running.ask("GET", "/", {"Host": "x" * 60_000})[0] in (400, 431)
    assert running.ask("GET", "/runs", NAVIGATION | {"Sec-Fetch-Site": "cross-site"})[0] == 200


def test_both_servers_check_the_origin_of_a_websocket(running):
    for name, path in (("dagster-webserver", "/graphql"), ("explorer", "/_stcore/stream")):
        port = running.ports[name]
        assert " 101 " in running.handshake(name, path, Origin=f"http://127.0.0.1:{port}"), name
        assert " 101 " in running.handshake(name, path, Origin="https://team.example:8443", Host="team.example:8443")
        assert " 403 " in running.handshake(name, path, Origin="https://evil.example"), name
        # DNS rebinding: the page and the name that it calls both belong to the attacker.
        evil = f"evil.example:{port}"
        assert " 403 " in running.handshake(name, path, Origin=f"http://{evil}", Host=evil), name


def test_a_websocket_runs_no_mutation(running):
    address = f"ws://127.0.0.1:{running.ports['dagster-webserver']}/graphql"
    with connect(address, subprotocols=["graphql-ws"], proxy=None) as socket_:
        socket_.send(json.dumps({"id": "1", "type": "start", "payload": {"query": MUTATION}}))
        answer = json.loads(socket_.recv(timeout=60))
    assert answer["type"] == "error" and "not defined" in str(answer["payload"]), answer


def test_run_config_contains_no_folder_and_no_url(running):
    """No field of the run config is a folder or a URL."""
    from orchestration.definitions import defs

    schema = defs.resolve_job_def("rebuild").run_config_schema.config_type.fields
    resources = {
        name: set(getattr(field.config_type.fields.get("config"), "config_type", None).fields or ())
        for name, field in schema["resources"].config_type.fields.items()
        if "config" in field.config_type.fields
    }
    assert {name: fields for name, fields in resources.items() if fields} == {
        "torch_device": {"device", "precision"},
        "machine": {"threads"},
    }
    query = """mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
        __typename ... on RunConfigValidationInvalid { errors { message } } } }"""
    for resource, place in (("store", "root"), ("io_manager", "base_dir")):
        params = {
            "selector": {
                "repositoryLocationName": "alsobought", "repositoryName": "__repository__", "jobName": "rebuild",
                "assetSelection": [{"path": ["walks"]}],
            },
            "runConfigData": {"resources": {resource: {"config": {place: "/tmp/elsewhere"}}}},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "alpha"}]},
        }  # fmt: skip
        _, answer = running.ask("POST", "/graphql", JSON, json.dumps({"query": query, "variables": {"params": params}}))
        found = json.loads(answer)["data"]["launchPipelineExecution"]
        assert found["__typename"] == "RunConfigValidationInvalid" and place in str(found["errors"])


def test_the_executor_takes_nothing_from_run_config():
    from orchestration.definitions import defs
    from orchestration.machine import STEPS_AT_ONCE

    job = defs.resolve_job_def("rebuild")
    asked = {"start_method": {"forkserver": {"preload_modules": ["antigravity"]}}, "max_concurrent": 99}
    from dagster._core.system_config.objects import ResolvedRunConfig

    resolved = ResolvedRunConfig.build(job, {"execution": {"config": asked}})
    given = resolved.execution.execution_engine_config
    assert given["max_concurrent"] == STEPS_AT_ONCE
    assert "antigravity" not in str(given)
