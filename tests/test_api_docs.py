"""The examples of docs/api.md against a server, as they stand there, and nginx with the configuration shown."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from core.recommendations.served import ASSET
from core.sample import sample_catalog
from core.store import Store
from tests.conftest import ROOT
from tests.core.serving.shops import lists_of
from tests.orchestration.web.api.test_server import ask, running, waited

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "api.md"
TEXT = PAGE.read_text()
ADDRESS = "http://127.0.0.1:8000"
CURL = re.compile(r"^curl .*$", re.MULTILINE)
EXAMPLES = re.findall(r"```sh\n(curl [^\n]*)\n```\n\n```json\n(.*?)```", TEXT, re.DOTALL)


def sample_lists():
    """The first products of the built-in catalogue, with lists that follow their numbers."""
    products = sample_catalog().products.sort_by("product_id")
    ids = products["product_id"].to_pylist()
    follow = {name: [ids[(node + step) % len(ids)] for step in (1, 2, 5)] for node, name in enumerate(ids)}
    before = {name: [ids[(node - step) % len(ids)] for step in (3, 4)] for node, name in enumerate(ids)}
    return lists_of(products, follow, similar=before)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    Store(folder / "data" / "store").write(ASSET, "sample", sample_lists())
    with running(folder) as (_, port):
        yield port


def run(command, port):
    shell = ["bash", "-c", command.replace(ADDRESS, f"http://127.0.0.1:{port}").replace("curl ", "curl -sS ", 1)]
    done = subprocess.run(
        shell, capture_output=True, text=True, timeout=60, env=os.environ | {"ALSOBOUGHT_API_TOKEN": "x"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_lines_get_the_answers_that_are_shown(port):
    assert len(EXAMPLES) == 5
    for command, shown in EXAMPLES:
        expected, answer = json.loads(shown), json.loads(run(command, port))
        if "version" in expected:
            expected["version"] = answer["version"]
        assert answer == expected, command
    lines = CURL.findall(TEXT) + CURL.findall((ROOT / "README.md").read_text())
    assert len(lines) >= 3 + len(EXAMPLES)
    for command in lines:
        if command not in [example for example, _ in EXAMPLES]:
            answer = run(command, port)
            assert "alsobought_api" in answer or json.loads(answer)["items"], command


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_answers_from_its_cache(port, tmp_path):
    [block] = re.findall(r"```nginx\n(.*?)```", TEXT, re.DOTALL)
    block = block.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("/var/cache/nginx", str(tmp_path))
    listening = tmp_path / "socket"
    block = block.replace("listen 8080", f"listen unix:{listening}").replace("allow 127.0.0.1", "allow unix:")
    block = block.replace("proxy_cache lists;", "proxy_cache lists; add_header X-Cache $upstream_cache_status;")
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; user root;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary}\n{block}}}"
    )
    nginx = subprocess.Popen(["nginx", "-c", tmp_path / "nginx.conf", "-p", tmp_path], stderr=subprocess.DEVNULL)
    try:
        waited(listening.exists, nginx)
        curl = ["curl", "-sSi", "--unix-socket", listening]
        path = "http://localhost/v1/sample/products/SMP0000002/goes-with?k=2"
        first, second = (subprocess.run([*curl, path], capture_output=True, text=True).stdout for _ in range(2))
        assert "X-Cache: MISS" in first and "X-Cache: HIT" in second
        assert (
            first.splitlines()[-1]
            == second.splitlines()[-1]
            == ask(port, path.removeprefix("http://localhost"))[1].decode()
        )
    finally:
        nginx.send_signal(signal.SIGQUIT)
        nginx.wait(30)
