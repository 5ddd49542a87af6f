"""What the columns of a team's own table mean, by their names.

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
    "place": ("place", "position", "rank", "pos", "listposition", "listrank"),
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
_ORDER_ROLES = {
    "product": (*_PRODUCT_ROLES["product_id"][:-1], "variantid", "articleno", "itemno"),
    "order": (
        "orderid", "order", "invoiceno", "invoice", "invoicenumber", "basketid", "basket", "transactionid",
        "transaction", "ordernumber", "orderno", "receiptid", "receipt", "purchaseid",
    ),
    "session": ("sessionid", "session", "visitid", "visit"),
    "customer": (
        "customerid", "customer", "userid", "user", "visitorid", "visitor", "householdid", "household", "clientid",
        "memberid", "buyerid", "personid",
    ),
    "time": (
        "time", "timestamp", "datetime", "date", "createdat", "orderdate", "orderedat", "invoicedate",
        "transactiontimestamp", "transactiondate", "purchasedate", "purchasetimestamp", "eventtime", "eventtimestamp",
    ),
    "quantity": ("quantity", "qty", "units", "pieces"),
    "event": ("event", "eventtype", "eventname", "action", "interaction"),
}  # fmt: skip


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
        return _pairs([_plain(name) for name in names])

    def columns(self, names: Sequence[str]) -> dict[str, int]:
        """Like :meth:`find`.

        Raises:
            UnreadableError: a needed column is missing, or two columns bear the name of one that is read.
        """
        positions = self.find(names)
        if positions is None:
            raise self.missing(names)
        trimmed = [name.strip().lower() for name in names]
        for role, position in positions.items():
            if trimmed.count(trimmed[position]) > 1:
                raise UnreadableError(
                    f"the header names the column {_shown(names[position])} more than once, so that it is not certain "
                    f"which one is the {role}; rename or remove the others"
                )
        return positions

    def missing(self, names: Sequence[str]) -> UnreadableError:
        """The error for a table without the needed columns."""
        needed = ", ".join(self.needed)
        plain = {_plain(name) for name in names}
        hint = " Name the columns in the first line of a CSV file, separated by comma, semicolon, tab, | or blanks"
        if self is PAIRS_TABLE and plain & _ORDER_NAMES:
            hint = (
                " It looks like order lines; they are read with `format: orders`, and `columns: {product: NAME, order: "
                "NAME}` in categories.yaml says which column is which"
            )
        return UnreadableError(
            f"this is a table with the columns {shown_columns(names)}; a {self.what} needs {needed}.{hint}"
        )


@dataclass(frozen=True)
class MappedColumns(Needs):
    """A table of which categories.yaml may say which column is which.

    Attributes:
        roles: documented name → names for the same thing.
        mapped: documented name → name in the file, or several names whose values are put together, or None for a column
            that the file does not have. It wins over every other name, and a column that is mapped means nothing else.
        example: how a mapping is written.
    """

    roles: Mapping[str, tuple[str, ...]]
    mapped: Mapping[str, str | Sequence[str] | None]
    example: str

    def find(self, names: Sequence[str]) -> dict[str, int] | None:
        """Like :meth:`Needs.find`; the further columns of a role are called as :func:`part_name` says."""
        plain = [_plain(name) for name in names]
        wanted = {part: _plain(name) for part, name in self._wanted()}
        if any(name not in plain for name in wanted.values()):
            return None
        others = {role: names_of for role, names_of in self.roles.items() if role not in self.mapped}
        taken = ["" if name in wanted.values() else name for name in plain]
        found = {role: plain.index(name) for role, name in wanted.items()} | _first(taken, others)
        return found if self._is_complete(found) else None

    def _is_complete(self, found: Mapping[str, int]) -> bool:
        return self.needed[0] in found

    def _wanted(self) -> list[tuple[str, str]]:
        """Documented name and name in the file of every mapped column."""
        return [
            (part_name(role, number), name)
            for role, names in self.mapped.items() if role in self.roles and names is not None
            for number, name in enumerate([names] if isinstance(names, str) else names)
        ]  # fmt: skip

    def missing(self, names: Sequence[str]) -> UnreadableError:
        """Like :meth:`Needs.missing`."""
        plain = {_plain(name) for name in names}
        absent = [name for _, name in self._wanted() if _plain(name) not in plain]
        if absent:
            return UnreadableError(
                f"categories.yaml names the column {_shown(absent[0])!r}, and the table has the columns "
                f"{shown_columns(names)}; correct `columns`"
            )
        return UnreadableError(
            f"this is a table with the columns {shown_columns(names)}; a {self.what} needs "
            f"{' and '.join(self.needed)}. Name the columns in the first line of a CSV file, separated by comma, "
            "semicolon, tab, | or blanks; if they have names of their own, say so in categories.yaml: "
            f"`columns: {self.example}`"
        )


class ProductColumns(MappedColumns):
    """A table of products."""

    def __init__(self, mapped: Mapping[str, str | Sequence[str] | None]) -> None:
        super().__init__("products table", ("product_id",), _PRODUCT_ROLES, mapped, "{product_id: NAME, title: NAME}")


class OrderColumns(MappedColumns):
    """A table of order lines: a product, and an order, a session or a customer to which it belongs."""

    def __init__(self, mapped: Mapping[str, str | Sequence[str] | None]) -> None:
        needed = ("product", "one of order, session and customer")
        super().__init__("table of order lines", needed, _ORDER_ROLES, mapped, "{product: NAME, order: NAME}")

    def _is_complete(self, found: Mapping[str, int]) -> bool:
        return "product" in found and bool({"order", "session", "customer"} & set(found))


ORDER_ROLES = tuple(_ORDER_ROLES)
"""The columns of a table of order lines as documented."""
PRODUCT_ROLES = tuple(_PRODUCT_ROLES)
"""Those of a table of products."""
PRODUCT_ID_NAMES = _PRODUCT_ROLES["product_id"]
"""What a column of product ids may be called."""
_ORDER_NAMES = {name for role in ("order", "session", "customer", "event") for name in _ORDER_ROLES[role]}


JOINED_ROLES = ("title", "categories")
"""Those that may be put together from several columns."""


def part_name(role: str, number: int) -> str:
    """What the column ``number`` (from 0) of a role that is put together from several columns is called."""
    return role if number == 0 else f"{role} {number + 1}"


PAIRS_TABLE = Needs("pairs table", ("product1", "product2"))
PRODUCTS_TABLE = ProductColumns({})


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


def _first(plain: list[str], roles: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    return {
        role: plain.index(next(name for name in names if name in plain))
        for role, names in roles.items()
        if any(name in plain for name in names)
    }
