"""What a web page somewhere else may do with the Dagster UI's port: open the UI by a link, and nothing more.

Dagster's webserver runs mutations from a GET with a query string and from a form, asks neither where a request comes
from nor by what name it was called, and has no log-in. So any page that somebody opens could start runs. Here:

- ``Host`` must be a name that this server is known by; so a foreign name that points here (DNS rebinding) is none.
- What comes from another origin is refused, except for opening a page. Browsers say so themselves, in ``Origin`` and
  ``Sec-Fetch-Site``, which no page can change. Websockets are requests like others.
- What changes something is a POST with JSON, which a page cannot send elsewhere without asking first; GraphQL by GET
  may only read.
"""

import ipaddress
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import InputError

VARIABLE = "ALSOBOUGHT_HOSTS"
"""Names, separated by commas, by which the servers are called besides localhost: those of a proxy in front of them."""
LOCAL = ("localhost", "127.0.0.1", "[::1]")

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://(.*)")
_PORTS = {"http": 80, "https": 443}
_MOST_QUERY_BYTES = 32 << 20
_NO_PAGES = {
    "graphql", "logs", "notebook", "dagit", "download_debug", "report_asset_materialization", "report_asset_check",
    "report_asset_observation",
}  # fmt: skip
"""First parts of paths that answer with data: not for a link from elsewhere."""


class Authority(NamedTuple):
    """A host's name in lower case, IPv6 addresses in brackets, and its port if one was named."""

    name: str
    port: int | None


class Refusal(NamedTuple):
    """An HTTP status and a sentence that says why."""

    status: int
    sentence: str


def hosts(listed: str) -> list[str]:
    """The names in a value of :data:`VARIABLE`, checked, without those of this machine.

    Raises:
        InputError: an entry is no host name.
    """
    names = [entry.strip() for entry in listed.split(",") if entry.strip()]
    for name in names:
        if _authority(name) is None:
            raise InputError(
                f"{VARIABLE}: {name!r} is not a host name; name hosts without scheme and path, e.g. dagster.example.com"
            )
    return names


class WebGuard:
    """The layer around an ASGI application.

    Args:
        app: what is protected.
        known: names by which the server may be called besides those of this machine; with a port (``a.example:8443``)
            only with that one.
    """

    def __init__(self, app: ASGIApp, known: Iterable[str] = ()) -> None:
        self._app = app
        self._known = {found for name in (*LOCAL, *known) if (found := _authority(name)) is not None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None and scope["type"] == "http" and scope["method"] == "POST" and _is_graphql(scope):
            body = await _body(receive)
            refusal = _refused_body(body)
            receive = _again(body or b"", receive)
        if refusal is None:
            await self._app(scope, receive, _unframed(send) if scope["type"] == "http" else send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})  # before it is open: a plain 403
        else:
            await PlainTextResponse(refusal.sentence + "\n", refusal.status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        own = _authority(named[0]) if len(named) == 1 else None
        if own is None:
            return Refusal(400, "The request has no Host header, or one that is no host name.")
        if own not in self._known and Authority(own.name, None) not in self._known:
            return Refusal(403, f"This server is not known by that name; {VARIABLE} lists the names it has.")
        if _is_foreign(headers, own) and not _opens_a_page(scope, headers):
            return Refusal(403, "Pages of another origin may not use this server; only a link may open its pages.")
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            if scope["method"] != "POST" or not _is_json(headers):
                return Refusal(403, "What changes something is asked for by POST with Content-Type: application/json.")
        elif _is_graphql(scope) and not all(map(_only_reads, QueryParams(scope["query_string"]).getlist("query"))):
            return Refusal(403, "GraphQL by GET may only read; send mutations by POST with application/json.")
        return None


def _authority(text: str) -> Authority | None:
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    name, port = match[1].lower(), int(match[2]) if match[2] else None
    if name.startswith("["):
        try:
            name = f"[{ipaddress.IPv6Address(name[1:-1]).compressed}]"
        except ValueError:
            return None
    return Authority(name, port)


def _is_foreign(headers: Headers, own: Authority) -> bool:
    if any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site")):
        return True
    for text in headers.getlist("origin"):
        match = _ORIGIN.fullmatch(text)
        origin = _authority(match[2]) if match else None
        if match is None or origin is None:  # "null" too: a page without an origin of its own
            return True
        default = _PORTS[match[1]]
        if (origin.name, origin.port or default) != (own.name, own.port or default):
            return True
    return False


def _opens_a_page(scope: Scope, headers: Headers) -> bool:
    """Whether a browser follows a link in a window of its own: what it gets is shown to the user, not to the page."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and "origin" not in headers
        and not _NO_PAGES.intersection(_parts(scope)[:1])
    )


def _parts(scope: Scope) -> list[str]:
    """The path's parts; white space counts for nothing, because a route's ``$`` lets a line feed pass."""
    return [part.strip().lower() for part in scope["path"].split("/") if part.strip()]


def _is_graphql(scope: Scope) -> bool:
    return "graphql" in _parts(scope)


def _is_json(headers: Headers) -> bool:
    kinds = headers.getlist("content-type")
    return len(kinds) == 1 and kinds[0].partition(";")[0].strip().lower() == "application/json"


def _only_reads(query: str) -> bool:
    """False also for what cannot be parsed: in doubt it is a mutation."""
    try:
        operations = [part for part in parse(query).definitions if isinstance(part, OperationDefinitionNode)]
    except (GraphQLError, RecursionError):
        return False
    return all(operation.operation is OperationType.QUERY for operation in operations)


async def _body(receive: Receive) -> bytes | None:
    """The request's body, None if it is too long; what a client that went away has sent is none."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MOST_QUERY_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return bytes(body)


def _refused_body(body: bytes | None) -> Refusal | None:
    if body is None:
        return Refusal(413, f"A GraphQL request may have {_MOST_QUERY_BYTES:,} bytes.")
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(400, "The request is no JSON.")
    if not isinstance(content, dict):
        return Refusal(403, "A GraphQL request is one JSON object; batches are not taken.")
    return None


def _again(body: bytes, receive: Receive) -> Receive:
    """The request's messages once more: the body, then what really comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def once_more() -> Message:
        return waiting.pop() if waiting else await receive()

    return once_more


def _unframed(send: Send) -> Send:
    """Answers that no other page may show in a frame, under what it has its visitors click on."""

    async def with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return with_header
