"""Files behind http and https: where a request may go, with which credentials, and what the answers mean."""

import contextlib
import functools
import http.client
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from core.catalog.sources import credentials
from core.catalog.sources.remote import Opened, Stamp
from core.errors import InputError
from core.untrusted import hosts
from core.untrusted.hosts import Reach
from core.untrusted.urls import scrubbed, shown

BY_HAND = "or fetch the file by other means and name the local file as the category's source in categories.yaml"
_TIMEOUT = 60.0
_QUICK_TIMEOUT = 10.0  # for asking for a file's state, which must not keep anybody waiting
_QUICK_SECONDS = 30.0  # for the whole of it, as a server may answer one byte at a time
_NUMBER = re.compile(r"[0-9]{1,18}")


class Web:
    """A file behind http or https; redirects are followed.

    Args:
        url: of the file.
        deadline: moment of ``time.monotonic`` at which every connection is closed; None for none.
    """

    def __init__(self, url: str, deadline: float | None = None) -> None:
        self.url = url
        self._deadline = deadline
        self._reach: Reach | None = None
        """How far the source itself reaches, from the first connection to it on."""
        self._timers: list[threading.Timer] = []

    def open(self, offset: int, known: Stamp) -> Opened:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and known.validator:
            headers["If-Range"] = known.validator
        try:
            response = self._request(headers)
        except urllib.error.HTTPError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
                return self.open(0, Stamp())
            raise
        if response.headers.get_content_type() == "text/html":
            response.close()
            raise InputError(
                f"{shown(self.url)}: is a web page, not a data file; name the file's own address, {BY_HAND}"
            )
        stamp = _http_stamp(response)
        if response.status != http.client.PARTIAL_CONTENT:
            return Opened(_Arriving(response, self._stop_timers), 0, stamp)
        if not offset:
            response.close()
            raise ConnectionError("the server sent a part of the file though the whole was asked for")
        start, total = _content_range(response)
        stamp = Stamp(total, stamp.etag, stamp.modified)
        if start != offset or stamp.validator != known.validator or known.size not in (None, total):
            response.close()  # another file, sent by a server that takes no notice of If-Range
            return self.open(0, Stamp())
        return Opened(_Arriving(response, self._stop_timers), offset, stamp)

    def unchanged(self, known: Stamp) -> bool:
        headers = {"If-None-Match": known.etag} if known.etag else {}
        if known.modified:
            headers["If-Modified-Since"] = known.modified
        try:
            with self._request(headers) as response:
                return _http_stamp(response) == known
        except urllib.error.HTTPError as error:
            if error.code == http.client.NOT_MODIFIED:
                return True
            raise
        finally:
            self._stop_timers()

    def stamp(self) -> Stamp:
        deadline = time.monotonic() + _QUICK_SECONDS
        try:
            with self._request({}, "HEAD", _QUICK_TIMEOUT, deadline) as response:
                return _http_stamp(response)
        except (InputError, urllib.error.HTTPError):
            # Some servers know no HEAD; the answer to GET is closed before its content is read.
            with self._request({}, "GET", _QUICK_TIMEOUT, deadline) as response:
                return _http_stamp(response)
        finally:
            self._stop_timers()

    def _request(
        self, headers: dict[str, str], method: str = "GET", timeout: float = _TIMEOUT, deadline: float | None = None
    ) -> Any:
        with contextlib.ExitStack() as failed:
            failed.callback(self._stop_timers)
            response = self._answer(headers, method, timeout, deadline or self._deadline)
            failed.pop_all()
            return response

    def _answer(self, headers: dict[str, str], method: str, timeout: float, deadline: float | None) -> Any:
        headers = {"User-Agent": "alsobought", "Accept-Encoding": "identity", **headers}
        try:
            url = credentials.without_user(self.url)
            request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 (http(s) only)
            self.authorize(request)
            doors = [_Plain(self, deadline), _Secure(self, deadline)]
            return urllib.request.build_opener(_Redirects(self), *doors).open(request, timeout=timeout)
        except InputError:
            raise
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (304, 408, 416, 429) or error.code >= 500:
                raise
            remedy = f"Check the address in categories.yaml, {BY_HAND}"
            if error.code in (401, 403):
                remedy = (
                    f"User and password are taken from ~/.netrc or {credentials.VARIABLE}; check them. Or fetch the "
                    "file by other means and name the local file as the category's source in categories.yaml"
                )
            answer = scrubbed(f"{error.code} {error.reason}", self.url)
            raise InputError(f"{shown(self.url)}: the server answered {answer}. {remedy}") from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                remedy = "Check the machine's clock and certificates"
                reason = scrubbed(error.reason.verify_message, self.url)
                raise InputError(f"{shown(self.url)}: {reason}. {remedy}, {BY_HAND}") from None
            raise
        except (KeyError, ValueError, http.client.InvalidURL) as error:
            reason = scrubbed(str(error), self.url)
            raise InputError(
                f"{shown(self.url)}: is not a valid URL ({reason}); correct it in categories.yaml"
            ) from None

    def authorize(self, request: urllib.request.Request) -> None:
        """Send the source's credentials along, to its own host only. urllib does not take them over to a redirect."""
        asked, own = credentials.origin(request.full_url), credentials.origin(self.url)
        value = credentials.authorization(self.url) if asked == own or asked.is_upgrade_of(own) else None
        if value is not None:
            request.add_unredirected_header("Authorization", value)

    def admit(self, host: str, reach: Reach) -> None:
        """Let a connection to a host with such an address through.

        What the source itself is, may be asked: a team's file server is in a private network. A source outside must not
        send this machine to what only it can reach, by a redirect or by a name that changes its address.

        Raises:
            InputError: the host may not be asked.
        """
        if self._reach is None and host.lower() == (urlsplit(self.url).hostname or "").lower():
            self._reach = reach
        if reach > (self._reach or Reach.PUBLIC):
            raise InputError(
                f"{shown(self.url)}: leads to {host}, an address inside a private network, which a source may do only "
                f"if it is there itself. Nothing was sent there. Check the address in categories.yaml, {BY_HAND}"
            )

    def close_at(self, deadline: float, connected: socket.socket) -> None:
        """Close a connection at a moment: nothing else ends an answer that comes byte by byte, as each byte starts
        the socket's timeout again."""

        def close() -> None:
            with contextlib.suppress(OSError):  # it is closed already
                connected.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(max(0.0, deadline - time.monotonic()), close)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _stop_timers(self) -> None:
        while self._timers:
            self._timers.pop().cancel()


