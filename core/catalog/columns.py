"""Which columns of a team's own table mean what.

Names are compared without case, white space, ``_``, ``-`` and ``.``. A column that bears the documented name wins over
one that bears another name for the same thing. Columns that nobody reads are named in the catalogue's ``info``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from core.catalog.containers import UnreadableError

_BETWEEN = re.compile(r"[\s_.-]+")
_SHOWN = 12

_STEMS = ("product", "item", "asin", "sku", "article", "id", "node", "productid", "itemid", "articleid", "nodeid")
_ENDS = (("1", "2"), ("a", "b"), ("x", "y"), ("left", "right"))
_PAIRS = (
    ("product1", "product2"),
    *((stem + one, stem + two) for stem, (one, two) in product(_STEMS, _ENDS)),
    *((f"{stem}{one}id", f"{stem}{two}id") for stem, (one, two) in product(_STEMS, _ENDS)),
    ("fromnodeid", "tonodeid"),
    ("source", "target"),
    ("src", "dst"),
    *(
        (one, two)
        for one in ("asin", "product", "productid", "item", "itemid", "sku")
        for two in ("related", f"related{one}", "relatedid", "relatedasin", "relatedproduct", "relatedproductid",
                    "relateditem", "relateditemid", "alsobought", "alsobuy")
    ),
)  # fmt: skip
_PAIR_EXTRAS = {
    "relationship": ("relationship", "relation", "relationshiptype", "relationtype"),
    "weight": (
        "weight", "count", "counts", "cnt", "count(*)", "paircount", "cooccurrence", "cooccurrences",
        "cooccurrencecount", "frequency", "freq", "n", "times", "orders", "numorders",
    ),
}  # fmt: skip
_PRODUCT_ROLES = {
    "product_id": (
        "productid", "asin", "sku", "itemid", "articleid", "parentasin", "productcode", "stockcode", "itemcode",
        "product", "item", "article", "id",
    ),
    "title": ("title", "name", "productname", "producttitle", "itemname", "itemtitle", "articlename"),
    "brand": ("brand", "brandname", "manufacturer", "vendor", "maker"),
    "price": ("price", "unitprice", "listprice", "productprice", "itemprice", "currentprice", "saleprice"),
    "categories": ("categories", "category", "categoryname", "categorypath", "productcategory", "productcategories"),
    "sales_rank": ("salesrank", "rank", "bestsellerrank", "bestsellersrank"),
    "image_url": (
        "imageurl", "image", "imurl", "imageurls", "images", "imagelink", "imageurlhighres", "img", "imgurl", "picture",
        "pictureurl",
    ),
}  # fmt: skip
_ORDERS = {
    "orderid",
    "invoiceno",
    "invoice",
    "transactionid",
    "visitorid",
    "sessionid",
    "userid",
    "customerid",
    "event",
}


@dataclass(frozen=True)
class Needs:
    """A kind of table.

    Attributes:
        what: how it is called in a sentence.
        needed: its columns as documented.
    """

    what: str
    needed: tuple[str, ...]

    def find(self, names: Sequence[str]) -> dict[str, int] | None:
        """Where each column stands, by its documented name; None if a needed one is missing."""
        plain = [_plain(name) for name in names]
        return _pairs(plain) if self is PAIRS else _products(plain)

    def columns(self, names: Sequence[str]) -> dict[str, int]:
        """Like :meth:`find`.

        Raises:
            UnreadableError: a needed column is missing, or two columns bear the name of one that is read.
        """
        found = self.find(names)
        if found is None:
            raise self.missing(names)
        trimmed = [name.strip().lower() for name in names]
        for role, position in found.items():
            if trimmed.count(trimmed[position]) > 1:
                raise UnreadableError(
                    f"the header names the column {_shown(names[position])} more than once, so that it is not certain "
                    f"which one is the {role}; rename or remove the others"
                )
        return found

    def missing(self, names: Sequence[str]) -> UnreadableError:
        """That the table has other columns than it should."""
        needed = ", ".join(self.needed)
        plain = {_plain(name) for name in names}
        hint = (
            " It looks like order lines: count how often two products stand in the same order, and give these pairs"
            if self is PAIRS and plain & _ORDERS
            else " Name the columns in the first line of a CSV file, separated by comma, semicolon, tab, | or blanks"
        )
        return UnreadableError(
            f"this is a table with the columns {shown_columns(names)}; a {self.what} needs {needed}.{hint}"
        )


PAIRS = Needs("pairs table", ("product1", "product2"))
PRODUCTS = Needs("products table", ("product_id",))


def shown_columns(names: Sequence[str]) -> str:
    """The first names of a header, for people to read."""
    return ", ".join(map(_shown, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")


def unread(names: Sequence[str], found: Mapping[str, int]) -> list[str]:
    """The named columns that nobody reads."""
    return [_shown(name) for i, name in enumerate(names) if i not in set(found.values()) and name.strip()]


def _plain(name: str) -> str:
    return _BETWEEN.sub("", name).lower()


def _shown(name: str) -> str:
    text = "".join(c if c.isprintable() else "?" for c in name.strip()[:60])
    return (text + "..." if len(name.strip()) > 60 else text) or "(no name)"


def _pairs(plain: list[str]) -> dict[str, int] | None:
    for first, second in _PAIRS:
        if first in plain and second in plain:
            ids = {"product1": plain.index(first), "product2": plain.index(second)}
            return ids | _first(plain, _PAIR_EXTRAS)
    return None


def _products(plain: list[str]) -> dict[str, int] | None:
    found = _first(plain, _PRODUCT_ROLES)
    return found if "product_id" in found else None


def _first(plain: list[str], roles: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    return {
        role: plain.index(next(name for name in names if name in plain))
        for role, names in roles.items()
        if any(name in plain for name in names)
    }
