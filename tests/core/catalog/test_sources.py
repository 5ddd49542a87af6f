"""Sources become local files: in place, over HTTP with everything that goes wrong there, and through fsspec."""

import contextlib
import datetime
import gzip
import hashlib
import http.server
import socket
import ssl
import threading
from dataclasses import dataclass, field

import fsspec
import numpy as np
import pytest

from core.catalog import Source, UnreachableError, fetch, read_catalog, state
from core.catalog.sources import download
from core.catalog.sources.remote import Limits
from core.errors import InputError
from core.untrusted import hosts

CONTENT = np.random.default_rng(1).bytes(300_000)
SAME_SIZE = np.random.default_rng(3).bytes(300_000)
OTHER = np.random.default_rng(2).bytes(310_000)


@dataclass
class Script:
    """What the server does: an entry of ``cuts`` for each answer that breaks off after so many bytes."""

    content: bytes = CONTENT
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    honours_if_range: bool = True
    sends_length: bool = True
    content_type: str = "application/gzip"
    cuts: list = field(default_factory=list)
    statuses: list = field(default_factory=list)  # error answers to give first
    retry_after: str | None = None
    after_cut: dict = field(default_factory=dict)  # attributes that change once a connection was cut
    heads: bool = True  # whether HEAD is known
    requests: list = field(default_factory=list)  # (path, headers) as received
    location: str = ""  # where /away leads
    odd: dict = field(default_factory=dict)  # headers that replace the usual ones
    unasked_part: bool = False  # whether a part is sent though the whole was asked for
    hold: threading.Event | None = None  # waited for after the headers and the first byte


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        script = self.server.script
        script.requests.append((self.path, dict(self.headers)))
        self.path = self.path.removeprefix("http://public.example")  # as a proxy is asked
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/loop" if self.path == "/loop" else "/file.gz")
            self.end_headers()
            return
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", script.location)
            self.end_headers()
            return
        if self.path == "/loop":
            self.send_response(301)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        if not self.path.startswith("/file.gz"):
            self.send_error(404)
            return
        if script.statuses:
            self.send_response(script.statuses.pop(0))
            if script.retry_after:
                self.send_header("Retry-After", script.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if script.etag and self.headers.get("If-None-Match") == script.etag:
            self.send_response(304)
            self.end_headers()
            return
        body, start = script.content, 0
        asked = self.headers.get("Range")
        state = self.headers.get("If-Range")
        if asked and script.ranges and (not script.honours_if_range or state in (None, script.etag, script.modified)):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_response(416)
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(206 if script.unasked_part else 200)
        self.send_header("Content-Type", script.content_type)
        if script.sends_length and "Content-Length" not in script.odd:
            self.send_header("Content-Length", str(len(body) - start))
        for name, value in (("ETag", script.etag), ("Last-Modified", script.modified), *script.odd.items()):
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if script.hold is not None:
            self.wfile.write(body[:1])
            self.wfile.flush()
            script.hold.wait(60)
            return
        if script.cuts:
            self.wfile.write(body[start : start + script.cuts.pop(0)])
            for name, value in script.after_cut.items():
                setattr(script, name, value)
        else:
            self.wfile.write(body[start:])
        self.wfile.flush()

    def do_HEAD(self):
        if self.server.script.heads:
            self.do_GET()
        else:
            self.send_error(501)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(address, key=None):
    """A server at a local address; with a key (a PEM file) behind TLS."""
    server = http.server.ThreadingHTTPServer((address, 0), Handler)
    if key is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # a client that leaves is what many tests are about
    server.script = Script()
    server.url = f"http://{address}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server():
    with serving("127.0.0.1") as running:
        yield running


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The pauses before retries, recorded instead of slept."""
    waited = []
    monkeypatch.setattr(download.time, "sleep", waited.append)
    return waited


def get(server, tmp_path, path="/file.gz", **options):
    return fetch(Source(server.url + path, **options), tmp_path / "raw", tmp_path / "cache")


def leftovers(tmp_path):
    return sorted(p.name.partition("-")[2] for p in (tmp_path / "cache").iterdir())


DONE = ["file.gz", "file.gz.json", "file.gz.lock"]


def test_download_with_progress(server, tmp_path):
    calls = []
    source = Source(server.url + "/file.gz")
    path = fetch(source, tmp_path, tmp_path / "cache", lambda *call: calls.append(call))
    assert path.read_bytes() == CONTENT
    assert calls[-1] == ("download", len(CONTENT), len(CONTENT), "bytes")
    assert leftovers(tmp_path) == DONE


def test_a_good_cached_file_is_not_downloaded_again(server, tmp_path):
    first = get(server, tmp_path)
    written = first.stat().st_mtime_ns
    second = get(server, tmp_path)
    assert second == first
    assert second.stat().st_mtime_ns == written
    assert server.script.requests[-1][1]["If-None-Match"] == '"one"'


def test_a_pinned_cached_file_needs_no_server(server, tmp_path):
    pin = hashlib.sha256(CONTENT).hexdigest()
    path = get(server, tmp_path, sha256=pin.upper())
    count = len(server.script.requests)
    assert get(server, tmp_path, sha256=pin) == path
    assert len(server.script.requests) == count


def test_without_validators_an_equal_size_counts_as_unchanged(server, tmp_path):
    server.script.etag = None
    path = get(server, tmp_path)
    written = path.stat().st_mtime_ns
    assert get(server, tmp_path).stat().st_mtime_ns == written
    server.script.content = OTHER
    assert get(server, tmp_path).read_bytes() == OTHER


def test_a_changed_file_is_downloaded_anew(server, tmp_path):
    get(server, tmp_path)
    server.script.content, server.script.etag = OTHER, '"two"'
    assert get(server, tmp_path).read_bytes() == OTHER


def test_a_cached_file_serves_while_the_server_is_down(server, tmp_path):
    get(server, tmp_path)
    server.script.statuses = [500]
    assert get(server, tmp_path).read_bytes() == CONTENT
    server.shutdown()
    server.server_close()
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_damaged_cached_file_is_replaced(server, tmp_path):
    path = get(server, tmp_path)
    path.write_bytes(CONTENT[:1000])
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_new_pin_replaces_the_cached_file(server, tmp_path):
    get(server, tmp_path)
    server.script.content = OTHER  # under the same ETag
    assert get(server, tmp_path, sha256=hashlib.sha256(OTHER).hexdigest()).read_bytes() == OTHER


def test_a_cut_connection_is_resumed_where_it_broke(server, tmp_path, waits):
    server.script.cuts = [100_000, 80_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    headers = [headers for _, headers in server.script.requests]
    assert [h.get("Range") for h in headers] == [None, "bytes=100000-", "bytes=180000-"]
    assert headers[1]["If-Range"] == '"one"'
    assert waits == [download.RETRY_WAITS[0]] * 2  # each attempt got further, so the pauses do not grow
    assert leftovers(tmp_path) == DONE


def test_a_file_that_changed_between_attempts_starts_again(server, tmp_path):
    server.script.cuts = [100_000]
    server.script.after_cut = {"content": OTHER, "etag": '"two"'}
    assert get(server, tmp_path).read_bytes() == OTHER


def test_a_changed_file_is_noticed_even_if_the_server_ignores_if_range(server, tmp_path):
    server.script.cuts = [100_000]
    server.script.honours_if_range = False
    server.script.after_cut = {"content": SAME_SIZE, "etag": '"two"'}
    assert get(server, tmp_path).read_bytes() == SAME_SIZE


def test_a_shorter_file_after_a_cut_starts_again(server, tmp_path):
    server.script.cuts = [100_000]
    server.script.honours_if_range = False
    server.script.after_cut = {"content": OTHER[:50_000], "etag": '"two"'}
    assert get(server, tmp_path).read_bytes() == OTHER[:50_000]


def test_last_modified_serves_where_the_etag_is_weak(server, tmp_path):
    server.script.etag, server.script.modified = 'W/"one"', "Wed, 21 Oct 2015 07:28:00 GMT"
    server.script.cuts = [100_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.script.requests[1][1]["If-Range"] == server.script.modified


def test_without_a_validator_only_a_pinned_file_is_resumed(server, tmp_path):
    server.script.etag = None
    server.script.cuts = [100_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.script.requests[-1][1].get("Range") is None
    server.script.cuts = [100_000]
    get(server, tmp_path, "/file.gz?again", sha256=hashlib.sha256(CONTENT).hexdigest())
    assert server.script.requests[-1][1]["Range"] == "bytes=100000-"


def test_a_server_without_ranges_sends_everything_again(server, tmp_path):
    server.script.ranges = False
    server.script.cuts = [100_000, 200_000]
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_names_no_length(server, tmp_path):
    server.script.sends_length = False
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert leftovers(tmp_path) == DONE
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_giving_up_keeps_what_came_and_a_later_run_goes_on(server, tmp_path, waits):
    server.script.cuts = [100_000, 10, 10, 10, 10]
    with pytest.raises(
        InputError, match=r"/file\.gz: download failed 4 times.*connection ended after 100,030 of 300,000"
    ):
        get(server, tmp_path)
    assert tuple(waits) == download.RETRY_WAITS
    assert leftovers(tmp_path) == ["file.gz.lock", "file.gz.part", "file.gz.part.json"]
    server.script.cuts, server.script.requests = [], []
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [headers.get("Range") for _, headers in server.script.requests] == ["bytes=100030-"]


def test_a_complete_part_is_not_asked_for_again(server, tmp_path):
    path = get(server, tmp_path)
    note = path.with_name(path.name + ".json")
    path.replace(path.with_name(path.name + ".part"))  # as if killed before the last rename
    note.replace(path.with_name(path.name + ".part.json"))
    server.script.requests = []
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.script.requests == []


def test_a_part_longer_than_the_file_starts_again(server, tmp_path):
    path = get(server, tmp_path)
    part = path.with_name(path.name + ".part")
    part.write_bytes(b"x" * 400_000)
    path.with_name(path.name + ".json").replace(path.with_name(path.name + ".part.json"))
    path.unlink()
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_removes_the_file(server, tmp_path):
    with pytest.raises(InputError, match=r"SHA-256 is [0-9a-f]{64}, categories\.yaml expects 0{64}; it was removed"):
        get(server, tmp_path, sha256="0" * 64)
    assert leftovers(tmp_path) == ["file.gz.lock"]


def test_server_errors_are_retried(server, tmp_path, waits):
    server.script.statuses, server.script.retry_after = [503, 429], "7"
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert waits == [7.0, 7.0]


def test_lasting_server_errors_name_url_and_remedy(server, tmp_path):
    server.script.statuses = [500] * 9
    with pytest.raises(InputError, match=r"http://127.*file\.gz: download failed 4 times.*Internal.*by other means"):
        get(server, tmp_path)


def test_not_found_names_url_and_remedy_at_once(server, tmp_path, waits):
    with pytest.raises(
        InputError, match=r"http://127.*/nothing\.gz: the server answered 404 Not Found.*categories\.yaml"
    ):
        get(server, tmp_path, "/nothing.gz")
    assert waits == []


def test_redirects_are_followed_also_while_resuming(server, tmp_path):
    server.script.cuts = [100_000]
    assert get(server, tmp_path, "/moved.gz").read_bytes() == CONTENT
    assert server.script.requests[-1][0] == "/file.gz"
    assert server.script.requests[-1][1]["Range"] == "bytes=100000-"


@pytest.fixture
def outside(monkeypatch):
    """Have 127.0.0.1 count as an address of the internet, and 127.0.0.2 as what it is."""
    plain = hosts.reach
    monkeypatch.setattr(hosts, "reach", lambda a: hosts.Reach.PUBLIC if a == "127.0.0.1" else plain(a))


@pytest.fixture
def inside():
    """A second server, at an address that the fixture ``outside`` leaves in the private network."""
    with serving("127.0.0.2") as running:
        yield running


def test_a_source_outside_leads_nowhere_inside(server, inside, outside, tmp_path):
    assert get(server, tmp_path).read_bytes() == CONTENT
    port = inside.server_port
    for host in ("127.0.0.2", "0x7f.2", "2130706434", "127.0.2", "[::ffff:127.0.0.2]"):
        server.script.location = f"http://{host}:{port}/file.gz?key=secret"
        with pytest.raises(
            InputError, match=r"leads to .* an address inside a private network.*Nothing was sent"
        ) as caught:
            get(server, tmp_path, f"/away?{host}")
        assert "secret" not in str(caught.value)
    assert inside.script.requests == []
    with pytest.raises(UnreachableError, match="inside a private network"):
        state(Source(f"{server.url}/away", "pairs"), tmp_path)


def test_a_source_inside_may_lead_inside_but_not_to_the_machines_own_credentials(server, inside, tmp_path):
    server.script.location = f"http://127.0.0.2:{inside.server_port}/file.gz"
    assert get(server, tmp_path, "/away").read_bytes() == CONTENT
    server.script.location = "http://169.254.169.254/latest/meta-data/"
    with pytest.raises(InputError, match=r"leads to 169\.254\.169\.254, an address inside"):
        get(server, tmp_path, "/away?clouds")


def test_a_name_that_changes_its_address_stays_outside(server, inside, outside, tmp_path, monkeypatch):
    """The name is looked up once more for every connection: what it then leads to is what is checked."""
    asked, port, plain = [], server.server_port, socket.getaddrinfo

    def look_up(host, *arguments, **options):
        if host != "team.example":
            return plain(host, *arguments, **options)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    server.script.cuts = [100_000]
    with pytest.raises(InputError, match=r"leads to team\.example"):
        fetch(Source(f"http://team.example:{port}/file.gz"), tmp_path, tmp_path / "cache")
    assert len(asked) == 2 and len(server.script.requests) == 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:,x", "http://[x"])
def test_only_http_is_followed(server, tmp_path, location):
    server.script.location = location
    with pytest.raises(InputError, match=r"/away: (the server|is not a valid URL)"):
        get(server, tmp_path, "/away")


def test_https_is_never_left_for_http(server, tmp_path, monkeypatch):
    with serving("127.0.0.1", certificate(tmp_path, monkeypatch)) as secure:
        url = f"https://localhost:{secure.server_port}"
        assert fetch(Source(f"{url}/moved.gz"), tmp_path, tmp_path / "cache").read_bytes() == CONTENT
        secure.script.location = f"{server.url}/file.gz"
        with pytest.raises(InputError, match="sends on from https to http, which is not followed"):
            fetch(Source(f"{url}/away"), tmp_path, tmp_path / "cache")
        assert server.script.requests == []
        server.script.location = f"{url}/file.gz"  # the other way is well
        assert get(server, tmp_path, "/away").read_bytes() == CONTENT
    monkeypatch.delenv("SSL_CERT_FILE")
    with serving("127.0.0.1", tmp_path / "key.pem") as unknown, pytest.raises(InputError, match="certificates"):
        fetch(Source(f"https://localhost:{unknown.server_port}/file.gz"), tmp_path, tmp_path / "cache")


def certificate(folder, monkeypatch):
    """A file with a key and a certificate for localhost, which is trusted."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private + made)
    (folder / "trusted.pem").write_bytes(made)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "trusted.pem"))
    return folder / "key.pem"