class _Arriving:
    """An answer's content as it arrives: a slow server's bytes are not waited for until there are many of them."""

    def __init__(self, response: http.client.HTTPResponse, closed: Callable[[], None]) -> None:
        self._response = response
        self._closed = closed

    def read(self, size: int, /) -> bytes:
        return self._response.read1(size)

    def close(self) -> None:
        self._response.close()
        self._closed()


class _Connection(http.client.HTTPConnection):
    """A connection that is closed at a deadline, and checks addresses before it connects.

    Args:
        web: the file that it is for.
        deadline: moment of ``time.monotonic``, or None.
        checked: whether addresses are checked.
    """

    def __init__(self, *arguments: Any, web: Web, deadline: float | None, checked: bool, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._web = web
        self._deadline = deadline
        if checked:
            self._create_connection = self._connect_checked

    def connect(self) -> None:
        super().connect()
        if self._deadline is not None:
            self._web.close_at(self._deadline, self.sock)

    def _connect_checked(self, address: tuple[str, int], timeout: float, _source: Any = None) -> socket.socket:
        host, port = address
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self._web.admit(host, max(hosts.reach(str(where[0])) for *_, where in addresses))
        error: OSError | None = None
        for family, kind, protocol, _, where in addresses:
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(timeout)
                connection.connect(where)
                return connection
            except OSError as refused:
                connection.close()
                error = refused
        raise error or OSError(f"{host} has no address")


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    """The same over https."""


class _Door(urllib.request.AbstractHTTPHandler):
    """Opens checked connections. A proxy looks names up itself: behind one only what is spelled out can be checked."""

    def __init__(self, web: Web, deadline: float | None, **options: Any) -> None:
        super().__init__(**options)
        self._web = web
        self._deadline = deadline

    def _open(self, kind: type[_Connection], request: urllib.request.Request, **options: Any) -> Any:
        proxied = request.has_proxy() or getattr(request, "_tunnel_host", None) is not None
        if proxied:
            host = urlsplit(request.full_url).hostname or ""
            address = hosts.spelled_address(host)
            if address is not None or not hosts.is_public(host):
                self._web.admit(host, Reach.PRIVATE if address is None else hosts.reach(address))
        connection = functools.partial(kind, web=self._web, deadline=self._deadline, checked=not proxied)
        return self.do_open(connection, request, **options)


class _Plain(_Door, urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self._open(_Connection, req)


class _Secure(_Door, urllib.request.HTTPSHandler):
    def __init__(self, web: Web, deadline: float | None) -> None:
        super().__init__(web, deadline, context=ssl.create_default_context())

    def https_open(self, req: urllib.request.Request) -> Any:
        return self._open(_SecureConnection, req, context=self._context)  # type: ignore[attr-defined]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects from http or https to http or https, never from https to http."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        fp.close()  # its text is of no use, and urllib would read all of it
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type, scheme) == ("https", "http"):
            raise InputError(
                f"{shown(self._web.url)}: the server sends on from {req.type} to {scheme}, which is not followed. "
                f"Name the file's final address in categories.yaml, {BY_HAND}"
            )
        following = super().redirect_request(req, fp, code, msg, headers, credentials.without_user(newurl))
        if following is not None:
            self._web.authorize(following)
        return following


def _http_stamp(response: Any) -> Stamp:
    length = response.headers.get("Content-Length", "")
    size = int(length) if _NUMBER.fullmatch(length) else None
    return Stamp(size, _line(response, "ETag"), _line(response, "Last-Modified"))


def _line(response: Any, name: str) -> str | None:
    """A header that can be sent back to the server; None for one that cannot (it was folded, or is not plain text)."""
    value = response.headers.get(name)
    return value if value and value.isascii() and value.isprintable() else None


def _content_range(response: Any) -> tuple[int | None, int | None]:
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def retry_after(error: Exception) -> float:
    """Seconds that a server asks to be left alone for; 0 if it says nothing, or not in seconds."""
    headers = getattr(error, "headers", None)
    value = headers.get("Retry-After", "") if headers else ""
    return float(value) if _NUMBER.fullmatch(value) else 0.0
