"""The application: the endpoints at their paths, behind the gate, and the thread that looks for new versions."""

import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence

from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.serving.columns import drop_pages
from core.serving.versions import Versions
from orchestration.web.api import errors, metrics
from orchestration.web.api.endpoints import Endpoints
from orchestration.web.api.errors import ApiError
from orchestration.web.api.gate import Gate
from orchestration.web.api.queries import SLOTS

_LOG = logging.getLogger(__name__)
_PAGES_SECONDS = 1.0
_PAGES_BYTES = 192 << 20
"""Bytes of mapped files that may be in a worker's memory, its libraries included; looked at every second."""


class _AnyId(Convertor[str]):
    """An id in a path, which may contain slashes and line feeds."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


CONVERTOR_TYPES["product"] = _AnyId()


def create(
    versions: Versions, secret: str | None = None, known: Sequence[str] = (), refresh_seconds: float | None = None
) -> Starlette:
    """The ASGI application.

    Args:
        versions: what is served. Its first refresh is awaited before requests are.
        secret: the token that requests must bear; see :class:`Gate`.
        known: names of this machine besides those of localhost.
        refresh_seconds: a thread looks for new versions after this time, again and again; None starts no thread.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        stopped = threading.Event()
        refresh(versions)
        if refresh_seconds is not None:
            threading.Thread(target=_watch, args=(versions, refresh_seconds, stopped), daemon=True).start()
            threading.Thread(target=_keep_small, args=(stopped,), daemon=True).start()
        yield
        stopped.set()

    app = Starlette(
        routes=_routes(Endpoints(versions, protected=secret is not None)),
        lifespan=lifespan,
        middleware=[Middleware(Gate, secret, known)],
        exception_handlers={
            ApiError: errors.on_api_error, HTTPException: errors.on_http_error, Exception: errors.on_failure,
        },
    )  # fmt: skip
    app.router.redirect_slashes = False
    return app


def _routes(endpoints: Endpoints) -> list[Route]:
    base = "/v1/{category}"
    return [
        *(
            Route(f"{base}/products/{{product:product}}/{slot}", _with_slot(endpoints.product, slot), methods=["GET"])
            for slot in SLOTS
        ),
        Route(f"{base}/basket", endpoints.basket, methods=["POST"]),
        Route(f"{base}/customer", endpoints.customer, methods=["POST"]),
        Route(f"{base}/new-product", endpoints.new_product, methods=["POST"]),
        Route("/health", endpoints.health, methods=["GET"]),
        Route("/metrics", endpoints.measured, methods=["GET"]),
        Route("/openapi.json", endpoints.description, methods=["GET"]),
        Route("/", endpoints.page, methods=["GET"]),
    ]


def _watch(versions: Versions, seconds: float, stopped: threading.Event) -> None:
    while not stopped.wait(seconds):
        try:
            refresh(versions)
        except Exception:  # the old version stays served whatever happens
            _LOG.exception("looking for new versions failed")


def _keep_small(stopped: threading.Event) -> None:
    while not stopped.wait(_PAGES_SECONDS):
        drop_pages(_PAGES_BYTES)


def refresh(versions: Versions) -> None:
    """Look for new versions, and note which ones are served."""
    versions.refresh()
    for shop in versions.all():
        metrics.taken_up(shop.category, shop.created)


def _with_slot(endpoint: Callable, slot: str) -> Callable:
    """The endpoint of one slot, with a name of its own in the metrics."""

    async def of_slot(request: Request) -> Response:
        request.path_params["slot"] = slot
        answer: Response = await endpoint(request)
        return answer

    of_slot.__name__ = slot.replace("-", "_")
    return of_slot
