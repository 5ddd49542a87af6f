"""The description of the API in OpenAPI's form, and a page that shows it without anything from elsewhere."""

import html
from functools import cache
from typing import Any

from orchestration.web.api import queries
from orchestration.web.api.errors import CODES
from orchestration.web.api.queries import SLOTS

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What the page may load: nothing but its own style."""

_PARAMETERS = {
    "k": ("integer", f"Maximum number of entries, at most {queries.MAX_K}; {queries.DEFAULT_K} by default."),
    "slot": ("string", f"Which lists are used: {', '.join(SLOTS)}."),
    "price_from": ("number", "Lowest price. Entries without a price are left out."),
    "price_to": ("number", "Highest price."),
    "price_ratio_from": ("number", "Lowest price as a multiple of the price of the product."),
    "price_ratio_to": ("number", "Highest price as a multiple of the price of the product."),
    "max_per_brand": ("integer", "Maximum number of entries of one brand."),
    "exclude": ("array", "Id that must not be in the list; may be repeated."),
    "brands": ("array", "Brand that entries must have; may be repeated for several brands."),
    "not_brands": ("array", "Brand that entries must not have; may be repeated."),
    "categories": ("array", "Category that entries must have; may be repeated for several categories."),
    "not_categories": ("array", "Category that entries must not have; may be repeated."),
}
_SUMMARIES = {
    "goes-with": "What goes with a product: the stored list.",
    "similar": "What is like a product: the stored list.",
    "bought-together": "What was in the same orders as a product: the stored list.",
}
_POSTS = {
    "basket": ("What goes with several products.", "Basket", {"products": ["B001", "B002"]}),
    "customer": ("What a customer may want next, from recent events.", "Customer", {"events": [{"product": "B001"}]}),
    "new-product": (
        "A list for a product that was never sold.", "NewProduct",
        {"brand": "Acme", "categories": ["Brushes"], "title": "Round brush", "price": 9.5},
    ),
}  # fmt: skip


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    return _document()


@cache
def _document() -> dict[str, Any]:
    import msgspec

    from orchestration.web.api.forms import Answer

    kinds = [Answer, queries.Basket, queries.Customer, queries.NewProduct]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            }
        },
    }
    category = {"name": "category", "in": "path", "required": True, "schema": {"type": "string"}}
    product = {
        "name": "id", "in": "path", "required": True, "schema": {"type": "string"},
        "description": "Id of the product, with percent signs for slashes and other special characters.",
    }  # fmt: skip
    paths: dict[str, Any] = {}
    for slot, summary in _SUMMARIES.items():
        paths[f"/v1/{{category}}/products/{{id}}/{slot}"] = {
            "get": {
                "summary": summary,
                "operationId": slot,
                "parameters": [category, product, *_parameters(with_slot=False)],
                "responses": _responses(304, 401, 404, 422),
            }
        }
    for name, (summary, kind, example) in _POSTS.items():
        content = {"schema": {"$ref": f"#/components/schemas/{kind}"}, "example": example}
        paths[f"/v1/{{category}}/{name}"] = {
            "post": {
                "summary": summary,
                "operationId": name,
                "parameters": [category, *_parameters(with_slot=True)],
                "requestBody": {"required": True, "content": {"application/json": content}},
                "responses": _responses(401, 404, 413, 422),
            }
        }
    for path, summary in (
        ("/health", "Whether there are lists, and their versions."),
        ("/metrics", "Counters in the text format of Prometheus."),
    ):
        paths[path] = {
            "get": {"summary": summary, "operationId": path[1:], "responses": {"200": {"description": "It is there."}}}
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "alsobought", "version": "1", "description": "Lists of related products for a shop."},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _parameters(with_slot: bool) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "description": text, "schema": _schema(kind)}
        for name, (kind, text) in _PARAMETERS.items()
        if name != "slot" or with_slot
    ]


def _schema(kind: str) -> dict[str, Any]:
    return {"type": kind, "items": {"type": "string"}} if kind == "array" else {"type": kind}


def _responses(*statuses: int) -> dict[str, Any]:
    answer = {"schema": {"$ref": "#/components/schemas/Answer"}}
    failure = {"schema": {"$ref": "#/components/schemas/Error"}}
    found: dict[str, Any] = {"200": {"description": "The list.", "content": {"application/json": answer}}}
    for status in statuses:
        if status == 304:
            found["304"] = {"description": "The list has not changed."}
        else:
            name = CODES[status].replace("_", " ").capitalize()
            found[str(status)] = {"description": f"{name}.", "content": {"application/json": failure}}
    return found


@cache
def page() -> str:
    """The description as a page without scripts."""
    sections = []
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            rows = "".join(
                f"<tr><td><code>{html.escape(p['name'])}</code><td>{p['in']}<td>{html.escape(p.get('description', ''))}"
                for p in operation.get("parameters", ())
            )
            table = f"<table><tr><th>Parameter<th>In<th>Meaning{rows}</table>" if rows else ""
            example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            body = f"<p>Body: <code>{html.escape(_json(example))}</code>" if example else ""
            title = f"{method.upper()} {html.escape(path)}"
            sections.append(f"<section><h2>{title}</h2><p>{html.escape(operation['summary'])}{body}{table}</section>")
    return _PAGE.format(sections="".join(sections))


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>alsobought API</title>
<style>
body {{font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733}}
h2 {{font: 600 1rem ui-monospace, monospace; margin-top: 2.5rem}} table {{border-collapse: collapse; width: 100%}}
th, td {{text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #dde3e8; vertical-align: top}}
</style>
<h1>alsobought API</h1><p>The same for programs: <a href="/openapi.json">openapi.json</a>.
{sections}</html>
"""
