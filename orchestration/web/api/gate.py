"""What stands before every endpoint: the token or the host's name, the size of bodies, and the counters."""

import hmac
import os
import re
import time
from collections.abc import Iterable
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import InputError
from orchestration.web.api import metrics
from orchestration.web.api.errors import ApiError, response
from orchestration.web.api.queries import MAX_BODY
from orchestration.web.host_names import LOCAL, VARIABLE, Authority, authority

TOKEN = "ALSOBOUGHT_API_TOKEN"  # noqa: S105 - the name of the variable
"""Environment variable with the token that requests must bear; without it only this machine can be served."""
_TOKEN = re.compile(r"[\x21-\x7e]{16,}")

OPEN = ("/health",)
"""Paths that need no token, for load balancers."""


def token() -> str | None:
    """The token from the environment; None if it is not set.

    Raises:
        InputError: it is too short, or has characters that a header cannot carry. The message does not show it.
    """
    value = os.environ.get(TOKEN) or None
    if value is not None and not _TOKEN.fullmatch(value):
        raise InputError(f"{TOKEN} must have at least 16 characters, which are visible ASCII characters")
    return value


TRUSTED = "alsobought.trusted"
"""Key of a request's scope: whether it bears the token, or needs none."""


class Gate:
    """A layer around the application.

    Args:
        app: the application.
        secret: the token that requests must bear. None lets everybody in who names this machine by a name of its own;
            a page whose foreign name was made to resolve to this machine (DNS rebinding) does not.
        known: names of this machine besides those of localhost.
    """

    def __init__(self, app: ASGIApp, secret: str | None, known: Iterable[str] = ()) -> None:
        self._app = app
        self._bearer = None if secret is None else f"Bearer {secret}".encode()
        self._known = {name for text in (*LOCAL, *known) if (name := authority(text)) is not None}

        self._is_own = lru_cache(100)(self._names_this_machine)

    def _names_this_machine(self, host: bytes) -> bool:
        own = authority(host.decode("latin-1"))
        return own is not None and (own in self._known or Authority(own.name, None) in self._known)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await response(refusal)(scope, receive, noting)
            else:
                await self._app(scope, receive, noting)
        finally:
            endpoint = getattr(scope.get("endpoint"), "__name__", "none")
            metrics.answered(endpoint, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> ApiError | None:
        host, bearer = b"", b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"authorization":
                bearer = value
            elif name == b"content-length" and (not value.isdigit() or len(value) > 9 or int(value) > MAX_BODY):
                return too_large()
        if self._bearer is None:
            if not self._is_own(host):
                message = f"This server does not have the name that the request uses; set {VARIABLE} to its names."
                return ApiError(403, message)
            scope[TRUSTED] = True
            return None
        scope[TRUSTED] = hmac.compare_digest(bearer, self._bearer)
        if not scope[TRUSTED] and scope["path"] not in OPEN:
            message = "The request must have the header 'Authorization: Bearer' with the token of this server."
            return ApiError(401, message, headers={"WWW-Authenticate": "Bearer"})
        return None


def too_large() -> ApiError:
    """The error for a body beyond the limit."""
    return ApiError(413, f"A body may have at most {MAX_BODY:,} bytes.", headers={"Connection": "close"})
