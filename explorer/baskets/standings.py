"""How good each model is at what the page asks, over all later orders."""

from dataclasses import dataclass

import pyarrow as pa

from core.evaluation.metrics import NEXT_PRODUCT, REST_OF_BASKET

RECALL = "recall@10"
PROTOCOLS = {"next product": NEXT_PRODUCT, "rest of the basket": REST_OF_BASKET}
"""Question on the page → protocol that asks it about all later orders."""


@dataclass(frozen=True)
class Standing:
    """A model's recall@10 over later orders.

    Attributes:
        scoring: the scoring with the largest value.
        value, low, high: the mean over the orders and its 95 % interval; the interval may be missing.
    """

    scoring: str
    value: float
    low: float | None
    high: float | None


def standings(leaderboard: pa.Table, protocol: str) -> dict[str, Standing]:
    """Model → its recall@10 under a protocol, the best model first; models that were not measured are left out."""
    best: dict[str, Standing] = {}
    columns = ["model", "protocol", "scoring", "metric", "value", "low", "high"]
    for row in leaderboard.select(columns).to_pylist():
        if row["protocol"] != protocol or row["metric"] != RECALL or row["value"] is None:
            continue
        standing = Standing(row["scoring"], row["value"], row["low"], row["high"])
        if row["model"] not in best or standing.value > best[row["model"]].value:
            best[row["model"]] = standing
    return dict(sorted(best.items(), key=lambda item: -item[1].value))


def first_models(available: list[str], measured: dict[str, Standing], count: int = 3) -> list[str]:
    """The models shown until somebody chooses: the best ones, then others that are available."""
    best = [name for name in measured if name in available]
    return list(dict.fromkeys([*best, *available]))[:count]
