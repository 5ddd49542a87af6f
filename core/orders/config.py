"""Settings of counting order lines into pairs."""

from dataclasses import dataclass

from core.settings import setting

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
