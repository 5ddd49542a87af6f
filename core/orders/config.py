"""Settings of counting order lines into pairs, and of putting them into sequences."""

from dataclasses import dataclass

from core.settings import setting

AUTO, ORDER, SESSION, CUSTOMER = "auto", "order", "session", "customer"
"""What a row of the sessions is."""
PURCHASES, VIEWS, ALL_EVENTS = "purchases", "views", "all"
"""Which events stand in the sessions, besides ``auto``."""

ASSOCIATIONS = ("count", "lift", "cosine", "jaccard")


@dataclass(frozen=True)
class OrdersConfig:
    """How order lines become weighted pairs. Only categories whose source holds orders use these settings."""

    association: str = setting(
        "count",
        "How strong a pair is: its count, or its count relative to the counts of its two products (lift, cosine or "
        "Jaccard).",
        choices=ASSOCIATIONS,
    )
    min_count: int = setting(2, "Pairs that met less often than this are left out.", ge=1, le=1_000_000)
    damping: float = setting(
        0.5, "A pair in an order of n products counts 1 / (n - 1) to the power of this number.", ge=0, le=2
    )
    order_cap: int = setting(
        200, "Maximum number of products that count in one order or session; of larger ones a sample counts.",
        ge=2, le=10_000,
    )  # fmt: skip
    half_life_days: float = setting(
        0.0, "Age in days at which an order counts half as much as the latest one; 0 = all count alike.",
        ge=0, le=100_000,
    )  # fmt: skip
    window_days: float = setting(
        60.0, "Longest time in days between two orders of a customer whose products count as also bought; 0 = any.",
        ge=0, le=100_000,
    )  # fmt: skip
    customer_cap: int = setting(
        50, "Maximum number of a customer's earlier lines, and of later ones, that a line is paired with.",
        ge=1, le=10_000,
    )  # fmt: skip


@dataclass(frozen=True)
class SessionsConfig:
    """How order lines become rows of products to learn from. Only categories with orders use these settings."""

    by: str = setting(
        AUTO,
        "What a row is. `auto` takes the history of a customer if most lines have a customer and a time, because it "
        "holds the orders and also what follows them; a line without a customer belongs to the row of its session, or "
        "of its order. With `order`, `session` or `customer`, lines without one are left out.",
        choices=(AUTO, ORDER, SESSION, CUSTOMER),
    )
    events: str = setting(
        AUTO,
        "Which events count: purchases, views, or all of them, carts included. `auto` takes the purchases, or all "
        "events where there are no purchases.",
        choices=(AUTO, PURCHASES, VIEWS, ALL_EVENTS),
    )
    gap_days: float = setting(
        30.0, "Number of days without a line after which a customer's history is cut; 0 = it is never cut.",
        ge=0, le=100_000,
    )  # fmt: skip
    shortest: int = setting(2, "Number of products of the shortest row; shorter rows are left out.", ge=2, le=1000)
    longest: int = setting(
        50, "Number of products of the longest row; longer rows are cut into pieces of about equal length.",
        ge=2, le=10_000,
    )  # fmt: skip

    def contradiction(self) -> str | None:
        """How the settings contradict each other, or None."""
        if self.shortest > (self.longest + 1) // 2:
            return (
                f"shortest: pieces of rows longer than {self.longest} may be shorter than {self.shortest}; choose "
                "at most half of the longest"
            )
        return None
