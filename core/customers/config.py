"""Settings of customers' vectors and lists."""

from dataclasses import dataclass

from core.settings import setting

VECTORS_VERSION = "1"
"""Raised whenever the same histories, model and settings give other vectors."""
LISTS_VERSION = "1"
"""Raised whenever the same histories, model and settings give other lists."""


@dataclass(frozen=True)
class CustomersConfig:
    """Customers' vectors and lists; empty where the source names no customers.

    The recencies, and centers before contexts, were chosen on the last event but one of real customers.
    """

    k: int = setting(20, "Maximum length of a customer's list.", ge=1, le=1000)
    history: int = setting(50, "Maximum number of a customer's latest products that count.", ge=1, le=10_000)
    recency: float = setting(
        0.7, "How much less a product counts in lists than the next one that was bought.", ge=0.01, le=1
    )
    vectors: str = setting(
        "center", "Vectors of the products whose mean is the customer's vector.", choices=("center", "context")
    )
    vector_recency: float = setting(
        0.6, "How much less a product counts in the customer's vector than the next one that was bought.", ge=0.01, le=1
    )
    min_events: int = setting(
        2, "Number of products from which a customer has a vector of its own and not that of its type.", ge=1, le=1000
    )
    types: int = setting(50, "Maximum number of types of customers.", ge=1, le=10_000)
