"""What a product is called, also where the data has no title for it."""

from collections.abc import Mapping
from typing import Any

from explorer.shared.formatting import counted, shorten
from explorer.shared.product_index import ProductIndex

PATH_SIGN = " › "
_LABEL = 100


def product_name(product: Mapping[str, Any]) -> str:
    """The title, or what else tells the product from others: its brand or last category, and its id."""
    title = " ".join(str(product["title"] or "").split())
    if title:
        return title
    about = [str(part) for part in (product["brand"], *reversed(product["categories"] or [])) if part]
    return " · ".join([*about[:1], str(product["product_id"])])


def category_path(product: Mapping[str, Any]) -> str:
    """All its categories in one line, the broadest first."""
    return PATH_SIGN.join(str(part) for part in product["categories"] or [] if part)


def product_label(index: ProductIndex, node: int) -> str:
    """One line that tells a product from others: name, brand, id and how many pairs it has."""
    product = index.product(node)
    called, brand, product_id = product_name(product), str(product["brand"] or ""), str(product["product_id"])
    parts = [shorten(called, _LABEL)]
    parts += [shorten(brand, 40)] if brand and brand.casefold() not in called.casefold() else []
    parts += [product_id] if product["title"] else []
    return " · ".join([*parts, counted(int(index.popularity[node]), "pair")])
