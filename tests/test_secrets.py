"""No secret reaches a log, the event log, an artefact, a webhook or a page, whoever raised the error it stood in."""

import base64
import contextlib
import dataclasses
import http.server
import io
import logging
import threading

import dagster as dg
import fsspec
import pytest
from dagster._core.test_utils import environ
from hypothesis import given
from hypothesis import strategies as st

from core import paths
from core.catalog import Source, fetch
from core.catalog.sources import download
from core.catalog.sources.credentials import VARIABLE
from core.categories import load_categories
from core.errors import InputError
from core.untrusted.urls import password_of, scrubbed, shown
from explorer.shared.dagster_links import run_page
from orchestration import alerts, observations
from orchestration.assets.external import SOURCE
from orchestration.partitions import CATEGORIES
from orchestration.runs.failures import FailureReporter
from tests import explorer_fixture as fixture
from tests import explorer_pages
from tests.pipeline import local_instance, run

SECRET = "Zq7SECRETx"
CSV = b"product1,product2\n" + b"".join(b"a%d,b%d\n" % (n, n) for n in range(20))


@pytest.mark.parametrize(
    ("url", "what_is_shown"),
    [
        ("https://host.example/a/b.csv", "https://host.example/a/b.csv"),
        (f"https://user:{SECRET}@host.example:8443/x?token={SECRET}#{SECRET}", "https://host.example:8443/x"),
        (f"HTTPS://{SECRET}@host.example", "HTTPS://host.example"),
        (f"https://host.example?{SECRET}", "https://host.example"),
        (f"https://host.example/#{SECRET}?x", "https://host.example/"),
        (f"s3://key:{SECRET}@bucket/a", "s3://bucket/a"),
        (f"zip://a.csv::https://u:{SECRET}@h.example/x.zip?{SECRET}", "zip://a.csv::https://h.example/x.zip"),
        (f"simplecache::s3://u:{SECRET}@b/x", "simplecache::s3://b/x"),
        (f"https://user:a/{SECRET}@host.example/x", "https://…"),  # a password that was not encoded
        (f"https://user:1/{SECRET}@host.example/x", "https://…"),
        (f"https://user:a?{SECRET}@host.example/x", "https://…"),
        (f"https://user:1#{SECRET}@host.example/x", "https://…"),
        (f"https://user:{SECRET}:/@host.example/x", "https://…"),  # a password that looks like a scheme
        (f"https://user:a!{SECRET}:/@host.example/x", "https://…"),
        (f"https://user:a@{SECRET}@host.example/x", "https://host.example/x"),
        (f"https://user:a\\{SECRET}@host.example", "https://host.example"),
        (f"https:/user:{SECRET}@host.example/x", "https:/host.example/x"),
        (f"https:///user:{SECRET}@host.example/x", "https://…"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        (f"http://[::1/{SECRET}", "http://…"),
        ("/data/a?b#c.csv", "/data/a?b#c.csv"),
        ("file:///data/a b@c.csv", "file:///data/a b@c.csv"),
        ("https://host.example/@scope/x", "https://host.example/@scope/x"),
    ],
)
def test_how_a_url_is_shown(url, what_is_shown):
    assert shown(url) == what_is_shown and shown(what_is_shown) == what_is_shown
    for text in ("cannot open {!r}: refused", "GET {}, then 404.", "({})", "<{}>: x", "{}:80", "a={}"):
        assert SECRET not in scrubbed(text.format(url)) and SECRET not in str(InputError(text.format(url)))


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=1, max_size=12))
def test_no_password_is_shown_whatever_its_signs(rest):
    secret = SECRET + rest
    for url in (
        f"https://user:{secret}@host.example/x",
        f"s3://key:{secret}@bucket/x",
        f"https://host.example/x?{secret}",
    ):
        assert SECRET not in shown(url) and SECRET not in scrubbed(f"reading {url} failed", url)


