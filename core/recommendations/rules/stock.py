"""The stock table: which products are sold out, and which are variants of one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import InputError
from core.recommendations.rules.book import LEAVE_OUT, SOLD_OUT, Rules
from core.recommendations.rules.tables import ID_NAMES, TableColumns, nodes_of_ids, read_small_table

_COLUMNS = TableColumns.of(
    "stock table",
    {
        "product_id": ID_NAMES,
        "in_stock": ("instock", "available", "availability", "isinstock", "instockflag"),
        "quantity": ("quantity", "qty", "stock", "onhand", "stockquantity", "stocklevel", "units", "pieces"),
        "parent_id": ("parentid", "parentasin", "parentsku", "parent", "groupid", "itemgroupid"),
    },
    required=("product_id",),
    one_of=("in_stock", "quantity"),
)
_YES = ("true", "t", "yes", "y", "1", "1.0", "in stock", "instock", "in_stock", "available")
_NO = ("false", "f", "no", "n", "0", "0.0", "out of stock", "outofstock", "out_of_stock", "sold out", "sold_out",
       "unavailable")  # fmt: skip
_MAX_BAD_SHARE = 0.01


@dataclass(frozen=True)
class Stock:
    """What the stock table says.

    Attributes:
        listed: bool ``[n]``: products that the table names.
        sold_out: bool ``[n]``: of these, those without stock.
        parent: string ``[n]`` parent ids, null where there is none; None if the table has no such column.
        info: JSON-able: ``rows``, ``in_stock``, ``sold_out``, ``unknown_ids`` with ``examples``, ``repeated_ids`` and
            ``bad_rows``; empty if there is no stock table.
    """

    listed: np.ndarray
    sold_out: np.ndarray
    parent: pa.Array | None = None
    info: dict[str, Any] = field(default_factory=dict)

    def left_out(self, rules: Rules) -> np.ndarray:
        """bool ``[n]``: the products that these rules leave out because of their stock."""
        if not self.info or rules.sold_out != LEAVE_OUT:
            return np.zeros(len(self.listed), bool)
        return self.sold_out | ~self.listed if rules.unlisted == SOLD_OUT else self.sold_out


def no_stock(n_nodes: int) -> Stock:
    """What is known without a stock table: nothing is sold out."""
    return Stock(np.zeros(n_nodes, bool), np.zeros(n_nodes, bool))


def read_stock(path: Path, product_ids: pa.Array, name: str = "") -> Stock:
    """Read a stock table: a ``product_id``, and ``in_stock`` or ``quantity`` or both, in which case both must hold.

    A product with several rows, of several stores, is in stock if one of them has it. A row that cannot be read is
    counted and says nothing.

    Args:
        path: a CSV, Parquet or Feather file.
        product_ids: string ``[n]``: the ids in the order of the nodes.
        name: what messages call it; by default the path.

    Raises:
        InputError: the file cannot be read, lacks a column, holds no row, or more than 1 % of its rows are bad. The
            lists are not made then, because they could show what is sold out.
    """
    name = name or str(path)
    table = read_small_table(path, name, _COLUMNS)
    if not len(table):
        raise InputError(f"{name}: the stock table holds no row; export it again, or remove `stock` from the category")
    available, readable = _available(table.columns)
    readable &= table.columns["product_id"].is_valid().to_numpy(zero_copy_only=False)
    bad = int(np.count_nonzero(~readable)) + len(table.broken)
    if bad > _MAX_BAD_SHARE * (len(table) + len(table.broken)):
        lines = [*table.lines[~readable].tolist(), *table.broken]
        raise InputError(
            f"{name}: {bad:,} of {len(table) + len(table.broken):,} rows of the stock table cannot be used; the first "
            f"is line {min(lines):,}. in_stock is true or false, and quantity is a number"
        )
    node = nodes_of_ids(table.columns["product_id"], product_ids)
    used = np.flatnonzero(readable & (node >= 0))
    listed, has_stock = np.zeros((2, len(product_ids)), bool)
    listed[node[used]] = True
    has_stock[node[used[available[used]]]] = True
    unknown = np.flatnonzero(readable & (node < 0))
    if not len(used):
        example = table.columns["product_id"][int(unknown[0])].as_py()
        raise InputError(
            f"{name}: none of the {len(unknown):,} product ids of the stock table is one of this category's products "
            f"(the first is {example!r}); write ids as the category's source has them"
        )
    examples = table.columns["product_id"].take(pa.array(unknown[:5])).to_pylist()
    info = {
        "rows": len(table),
        "in_stock": int(np.count_nonzero(has_stock)),
        "sold_out": int(np.count_nonzero(listed & ~has_stock)),
        "unknown_ids": len(unknown),
        "examples": examples,
        "repeated_ids": len(used) - int(np.count_nonzero(listed)),
        "bad_rows": bad,
    }
    parent = None
    if "parent_id" in table.columns:
        row = np.full(len(product_ids), -1, np.int64)
        row[node[used[::-1]]] = used[::-1]  # the first row of a product counts
        parent = table.columns["parent_id"].take(pa.array(row, mask=row < 0))
    return Stock(listed, listed & ~has_stock, parent, info)


def _available(columns: Any) -> tuple[np.ndarray, np.ndarray]:
    """bool ``[m]`` twice: rows whose product is in stock, and rows that can be read."""
    length = len(columns["product_id"])
    available, readable = np.ones((2, length), bool)
    if "in_stock" in columns:
        words = pc.utf8_lower(columns["in_stock"])
        yes, no = (np.asarray(pc.is_in(words, value_set=pa.array(known)), bool) for known in (_YES, _NO))
        available &= yes
        readable &= yes | no
    if "quantity" in columns:
        numbers = pc.match_substring_regex(columns["quantity"], r"^[+-]?[0-9]{1,15}([.,][0-9]+)?$").fill_null(False)
        plain = pc.replace_substring(columns["quantity"], ",", ".")
        quantity = np.asarray(pc.if_else(numbers, plain, "0").cast(pa.float64()))
        available &= quantity > 0
        readable &= np.asarray(numbers, bool)
    return available, readable
