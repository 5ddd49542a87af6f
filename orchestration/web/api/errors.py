"""Errors of the API: a status, a stable code for programs, and a sentence for people."""

from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

CODES = {
    401: "unauthorized",
    403: "wrong_host",
    404: "unknown_path",
    405: "method_not_allowed",
    413: "body_too_large",
    422: "invalid_request",
    500: "internal_error",
    503: "not_ready",
}
"""Status → the code of its errors, unless the error names a more precise one."""


class ApiError(Exception):
    """A request that cannot be answered.

    Args:
        status: of HTTP.
        message: a sentence.
        code: stable name of the error; that of the status by default.
        headers: headers of the response.
    """

    def __init__(
        self, status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code or CODES[status], headers


def response(error: ApiError) -> Response:
    """The error as JSON."""
    body = msgspec.json.encode({"error": {"code": error.code, "message": error.message}})
    return Response(body, error.status, {"Cache-Control": "no-store", **(error.headers or {})}, "application/json")


async def on_api_error(request: Request, error: Exception) -> Response:
    """Handler for errors that the API raises."""
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this class only
    return response(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Handler for Starlette's own errors: a path without an endpoint, or another method than that of the endpoint."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        allowed = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
        message = f"{request.method} is not possible here; use {allowed or 'another method'}."
        return response(ApiError(405, message, headers={"Allow": allowed} if allowed else None))
    return response(ApiError(404, "There is nothing at this path; /openapi.json lists all paths."))


async def on_failure(request: Request, error: Exception) -> Response:
    """Handler for everything else; the server logs the error."""
    return response(ApiError(500, "The server failed to answer this request; its log says why."))