def test_what_a_library_says_without_the_url():
    url = f"s3://key:{SECRET}%40@bucket/x?sig=abc{SECRET}"
    said = scrubbed(f"no bucket key:{SECRET}@@bucket; {SECRET}%40; {SECRET}@; abc{SECRET}", url)
    assert SECRET not in said and "no bucket" in said
    assert password_of(url) == f"{SECRET}%40" and password_of("https://user@host/x:y@z") == ""


class Handler(http.server.BaseHTTPRequestHandler):
    """Files for who knows the password; paths say what goes wrong."""

    def do_GET(self):
        server = self.server
        server.seen.append((self.path, self.headers.get("Authorization")))
        path = self.path.partition("?")[0]
        if path == "/elsewhere.csv":
            self.send_response(302)
            self.send_header("Location", server.elsewhere)
            self.end_headers()
            return
        if path == "/reason.csv":
            self.send_response(404, f"not {self.path} for http://u:{SECRET}@x/ or {SECRET}")
            self.end_headers()
            return
        if path == "/ftp.csv":
            self.send_response(302)
            self.send_header("Location", f"ftp://u:{SECRET}@host.example/x?{SECRET}")
            self.end_headers()
            return
        if path == "/broken.csv":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            return
        if server.password and self.headers.get("Authorization") != basic("me", server.password):
            self.send_response(401)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CSV)))
        self.end_headers()
        self.wfile.write(CSV)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *args):
        pass


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextlib.contextmanager
def serving(password=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.password, server.seen, server.elsewhere = password, [], ""
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("HOME", str(tmp_path))  # nobody's own ~/.netrc
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    with serving(SECRET) as running:
        yield running


def netrc(folder, text):
    (folder / ".netrc").write_text(text)
    (folder / ".netrc").chmod(0o600)


def test_credentials_come_from_netrc_the_environment_or_the_url(server, tmp_path, monkeypatch):
    url = server.url + "/pairs.csv"
    with pytest.raises(InputError, match=r"answered 401.*~/\.netrc or ALSOBOUGHT_HTTP_CREDENTIALS"):
        fetch(Source(url), tmp_path, tmp_path / "none")
    netrc(tmp_path, f"machine other.example login x password y\nmachine 127.0.0.1 login me password {SECRET}\n")
    assert fetch(Source(url), tmp_path, tmp_path / "netrc").read_bytes() == CSV
    (tmp_path / ".netrc").unlink()
    host = url.removeprefix("http://").partition("/")[0]
    monkeypatch.setenv(VARIABLE, f"https://me:wrong@127.0.0.1 http://me:{SECRET}@{host}")
    assert fetch(Source(url), tmp_path, tmp_path / "environment").read_bytes() == CSV
    monkeypatch.delenv(VARIABLE)
    secret = url.replace("//", f"//me:{SECRET}@")
    assert fetch(Source(secret), tmp_path, tmp_path / "url").read_bytes() == CSV
    assert all(SECRET not in path for path, _ in server.seen)


@pytest.mark.parametrize("where", ["netrc", "environment", "url"])
def test_credentials_do_not_follow_a_redirect_elsewhere(server, tmp_path, monkeypatch, where):
    """Another port is another server, and so is another name of the same machine."""
    own = server.url.removeprefix("http://")
    url = server.url + "/elsewhere.csv"
    if where == "netrc":
        netrc(tmp_path, f"machine 127.0.0.1 login me password {SECRET}\ndefault login me password {SECRET}\n")
    elif where == "environment":
        monkeypatch.setenv(VARIABLE, f"http://me:{SECRET}@{own}")
    else:
        url = url.replace("//", f"//me:{SECRET}@")
    with serving() as other:
        for name in ("127.0.0.1", "localhost"):
            server.elsewhere = f"http://{name}:{other.server_port}/pairs.csv"
            assert fetch(Source(url + f"?{name}"), tmp_path, tmp_path / "cache").read_bytes() == CSV
        assert len(other.seen) >= 2 and {sent for _, sent in other.seen} == {None}
    assert all(sent == basic("me", SECRET) for _, sent in server.seen)
    server.elsewhere = "/pairs.csv"  # to its own host they do go
    assert fetch(Source(url + "?own"), tmp_path, tmp_path / "cache").read_bytes() == CSV


@pytest.mark.parametrize(
    ("variable", "file"),
    [
        (f"https://me:{SECRET}", None),
        (f"{SECRET}@127.0.0.1", None),
        (None, f"machine 127.0.0.1 login me password two words {SECRET}\n"),
        (None, f"{SECRET}\n"),
    ],
)
def test_broken_credentials_are_a_sentence_without_them(server, tmp_path, monkeypatch, variable, file):
    if variable:
        monkeypatch.setenv(VARIABLE, variable)
    if file:
        netrc(tmp_path, file)
    with pytest.raises(InputError) as caught:
        fetch(Source(server.url + "/pairs.csv"), tmp_path, tmp_path / "cache")
    assert SECRET not in everything(caught.value)
    assert (VARIABLE if variable else ".netrc") in str(caught.value)


def everything(error):
    """What a logger that prints causes would print of an error."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.handle(logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, (type(error), error, None)))
    return text.getvalue()


def test_a_readable_netrc_says_what_to_do(server, tmp_path):
    netrc(tmp_path, f"machine 127.0.0.1 login me password {SECRET}\n")
    (tmp_path / ".netrc").chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        fetch(Source(server.url + "/pairs.csv"), tmp_path, tmp_path / "cache")


def written(folder):
    """Names and bytes of every file in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"\n".join([*(str(path).encode() + b"\n" + path.read_bytes() for path in files)])


def planted(server, case):
    """A source with the secret in all places, of which reading goes wrong in some way."""
    own = server.url.removeprefix("http://")
    return {
        "memory": f"memory://user:{SECRET}@bucket/none.csv?key={SECRET}",
        "chain": f"zip://a.csv::http://me:{SECRET}@{own}/x.zip?{SECRET}",
        "torn": f"http://me:a/{SECRET}@{own}/pairs.csv",
        "port": f"http://me:{SECRET}@127.0.0.1:x{SECRET}/pairs.csv",
    }.get(case, f"http://me:{SECRET}@{own}/{case}?token={SECRET}")


@pytest.mark.parametrize("case", ["reason.csv", "ftp.csv", "broken.csv", "memory", "chain", "torn", "port"])
def test_an_error_about_a_source_names_no_secret_nor_does_its_cause(server, tmp_path, case):
    with pytest.raises(InputError) as caught:
        fetch(Source(planted(server, case)), tmp_path, tmp_path / "cache")
    assert SECRET not in everything(caught.value)
    assert SECRET not in written(tmp_path).decode(errors="replace")


@pytest.mark.slow
def test_a_planted_secret_is_nowhere_after_runs(server, tmp_path, monkeypatch, capfd):
    """A run that succeeds, two that fail: event log, compute logs, manifests, tables, downloads, webhook, terminal."""
    monkeypatch.setenv(alerts.VARIABLE, f"{server.url}/hook/{SECRET}?{SECRET}")
    monkeypatch.setenv("ALSOBOUGHT_DAGSTER_URL", f"https://me:{SECRET}@dagster.example")
    raw = [dg.AssetKey(name) for name in ("raw_products", "raw_orders", "raw_relationships", "quarantine")]
    said = []
    with local_instance(tmp_path) as instance:
        for case in ("pairs.csv", "reason.csv", "memory"):
            changed = dataclasses.replace(CATEGORIES["beta"], source=planted(server, case))
            monkeypatch.setitem(CATEGORIES, "beta", changed)
            result = run(tmp_path / "store", "beta", instance, asset_selection=raw)
            assert result.success == (case == "pairs.csv")
            events = [event for event in result.all_events if event.is_step_failure]
            reporter = FailureReporter()
            lines = [line for event in result.all_events for line in reporter.lines(event)]
            said += [alerts.message(result.dagster_run, events), lines]
            said += list(instance.all_logs(result.run_id))
            observations.report(instance, observations.observation(SOURCE, "beta", state_of(changed)))
    printed = capfd.readouterr()
    files = written(tmp_path).decode(errors="replace")
    assert "https://dagster.example/runs/" in str(said) and "https://dagster.example" in run_page("x")
    assert "answered 404" in str(said) and server.url in files and "memory://bucket/none.csv" in files
    for text in (str(said), printed.out, printed.err, files):
        assert SECRET not in text, text[max(0, text.index(SECRET) - 300) : text.index(SECRET) + 100]


def state_of(category):
    try:
        return observations.source_state(category)
    except (InputError, OSError) as error:
        assert SECRET not in str(error)
        return {"trouble": str(error)}


@pytest.mark.parametrize(
    "address", ["{}/reason.csv?{}", "http://127.0.0.1:9/{}{}", "ftp://x/{}{}", "http://[bad/{}{}", "http://a b/{}{}"]
)
def test_a_webhook_is_never_named(server, address):
    url = address.format(server.url if address.startswith("{}") else SECRET, SECRET)
    trouble = alerts.post(url, {"text": "x"})
    assert alerts.VARIABLE in trouble and SECRET not in trouble and "127.0.0.1" not in trouble


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "categories:\n  beta: {{source: https://u:{0}@h/x?{0}, a: b: c}}",
        "categories:\n  beta:\n    source: https://u:{0}@h/x?{0}\n   x: [",
        'categories:\n  beta: {{source: "https://{1}u:{0}@h/x?{0}\n',
        "categories:\n  beta: {{source: [https://u:{0}@h/x]}}",
        "categories:\n  beta: {{source: x, https://u:{0}@h/x: 1}}",
        "categories:\n  beta: {{source: x, sha256: {{https://u:{0}@h: 1}}}}",
        "categories:\n  beta: {{source: x, format: https://u:{0}@h/x}}",
        "categories:\n  https://u:{0}@h/x: {{source: x}}",
        "categories:\n  beta: {{source: !https://u:{0}@h/x x}}",
    ],
)
def test_a_broken_categories_file_shows_no_secret_here_or_in_the_explorer(tmp_path, monkeypatch, text):
    file = tmp_path / "categories.yaml"
    file.write_text(text.format(SECRET, "a" * 60))
    with pytest.raises(InputError) as caught:
        load_categories(file)
    assert str(file) in str(caught.value) and SECRET not in everything(caught.value)
    monkeypatch.setenv("ALSOBOUGHT_CATEGORIES", str(file))
    at = explorer_pages.start(monkeypatch, fixture.write(tmp_path / "full"))
    page = explorer_pages.texts(at) + "".join(one.value for one in at.sidebar.warning)
    assert "categories" in page and SECRET not in page


def test_a_store_with_a_password_is_refused(monkeypatch):
    for url in (f"s3://key:{SECRET}@bucket/x", f"s3://bucket/x?secret={SECRET}", f"sftp://me:a/{SECRET}@host/x"):
        with environ({"ALSOBOUGHT_STORE": url}), pytest.raises(InputError) as caught:
            paths.store_root()
        assert SECRET not in str(caught.value) and "AWS_SECRET_ACCESS_KEY" in str(caught.value)
    for url in ("s3://bucket/x", "sftp://me@host/x", "/data/a?b", "data/store"):
        with environ({"ALSOBOUGHT_STORE": url}):
            assert paths.store_root() == url


def test_what_fsspec_raises_is_scrubbed(tmp_path, monkeypatch):
    def fail(self, path, *args, **kwargs):
        raise RuntimeError(f"cannot sign https://u:{SECRET}@h/?{SECRET} with {SECRET}")

    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", fail)
    with pytest.raises(InputError, match="cannot sign https://h/ with …") as caught:
        fetch(Source(f"memory://key:{SECRET}@bucket/x"), tmp_path, tmp_path / "cache")
    assert SECRET not in everything(caught.value)
