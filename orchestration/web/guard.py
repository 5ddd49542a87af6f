"""The guard of the Dagster UI's port: a web page of another origin may open the UI by a link, and nothing more.

Dagster's webserver runs mutations from a GET with a query string and from a form. It checks neither the origin nor the
host name of a request, and it has no login. So any page that somebody opens could start runs. This guard requires:

- ``Host`` is a name of this server. A foreign name that resolves to this machine (DNS rebinding) is refused.
- A request from another origin only opens a page. Browsers name the origin in ``Origin`` and ``Sec-Fetch-Site``, which
  no page can change. WebSockets are checked like other requests.
- A request that changes something is a POST with JSON, which a page cannot send to another origin without a preflight.
  GraphQL by GET only reads.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestration.web.host_names import LOCAL, VARIABLE, Authority, authority

_ORIGIN = re.compile(r"(https?)://(.*)")
_PORTS = {"http": 80, "https": 443}
_MAX_QUERY_BYTES = 32 << 20
_DATA_PATHS = {
    "graphql", "logs", "notebook", "dagit", "download_debug", "report_asset_materialization", "report_asset_check",
    "report_asset_observation",
}  # fmt: skip
"""First parts of the paths that return data; a link from another origin must not open them."""


class Refusal(NamedTuple):
    """An HTTP status and a sentence that says why."""

    status: int
    sentence: str


class WebGuard:
    """A layer around an ASGI application.

    Args:
        app: the application to protect.
        known: host names of the server besides those of this machine. A name with a port (``a.example:8443``) is valid
            with that port only.
    """

    def __init__(self, app: ASGIApp, known: Iterable[str] = ()) -> None:
        self._app = app
        self._known = {known_name for name in (*LOCAL, *known) if (known_name := authority(name)) is not None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None and scope["type"] == "http" and scope["method"] == "POST" and _is_graphql(scope):
            body = await _body(receive)
            refusal = _refused_body(body)
            receive = _replay(body or b"", receive)
        if refusal is None:
            await self._app(scope, receive, _unframed(send) if scope["type"] == "http" else send)
        elif scope["type"] == "websocket":
            await send(
                {"type": "websocket.close", "code": 1008, "reason": ""}
            )  # before it is accepted, so the client sees a 403
        else:
            await PlainTextResponse(refusal.sentence + "\n", refusal.status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        own = authority(named[0]) if len(named) == 1 else None
        if own is None:
            return Refusal(400, "The request has no Host header, or one that is not a host name.")
        if own not in self._known and Authority(own.name, None) not in self._known:
            return Refusal(403, f"This server does not have that name; set {VARIABLE} to the names that it has.")
        if _is_foreign(headers, own) and not _opens_a_page(scope, headers):
            return Refusal(403, "A page of another origin may not use this server; it may only link to its pages.")
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            if scope["method"] != "POST" or not _is_json(headers):
                return Refusal(403, "Requests that change something must be POST with Content-Type: application/json.")
        elif _is_graphql(scope) and not all(map(_only_reads, QueryParams(scope["query_string"]).getlist("query"))):
            return Refusal(403, "GraphQL by GET may only read; send mutations by POST with application/json.")
        return None


def _is_foreign(headers: Headers, own: Authority) -> bool:
    if any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site")):
        return True
    for text in headers.getlist("origin"):
        match = _ORIGIN.fullmatch(text)
        origin = authority(match[2]) if match else None
        if match is None or origin is None:  # "null" too, which a page without an origin sends
            return True
        default = _PORTS[match[1]]
        if (origin.name, origin.port or default) != (own.name, own.port or default):
            return True
    return False


def _opens_a_page(scope: Scope, headers: Headers) -> bool:
    """Whether a browser follows a link in a window. The user sees the answer; the page with the link cannot read it."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and "origin" not in headers
        and not _DATA_PATHS.intersection(_parts(scope)[:1])
    )


def _parts(scope: Scope) -> list[str]:
    """The path's parts without white space, because the ``$`` of a route also matches before a line feed."""
    return [part.strip().lower() for part in scope["path"].split("/") if part.strip()]


def _is_graphql(scope: Scope) -> bool:
    return "graphql" in _parts(scope)


def _is_json(headers: Headers) -> bool:
    kinds = headers.getlist("content-type")
    return len(kinds) == 1 and kinds[0].partition(";")[0].strip().lower() == "application/json"


def _only_reads(query: str) -> bool:
    """Whether a GraphQL query contains no mutation. A text that cannot be parsed counts as one."""
    try:
        operations = [part for part in parse(query).definitions if isinstance(part, OperationDefinitionNode)]
    except (GraphQLError, RecursionError):
        return False
    return all(operation.operation is OperationType.QUERY for operation in operations)


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None if it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MAX_QUERY_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return bytes(body)


def _refused_body(body: bytes | None) -> Refusal | None:
    if body is None:
        return Refusal(413, f"A GraphQL request may have at most {_MAX_QUERY_BYTES:,} bytes.")
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(400, "The request is not valid JSON.")
    if not isinstance(content, dict):
        return Refusal(403, "A GraphQL request must be one JSON object; batches are not accepted.")
    return None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Receive the request's body once more, then the messages that follow it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _unframed(send: Send) -> Send:
    """Send answers that no page of another origin can show in a frame, where it could trick people into clicks."""

    async def with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return with_header