@pytest.mark.parametrize("length", [True, False])
def test_a_source_that_is_too_large_is_not_kept(server, tmp_path, length):
    server.script.sends_length = length
    with pytest.raises(InputError, match=r"has \d[\d,]* bytes or more, allowed are 200,000.*guard\.download_gigabytes"):
        fetch(Source(server.url + "/file.gz"), tmp_path, tmp_path / "cache", limits=Limits(bytes=200_000))
    assert leftovers(tmp_path) == ["file.gz.lock"]
    assert fetch(Source(server.url + "/file.gz"), tmp_path, tmp_path / "cache", limits=Limits(bytes=300_000)).is_file()


def test_a_size_limit_holds_for_what_fsspec_reads(memory, tmp_path):
    with pytest.raises(InputError, match="allowed are 200,000"):
        fetch(Source("memory://bucket/file.gz"), tmp_path, tmp_path / "cache", limits=Limits(bytes=200_000))


def test_a_server_that_holds_back_is_left_at_the_time_limit(server, tmp_path):
    """Neither the socket's timeout nor a look at the clock between two pieces would end this one."""
    server.script.hold = threading.Event()
    try:
        with pytest.raises(InputError, match=r"did not finish within .* seconds.*guard\.download_hours"):
            fetch(Source(server.url + "/file.gz"), tmp_path, tmp_path / "cache", limits=Limits(seconds=0.5))
    finally:
        server.script.hold.set()
    server.script.hold = None
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_pauses_before_retries_count_as_time(server, tmp_path, waits):
    server.script.statuses, server.script.retry_after = [503] * 9, "50"
    with pytest.raises(InputError, match="did not finish within 40 seconds"):
        fetch(Source(server.url + "/file.gz"), tmp_path, tmp_path / "cache", limits=Limits(seconds=40))
    assert waits == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Length", "²"),
        ("Content-Length", "9" * 5000),
        ("Content-Length", "-1"),
        ("Content-Length", "1e5"),
        ("Content-Length", "٣"),
        ("Content-Type", ";;; \x00"),
        ("ETag", "²"),
        ("ETag", '"a\r\n b"'),
        ("Last-Modified", "\xff"),
        ("Transfer-Encoding", "²"),
    ],
)
def test_nonsense_in_a_header_is_a_download_or_a_sentence(server, tmp_path, name, value):
    server.script.odd = {name: value.encode().decode("latin-1")}
    server.script.etag = None if name == "ETag" else '"one"'
    server.script.cuts = [100_000] if name in ("ETag", "Last-Modified") else []
    try:
        assert get(server, tmp_path).read_bytes() == CONTENT
    except InputError as error:
        assert "file.gz" in str(error)
    with contextlib.suppress(UnreachableError):
        state(Source(f"{server.url}/file.gz", "pairs"), tmp_path)


