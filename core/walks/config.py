"""The settings of both kinds of random walk."""

from dataclasses import dataclass

from core.settings import setting

FIRST_ORDER_VERSION = "1"
SECOND_ORDER_VERSION = "1"
"""Raised whenever the same graph and settings give other walks of that kind."""


@dataclass(frozen=True)
class WalksConfig:
    """First-order walks; the defaults are the article's (10 walks of 10 products from every product)."""

    walks_per_node: int = setting(10, "Walks started at every product that has a neighbour.", ge=1, le=100_000)
    walk_length: int = setting(10, "Products in one walk, the first included.", ge=1, le=100_000)


@dataclass(frozen=True)
class Node2VecConfig:
    """Second-order walks (Grover and Leskovec, 2016, section 3.2); p = q = 1 are first-order walks."""

    walks_per_node: int = setting(10, "Walks started at every product that has a neighbour.", ge=1, le=100_000)
    walk_length: int = setting(10, "Products in one walk, the first included.", ge=1, le=100_000)
    p: float = setting(
        2.0, "Return parameter: below 1 a walk likes to step back, above 1 it avoids that.", ge=1e-6, le=1e6
    )
    q: float = setting(
        0.5,
        "In-out parameter: above 1 a walk stays near the product it came from, below 1 it moves away.",
        ge=1e-6,
        le=1e6,
    )
