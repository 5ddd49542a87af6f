"""The application: endpoints over the stored lists of all categories."""

import contextlib
import dataclasses
import logging
import math
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.recommendations.form import SOURCES
from core.serving import answers
from core.serving.answers import Ranked, Shop
from core.serving.columns import drop_pages
from core.serving.prepared import Card
from core.serving.versions import Versions
from orchestration.web.api import errors, metrics, openapi, queries
from orchestration.web.api.errors import ApiError
from orchestration.web.api.gate import TRUSTED, Gate, too_large
from orchestration.web.api.queries import MAX_BODY, SLOTS, Query

_LOG = logging.getLogger(__name__)
FORM = "1"
"""Raised whenever the same version gives other bytes, so that caches fetch them."""
MAX_AGE = 60
"""Seconds for which a cache may keep an answer without asking again."""
_PAGES_SECONDS = 1.0
_PAGES_BYTES = 192 << 20
"""Bytes of mapped files that may be in a worker's memory, its libraries included; looked at every second."""
_NAMES = {name: spelled for spelled, name in SLOTS.items()}
_SOURCES = [name.encode() for name in SOURCES]
_JSON = "application/json"


class _AnyId(Convertor[str]):
    """An id in a path, which may contain slashes and line feeds."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


CONVERTOR_TYPES["product"] = _AnyId()


class Entry(Card, omit_defaults=True, kw_only=True):
    """An entry of a list."""

    rank: int
    score: float | None
    source: str
    because: str | None = None


class Answer(msgspec.Struct, omit_defaults=True):
    """A list. This describes the answers; :func:`_answer` writes them from what is prepared of each product."""

    category: str
    version: str
    slot: str
    items: list[Entry]
    asked: Card | None = None
    unknown: list[str] = []


_encode = msgspec.json.Encoder().encode


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

        def watch() -> None:
            while not stopped.wait(refresh_seconds):
                try:
                    refresh(versions)
                except Exception:  # the old version stays served whatever happens
                    _LOG.exception("looking for new versions failed")

        def keep_small() -> None:
            while not stopped.wait(_PAGES_SECONDS):
                drop_pages(_PAGES_BYTES)

        refresh(versions)
        if refresh_seconds is not None:
            threading.Thread(target=watch, daemon=True).start()
            threading.Thread(target=keep_small, daemon=True).start()
        yield
        stopped.set()

    async def health(request: Request) -> Response:
        shops = versions.all()
        status = 200 if shops else 503
        served = {shop.category: shop.version for shop in shops}
        content: dict[str, object] = {"status": "ok" if shops else "there are no lists yet"}
        if request.scope[TRUSTED]:
            content["versions"] = served
        return Response(_encode(content), status, {"Cache-Control": "no-store"}, _JSON)

    async def product(request: Request) -> Response:
        parameters, slot = request.path_params, SLOTS[request.path_params["slot"]]
        shop = _shop(versions, parameters["category"])
        asked = queries.query(request.scope["query_string"], with_slot=False)
        _check_slot(shop, slot)
        node = shop.products.ids.find(parameters["product"])
        if node < 0:
            raise _unknown_product(shop, parameters["product"])
        headers = _cache_headers(shop, secret is not None)
        if _is_current(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(None, 304, headers)
        ranked = _chosen(shop, answers.of_product(shop, slot, node), asked, float(shop.products.prices[node]))
        return Response(_answer(shop, slot, ranked, node), 200, headers, _JSON)

    async def basket(request: Request) -> Response:
        shop, asked, content = await _posted(request, versions, queries.Basket)
        nodes, unknown = _nodes(shop, content.products)
        if not nodes:
            raise _unknown_product(shop, unknown[0])
        return _posted_answer(shop, asked, answers.of_products(shop, asked.slot, nodes), unknown)

    async def customer(request: Request) -> Response:
        shop, asked, content = await _posted(request, versions, queries.Customer)
        times = [event.time for event in content.events if event.time is not None]
        events = content.events
        if times:
            if len(times) < len(events):
                message = "Either all events have a time, or none has one and the earliest stands first."
                raise ApiError(422, message, "invalid_body")
            events = sorted(events, key=lambda event: event.time or 0.0)
        nodes, unknown = _nodes(shop, [event.product for event in reversed(events)])
        return _posted_answer(
            shop, asked, answers.of_products(shop, asked.slot, nodes[: answers.HISTORY], answers.RECENCY), unknown
        )

    async def new_product(request: Request) -> Response:
        shop, asked, content = await _posted(request, versions, queries.NewProduct)
        ranked = answers.of_description(shop, asked.slot, content.brand, content.categories, content.title)
        price = math.nan if content.price is None else content.price
        return _posted_answer(shop, asked, ranked, [], price)

    async def measured(request: Request) -> Response:
        return Response(metrics.text(), 200, {"Cache-Control": "no-store", "Content-Type": metrics.CONTENT_TYPE})

    async def description(request: Request) -> Response:
        return Response(_encode(openapi.document()), media_type=_JSON)

    async def page(request: Request) -> Response:
        return Response(openapi.page(), media_type="text/html", headers={"Content-Security-Policy": openapi.POLICY})

    base = "/v1/{category}"
    routes = [
        *(
            Route(f"{base}/products/{{product:product}}/{slot}", _with_slot(product, slot), methods=["GET"])
            for slot in SLOTS
        ),
        Route(f"{base}/basket", basket, methods=["POST"]),
        Route(f"{base}/customer", customer, methods=["POST"]),
        Route(f"{base}/new-product", new_product, methods=["POST"]),
        Route("/health", health, methods=["GET"]),
        Route("/metrics", measured, methods=["GET"]),
        Route("/openapi.json", description, methods=["GET"]),
        Route("/", page, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Gate, secret, known)],
        exception_handlers={
            ApiError: errors.on_api_error, HTTPException: errors.on_http_error, Exception: errors.on_failure,
        },
    )  # fmt: skip
    app.router.redirect_slashes = False
    return app


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


def _shop(versions: Versions, category: str) -> Shop:
    shop = versions.get(category)
    if shop is None:
        raise ApiError(404, f"There are no lists of a category {category[:100]!r}.", "unknown_category")
    return shop


def _check_slot(shop: Shop, slot: str) -> None:
    if slot not in shop.lists.neighbours:
        there = ", ".join(_NAMES[name] for name in shop.lists.slots)
        message = f"{shop.category} has no lists {_NAMES[slot]!r}; it has {there}."
        raise ApiError(404, message, "unknown_slot")


def _unknown_product(shop: Shop, product: str) -> ApiError:
    return ApiError(404, f"There is no product {product[:100]!r} in {shop.category}.", "unknown_product")


async def _posted(request: Request, versions: Versions, kind: type[queries._Body]) -> tuple[Shop, Query, queries._Body]:
    content = queries.body(await _body(request), kind)
    asked = queries.query(request.scope["query_string"], with_slot=True)
    # After the body has arrived, which may take a while: from here on nothing is awaited.
    shop = _shop(versions, request.path_params["category"])
    _check_slot(shop, asked.slot)
    return shop, asked, content


async def _body(request: Request) -> bytes:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY:
            raise too_large()
    return bytes(content)


def _nodes(shop: Shop, products: Sequence[str]) -> tuple[list[int], list[str]]:
    """Distinct nodes in their order, and the ids that are unknown."""
    found = {product: shop.products.ids.find(product) for product in products}
    return [node for node in found.values() if node >= 0], [name for name, node in found.items() if node < 0]


def _chosen(shop: Shop, ranked: Ranked, asked: Query, price: float) -> Ranked:
    rules = asked.rules
    if asked.exclude:
        nodes, _ = _nodes(shop, asked.exclude)
        rules = dataclasses.replace(rules, exclude=nodes)
    return answers.chosen(shop, ranked, rules, price, asked.k)


def _posted_answer(shop: Shop, asked: Query, ranked: Ranked, unknown: list[str], price: float = math.nan) -> Response:
    content = _answer(shop, asked.slot, _chosen(shop, ranked, asked, price), unknown=unknown)
    return Response(content, 200, {"Cache-Control": "no-store"}, _JSON)


def _answer(shop: Shop, slot: str, ranked: Ranked, asked: int = -1, unknown: Sequence[str] = ()) -> bytes:
    """The JSON of an :class:`Answer`, for the product ``asked`` if there is one."""
    products = shop.products
    items = []
    for place, node in enumerate(ranked.nodes):
        score, cause = ranked.scores[place], -1 if ranked.because is None else ranked.because[place]
        because = b"" if cause < 0 else b',"because":' + _encode(products.ids[cause])
        text = b"%.6g" % score if math.isfinite(score) else b"null"
        items.append(b'{"rank":%d,%b,"score":%b,"source":"%b"%b}' % (
            place + 1, products.cards.raw(node), text, _SOURCES[ranked.sources[place]], because,
        ))  # fmt: skip
    head = _encode({"category": shop.category, "version": shop.version, "slot": _NAMES[slot]})[:-1]
    about = b"" if asked < 0 else b',"asked":{' + products.cards.raw(asked) + b"}"
    missing = b',"unknown":' + _encode(unknown) if unknown else b""
    return b'%b%b%b,"items":[%b]}' % (head, about, missing, b",".join(items))


def _cache_headers(shop: Shop, protected: bool) -> dict[str, str]:
    reach = "private" if protected else "public"
    return {"ETag": f'"{shop.version}.{FORM}"', "Cache-Control": f"{reach}, max-age={MAX_AGE}"}


def _is_current(asked: str | None, etag: str) -> bool:
    """Whether an ``If-None-Match`` header names the entity tag."""
    if asked is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return etag in tags or tags == ["*"]
