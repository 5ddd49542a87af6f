"""The endpoints: each answers one kind of request from the stored lists."""

import dataclasses
import math
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from core.serving import answers
from core.serving.answers import Ranked, Shop
from core.serving.versions import Versions
from orchestration.web.api import metrics, openapi, queries
from orchestration.web.api.errors import ApiError
from orchestration.web.api.forms import FORM, SLOT_NAMES, answer_bytes, encode
from orchestration.web.api.gate import TRUSTED, too_large
from orchestration.web.api.queries import MAX_BODY, SLOTS, Query

MAX_AGE = 60
"""Seconds for which a cache may keep an answer without asking again."""
_JSON = "application/json"


class Endpoints:
    """What the paths of the application answer.

    Args:
        versions: what is served.
        protected: whether requests must bear a token, so that no shared cache may keep answers.
    """

    def __init__(self, versions: Versions, protected: bool) -> None:
        self._versions, self._protected = versions, protected

    async def health(self, request: Request) -> Response:
        """Whether there are lists, and for those who may know, which versions."""
        shops = self._versions.all()
        status = 200 if shops else 503
        served = {shop.category: shop.version for shop in shops}
        content: dict[str, object] = {"status": "ok" if shops else "there are no lists yet"}
        if request.scope[TRUSTED]:
            content["versions"] = served
        return Response(encode(content), status, {"Cache-Control": "no-store"}, _JSON)

    async def product(self, request: Request) -> Response:
        """The list of a product."""
        parameters, slot = request.path_params, SLOTS[request.path_params["slot"]]
        shop = _shop(self._versions, parameters["category"])
        asked = queries.query(request.scope["query_string"], with_slot=False)
        _check_slot(shop, slot)
        node = shop.products.ids.find(parameters["product"])
        if node < 0:
            raise _unknown_product(shop, parameters["product"])
        headers = _cache_headers(shop, self._protected)
        if _is_current(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(None, 304, headers)
        ranked = _chosen(shop, answers.of_product(shop, slot, node), asked, float(shop.products.prices[node]))
        return Response(answer_bytes(shop, slot, ranked, node), 200, headers, _JSON)

    async def basket(self, request: Request) -> Response:
        """What goes with several products."""
        shop, asked, content = await _posted(request, self._versions, queries.Basket)
        nodes, unknown = _nodes(shop, content.products)
        if not nodes:
            raise _unknown_product(shop, unknown[0])
        return _posted_answer(shop, asked, answers.of_products(shop, asked.slot, nodes), unknown)

    async def customer(self, request: Request) -> Response:
        """What a customer may buy next, from recent events."""
        shop, asked, content = await _posted(request, self._versions, queries.Customer)
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

    async def new_product(self, request: Request) -> Response:
        """The list of a product that was never sold, from its description."""
        shop, asked, content = await _posted(request, self._versions, queries.NewProduct)
        ranked = answers.of_description(shop, asked.slot, content.brand, content.categories, content.title)
        price = math.nan if content.price is None else content.price
        return _posted_answer(shop, asked, ranked, [], price)

    async def measured(self, request: Request) -> Response:
        """The measurements, for Prometheus."""
        return Response(metrics.text(), 200, {"Cache-Control": "no-store", "Content-Type": metrics.CONTENT_TYPE})

    async def description(self, request: Request) -> Response:
        """The OpenAPI document."""
        return Response(encode(openapi.document()), media_type=_JSON)

    async def page(self, request: Request) -> Response:
        """The page that describes the API."""
        return Response(openapi.page(), media_type="text/html", headers={"Content-Security-Policy": openapi.POLICY})


def _shop(versions: Versions, category: str) -> Shop:
    shop = versions.get(category)
    if shop is None:
        raise ApiError(404, f"There are no lists of a category {category[:100]!r}.", "unknown_category")
    return shop


def _check_slot(shop: Shop, slot: str) -> None:
    if slot not in shop.lists.neighbours:
        there = ", ".join(SLOT_NAMES[name] for name in shop.lists.slots)
        message = f"{shop.category} has no lists {SLOT_NAMES[slot]!r}; it has {there}."
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
    content = answer_bytes(shop, asked.slot, _chosen(shop, ranked, asked, price), unknown=unknown)
    return Response(content, 200, {"Cache-Control": "no-store"}, _JSON)


def _cache_headers(shop: Shop, protected: bool) -> dict[str, str]:
    reach = "private" if protected else "public"
    return {"ETag": f'"{shop.version}.{FORM}"', "Cache-Control": f"{reach}, max-age={MAX_AGE}"}


def _is_current(asked: str | None, etag: str) -> bool:
    """Whether an ``If-None-Match`` header names the entity tag."""
    if asked is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return etag in tags or tags == ["*"]
