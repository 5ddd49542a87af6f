"""From order lines to relationships between products: bought together, also bought, also viewed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.orders.config import OrdersConfig
from core.orders.cooccurrence import Cooccurrences, count_cooccurrences
from core.orders.lines import NONE, PURCHASE, VIEW, Meetings, OrderLines, across_orders, within_groups
from core.progress import Progress, silent

VERSION = "1"
"""Raised whenever the same lines and settings give other relationships."""


@dataclass(frozen=True)
class Related:
    """Related products by relationship.

    Attributes:
        pairs: relationship → pairs, each with its association as weight.
        info: JSON-able: relationship → ``lines`` that took part, ``meetings`` and ``pairs``, and
            ``lines_over_cap`` that were left out of large orders and sessions.
    """

    pairs: dict[str, Cooccurrences]
    info: dict[str, dict[str, Any]] = field(default_factory=dict)


def related_products(
    lines: OrderLines, n_products: int, config: OrdersConfig | None = None, threads: int = 2,
    progress: Progress = silent,
) -> Related:  # fmt: skip
    """Count which products belong together.

    ``bought_together``: in one order. ``also_bought``: by one customer, in different orders within the window.
    ``also_viewed``: viewed in one session, or by one customer where there are no sessions. Purchases and views count
    apart; carts are not counted.

    Args:
        lines: cleaned order lines.
        n_products: products are numbered 0 .. n_products - 1.
        config: settings.
        threads: CPU threads; they do not change the result.
        progress: told "count pairs" in products, for one relationship after the other.
    """
    config = config or OrdersConfig()
    bought = lines.take(np.flatnonzero(lines.event == PURCHASE))
    viewed = lines.take(np.flatnonzero(lines.event == VIEW))
    session = viewed.session if (viewed.session != NONE).any() else viewed.customer
    rules = (config.damping, config.order_cap, config.half_life_days)
    together, over_cap = within_groups(bought, bought.order, *rules)
    views, views_over_cap = within_groups(viewed, session, *rules)
    also = across_orders(bought, config.damping, config.customer_cap, config.window_days, config.half_life_days)
    related = Related({})
    for name, meetings, left_out in (
        ("bought_together", together, over_cap), ("also_bought", also, 0), ("also_viewed", views, views_over_cap),
    ):  # fmt: skip
        if not len(meetings):
            continue
        pairs = count_cooccurrences(meetings, n_products, config.min_count, threads, progress)
        related.info[name] = {
            "lines": len(meetings), "meetings": int(pairs.count.sum(dtype=np.int64)), "pairs": len(pairs),
            "lines_over_cap": left_out,
        }  # fmt: skip
        related.pairs[name] = associated(pairs, meetings, n_products, config.association)
    return related


def associated(pairs: Cooccurrences, meetings: Meetings, n_products: int, association: str) -> Cooccurrences:
    """The same pairs with an association for weight.

    With c the weight of a pair, and a and b the weights of its products (their lines' weights, added up), and n that of
    all lines: ``count`` is c, ``lift`` c n / (a b), ``cosine`` c / sqrt(a b), and ``jaccard`` c / (a + b - c), which
    is kept above 0 where lines meet several others.
    """
    if association == "count" or not len(pairs):
        return pairs
    own = np.bincount(meetings.product, weights=meetings.weight, minlength=n_products)
    a, b, c = own[pairs.source], own[pairs.target], pairs.weight.astype(np.float64)
    if association == "lift":
        value = c * own.sum() / (a * b)
    elif association == "cosine":
        value = c / np.sqrt(a * b)
    else:
        value = c / np.maximum(a + b - c, c)
    return Cooccurrences(pairs.source, pairs.target, value.astype(np.float32), pairs.count)
