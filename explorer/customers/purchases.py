"""The order lines of one customer, told apart into history and what came next."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.orders.form import EVENTS
from core.orders.lines import PURCHASE
from explorer.shared.order_history import NO_TIME


@dataclass(frozen=True)
class Purchase:
    """A product in an order, a session or on its own.

    Attributes:
        product: product id.
        time: milliseconds since 1970, UTC, or ``NO_TIME``.
        order: id of the order or session; None if the source has none.
        event: purchase, cart or view.
    """

    product: str
    time: int
    order: str | None
    event: str


@dataclass(frozen=True)
class Purchases:
    """What one customer did.

    Attributes:
        history: what models may know, the latest first; a product stands once per order.
        next_order: the first later order; empty if there is none.
        later_orders: number of later orders.
        new: the products of the next order that the customer had not bought before.
    """

    history: list[Purchase]
    next_order: list[Purchase]
    later_orders: int
    new: list[str]


def purchases_of(lines: pa.Table, only_purchases: bool) -> Purchases:
    """Tell the lines of one customer apart, as the test in time does.

    A line without an order belongs to its session; if it has neither, it is an order of its own.

    Args:
        lines: the customer's lines in the order of the source, as ``order_history.read_customer_lines`` returns them.
        only_purchases: whether views and carts do not count as orders.
    """
    time = lines["time"].cast(pa.int64()).fill_null(NO_TIME).to_numpy()
    later = lines["later"].to_numpy()
    purchased = pc.equal(lines["event"], EVENTS[PURCHASE]).to_numpy()
    counts = purchased if only_purchases else np.ones(len(time), bool)
    columns = (lines[name].to_pylist() for name in ("product", "order", "session", "event"))
    rows = [
        (Purchase(product, int(moment), session if order is None else order, event), _key(order, session, place))
        for place, (product, order, session, event, moment) in enumerate(zip(*columns, time, strict=True))
    ]
    position = np.arange(len(rows))
    before = np.lexsort((-position, -time))
    history = _once([rows[i] for i in before.tolist() if not later[i]])
    after = [rows[i] for i in np.lexsort((position, time)).tolist() if later[i] and counts[i]]
    next_order = _once([row for row in after if row[1] == after[0][1]])
    bought = {rows[i][0].product for i in np.flatnonzero(counts & ~later).tolist()}
    new = [purchase.product for purchase in next_order if purchase.product not in bought]
    return Purchases(history, next_order, len({key for _, key in after}), new)


def _key(order: str | None, session: str | None, place: int) -> tuple[str, str | int]:
    if order is not None:
        return "order", order
    return ("session", session) if session is not None else ("line", place)


def _once(rows: list[tuple[Purchase, tuple[str, str | int]]]) -> list[Purchase]:
    """The purchases without repetitions of a product and event in the same order."""
    first: dict[tuple[object, str, str], Purchase] = {}
    for purchase, key in rows:
        first.setdefault((key, purchase.product, purchase.event), purchase)
    return list(first.values())
