"""From a history of orders to the relationships that product pairs are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from core.arrays import distinct
from core.catalog.tables import RELATIONSHIPS, relationships_table
from core.orders.config import OrdersConfig
from core.orders.history import lines_of
from core.orders.lines import OrderLines
from core.progress import Progress, silent
from core.relationships import ADD

VERSION = "2"
"""Raised whenever the same history and settings give other relationships."""


@dataclass(frozen=True)
class OrderRelationships:
    """Relationships counted from orders.

    Attributes:
        relationships: table of schema ``RELATIONSHIPS``, counted from what training may know; every pair once per
            relationship, with its association as weight.
        later: the same, counted from what is held out; None if the orders were not split.
        products: table with the column ``product_id``: all products of the history, those without pairs included.
        info: JSON-able: by relationship what took part and was found (``core.orders.pairs.Related``), and the same of
            the later orders under ``later``.
    """

    relationships: pa.Table
    later: pa.Table | None
    products: pa.Table
    info: dict[str, Any]


def order_relationships(
    history: pa.Table, config: OrdersConfig | None = None, threads: int = 2, progress: Progress = silent
) -> OrderRelationships:
    """Count which products were bought and viewed together, apart for what is later.

    Args:
        history: table of schema ``core.orders.history.HISTORY``; may be empty.
        config: settings.
        threads: CPU threads; they do not change the result.
        progress: told "count pairs" in products, for one relationship after the other.
    """
    lines = lines_of(history)
    ids = history["product"].combine_chunks().dictionary
    products = pa.table({"product_id": ids.take(pa.array(distinct(lines.product)))})
    if not len(lines):
        return OrderRelationships(RELATIONSHIPS.empty_table(), None, products, {})
    is_later = np.asarray(history["later"].combine_chunks())
    known, info = _counted(lines.take(np.flatnonzero(~is_later)), ids, config, threads, progress)
    if not is_later.any():
        return OrderRelationships(known, None, products, info)
    later, info_later = _counted(lines.take(np.flatnonzero(is_later)), ids, config, threads, progress)
    return OrderRelationships(known, later, products, info | {"later": info_later})


def _counted(
    lines: OrderLines, ids: pa.Array, config: OrdersConfig | None, threads: int, progress: Progress
) -> tuple[pa.Table, dict[str, Any]]:
    from core.orders.pairs import related_products  # Numba comes with it

    related = related_products(lines, len(ids), config, threads, progress)
    names = list(related.pairs)
    pairs = list(related.pairs.values())

    def together(column: str, kind: Any) -> Any:
        return np.concatenate([np.empty(0, kind), *(getattr(one, column) for one in pairs)])

    kinds = np.repeat(np.arange(len(names), dtype=np.int8), [len(one) for one in pairs])
    table = relationships_table(
        ids, together("source", np.int32), together("target", np.int32), kinds, names,
        together("weight", np.float32), ADD,
    )  # fmt: skip
    return table, related.info
