"""Names of products, including those without a title."""

from collections.abc import Mapping
from typing import Any

from explorer.search.product_index import ProductIndex
from explorer.shared.formatting import counted, for_grid, shorten

PATH_SIGN = " › "
_LABEL = 100
_NAME = 200


def product_name(product: Mapping[str, Any]) -> str:
    """The title, or else what distinguishes the product: its brand or last category, and its id."""
    title = " ".join(str(product["title"] or "").split())
    if title:
        return title
    distinguishing = [str(part) for part in (product["brand"], *reversed(product["categories"] or [])) if part]
    return " · ".join([*distinguishing[:1], str(product["product_id"])])


def name_in_table(index: ProductIndex, node: int, product_id: str) -> str:
    """Name of a product for a table; the id of one that the category does not know (node -1)."""
    name = product_name(index.product(node)) if node >= 0 else product_id
    return shorten(for_grid(name), _NAME)


def category_path(product: Mapping[str, Any]) -> str:
    """All categories of a product in one line, broadest first."""
    return PATH_SIGN.join(str(part) for part in product["categories"] or [] if part)


def details(product: Mapping[str, Any]) -> list[str]:
    """What distinguishes a product besides its name: brand, last category and id, as far as they are known."""
    name = product_name(product)
    last = next((str(part) for part in reversed(product["categories"] or []) if part), "")
    parts = [" ".join(text.split()) for text in (str(product["brand"] or ""), last, str(product["product_id"]))]
    # A product without a title is called by these.
    called = name.split(" · ") if not product["title"] else []
    return [shorten(part, 60) for part in parts if part and part not in called]


def product_label(index: ProductIndex, node: int) -> str:
    """One line that distinguishes a product: name, brand, id and number of pairs."""
    product = index.product(node)
    name, brand, product_id = product_name(product), str(product["brand"] or ""), str(product["product_id"])
    parts = [shorten(name, _LABEL)]
    parts += [shorten(brand, 40)] if brand and brand.casefold() not in name.casefold() else []
    parts += [product_id] if product["title"] else []
    return " · ".join([*parts, counted(int(index.popularity[node]), "pair")])