@pytest.mark.parametrize("value", ["²", "9" * 5000, "-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_nonsense_in_retry_after_is_no_pause(server, tmp_path, waits, value):
    server.script.statuses, server.script.retry_after = [503], value.encode().decode("latin-1")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert waits == [download.RETRY_WAITS[0]]


@pytest.mark.parametrize("span", ["bytes ²-3/4", "bytes 1-2/" + "9" * 5000, "bytes x", "", "bytes 0-299999/300000"])
def test_nonsense_in_content_range(server, tmp_path, span):
    server.script.odd, server.script.unasked_part = {"Content-Range": span.encode().decode("latin-1")}, True
    with pytest.raises(InputError, match="sent a part of the file though the whole was asked for"):
        get(server, tmp_path)


def test_an_http_address_inside_another_is_refused(server, tmp_path):
    for chain in ("simplecache::{}", "zip://a.csv::{}", "filecache::zip://a::{}"):
        with pytest.raises(InputError, match="cannot be a part of another"):
            fetch(Source(chain.format(server.url + "/file.gz")), tmp_path, tmp_path / "cache")
    assert server.script.requests == []


def test_behind_a_proxy_what_is_spelled_out_is_checked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    server.script.location = "http://169.254.169.254/file.gz"
    with pytest.raises(InputError, match="leads to 169"):
        fetch(Source("http://public.example/away"), tmp_path, tmp_path / "cache")
    assert [path for path, _ in server.script.requests] == ["http://public.example/away"]


def test_a_redirect_loop_is_an_input_error(server, tmp_path):
    with pytest.raises(InputError, match="the server answered 301"):
        get(server, tmp_path, "/loop")


def test_a_refused_connection_names_url_and_remedy(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=rf"http://127\.0\.0\.1:{port}/x\.gz: .*refused.*network"):
        fetch(Source(f"http://127.0.0.1:{port}/x.gz"), tmp_path, tmp_path)


def test_a_web_page_is_no_data(server, tmp_path):
    server.script.content_type = "text/html; charset=utf-8"
    with pytest.raises(InputError, match="is a web page"):
        get(server, tmp_path)


@pytest.mark.parametrize("url", ["http://", "http://[broken/x", "http://host:port/x", "http://a b/x"])
def test_an_impossible_url_is_an_input_error(url, tmp_path):
    with pytest.raises(InputError):
        fetch(Source(url), tmp_path, tmp_path)


def test_secrets_of_a_url_are_not_shown(server, tmp_path):
    with pytest.raises(InputError) as caught:
        get(server, tmp_path, "/nothing.gz?token=secret")
    assert "secret" not in str(caught.value)
    assert download.shown("s3://user:pass@bucket/x?sig=1") == "s3://bucket/x"
    get(server, tmp_path, "/file.gz?token=secret")
    assert not any("secret" in name for name in leftovers(tmp_path))


def test_two_fetches_at_once_share_one_download(server, tmp_path):
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(get(server, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.read_bytes() for path in paths} == {CONTENT}
    whole = [1 for _, headers in server.script.requests if "If-None-Match" not in headers]
    assert len(whole) == 1


def test_an_unwritable_cache_names_the_folder(server, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cache: cannot keep downloads there"):
        get(server, tmp_path)


def test_a_catalogue_over_http(server, tmp_path):
    server.script.content = gzip.compress(b"{'asin': 'A', 'related': {'also_bought': ['B']}}\n")
    source = Source(server.url + "/file.gz?key=secret")
    catalog = read_catalog(source, tmp_path, tmp_path / "cache")
    assert catalog.products["product_id"].to_pylist() == ["A"]
    assert catalog.info["source"] == server.url + "/file.gz"
    assert catalog.info["fingerprint"] == hashlib.sha256(server.script.content).hexdigest()


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.pipe("/bucket/file.gz", CONTENT)
    yield fs
    with contextlib.suppress(FileNotFoundError):
        fs.rm("/bucket", recursive=True)


class CutFile:
    """A remote file that fails after ``limit`` bytes."""

    def __init__(self, file, limit):
        self.file, self.limit = file, limit

    def read(self, size):
        if self.limit <= 0:
            raise OSError("connection lost")
        chunk = self.file.read(min(size, self.limit))
        self.limit -= len(chunk)
        return chunk

    def seek(self, offset):
        self.file.seek(offset)

    def close(self):
        self.file.close()


def test_fsspec_download_cache_and_change(memory, tmp_path):
    source = Source("memory://bucket/file.gz")
    path = fetch(source, tmp_path, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    written = path.stat().st_mtime_ns
    assert fetch(source, tmp_path, tmp_path / "cache").stat().st_mtime_ns == written
    memory.pipe("/bucket/file.gz", OTHER)
    assert fetch(source, tmp_path, tmp_path / "cache").read_bytes() == OTHER


@pytest.mark.parametrize("changes", [False, True])
def test_fsspec_resumes_an_unchanged_file_only(memory, tmp_path, monkeypatch, changes):
    offsets, plain = [], type(memory).open

    def breaking(self, path, mode="rb", **options):
        file = plain(self, path, mode, **options)
        if mode != "rb":
            return file
        if offsets:
            monkeypatch.setattr(file, "seek", lambda at, seek=file.seek: (offsets.append(at), seek(at)))
            return file
        offsets.append(0)
        if changes:
            memory.pipe("/bucket/file.gz", OTHER)
        return CutFile(file, 100_000)

    monkeypatch.setattr(type(memory), "open", breaking)
    path = fetch(Source("memory://bucket/file.gz"), tmp_path, tmp_path / "cache")
    assert path.read_bytes() == (OTHER if changes else CONTENT)
    assert offsets == [0, 0 if changes else 100_000]


def test_fsspec_problems_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="memory://bucket/none: FileNotFoundError"):
        fetch(Source("memory://bucket/none"), tmp_path, tmp_path)
    with pytest.raises(InputError, match="nonsense://x: Protocol not known"):
        fetch(Source("nonsense://x"), tmp_path, tmp_path)


def test_local_files_are_used_in_place(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    file = raw / "a b.gz"
    file.write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    for path in ("a b.gz", str(file), file.as_uri()):
        assert fetch(Source(path, sha256=digest), raw, tmp_path / "cache") == file
    assert not (tmp_path / "cache").exists()


def test_a_missing_local_file_names_path_and_settings(tmp_path):
    with pytest.raises(InputError) as caught:
        fetch(Source("none.gz"), tmp_path / "raw", tmp_path)
    for part in (str(tmp_path / "raw" / "none.gz"), "RAW_DIR", "categories.yaml"):
        assert part in str(caught.value)
    with pytest.raises(InputError, match="is a folder"):
        fetch(Source("."), tmp_path, tmp_path)


def test_a_local_file_with_a_wrong_checksum_is_kept(tmp_path):
    (tmp_path / "x.gz").write_bytes(CONTENT)
    with pytest.raises(InputError, match=r"x\.gz: its SHA-256 is .* expects 0{64}"):
        fetch(Source("x.gz", sha256="0" * 64), tmp_path, tmp_path)
    assert (tmp_path / "x.gz").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": " "}, "no path"),
        ({"path": "x", "format": "json"}, "format 'json' is not one of auto, mcauley, pairs"),
        ({"path": "x", "sha256": "abc"}, "sha256 'abc' is not 64 hex digits"),
    ],
)
def test_impossible_sources_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Source(**options)


@pytest.mark.parametrize("heads", [True, False])
def test_the_state_of_a_remote_source_is_asked_for_without_loading_it(server, tmp_path, heads):
    server.script.heads = heads
    source = Source(f"{server.url}/file.gz", "pairs")
    first = state(source, tmp_path)
    assert first["source"]["etag"] == '"one"' and state(source, tmp_path) == first
    server.script.etag = '"two"'
    assert state(source, tmp_path) != first
    server.script.etag, server.script.content = None, OTHER
    assert state(source, tmp_path)["source"]["size"] == len(OTHER)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_tells_nothing_and_one_that_does_not_answer(server, tmp_path):
    server.script.etag, server.script.sends_length = None, False
    assert state(Source(f"{server.url}/file.gz", "pairs"), tmp_path) is None
    for url in (f"{server.url}/absent", "http://127.0.0.1:9/file.gz"):
        with pytest.raises(UnreachableError, match="cannot be asked"):
            state(Source(url, "pairs"), tmp_path)
    pinned = Source("http://127.0.0.1:9/file.gz", "pairs", sha256="A" * 64)  # not asked at all
    assert state(pinned, tmp_path)["source"]["sha256"] == "a" * 64


def test_the_state_of_a_local_source_follows_its_time_size_and_products_table(tmp_path):
    import os

    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "p.csv").write_text("y")
    source = Source("a.csv", "pairs", products="p.csv")
    states = [state(source, tmp_path)]
    assert state(source, tmp_path) == states[0]
    os.utime(tmp_path / "a.csv", ns=(1, 1))
    states.append(state(source, tmp_path))
    (tmp_path / "p.csv").write_text("yy")
    states.append(state(source, tmp_path))
    assert all(a != b for i, a in enumerate(states) for b in states[:i])
    (tmp_path / "p.csv").unlink()
    with pytest.raises(InputError, match=r"p.csv does not exist"):
        state(source, tmp_path)
