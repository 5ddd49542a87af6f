"""Settings of both kinds of random walk."""

from dataclasses import dataclass

from core.settings import setting

FIRST_ORDER_VERSION = "1"
SECOND_ORDER_VERSION = "1"
"""Raised whenever the same graph and settings give different walks of that kind."""


@dataclass(frozen=True)
class WalksConfig:
    """First-order walks; the defaults are those of the article (10 walks of 10 products from every product)."""

    walks_per_node: int = setting(10, "Number of walks that start at every product with a neighbour.", ge=1, le=100_000)
    walk_length: int = setting(10, "Number of products in a walk, including the first.", ge=1, le=100_000)


@dataclass(frozen=True)
class Node2VecConfig:
    """Second-order walks (Grover and Leskovec, 2016, section 3.2); p = q = 1 gives first-order walks."""

    walks_per_node: int = setting(10, "Number of walks that start at every product with a neighbour.", ge=1, le=100_000)
    walk_length: int = setting(10, "Number of products in a walk, including the first.", ge=1, le=100_000)
    p: float = setting(
        2.0,
        "Return parameter; a value below 1 favours a step back to the previous product, a value above 1 avoids it.",
        ge=1e-6,
        le=1e6,
    )
    q: float = setting(
        0.5,
        "In-out parameter; a value above 1 keeps a walk near the previous product, a value below 1 leads it away.",
        ge=1e-6,
        le=1e6,
    )
