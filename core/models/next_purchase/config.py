"""Settings of the model of next purchases."""

from dataclasses import dataclass

from core.settings import setting


@dataclass(frozen=True)
class NextPurchaseConfig:
    """Settings of the model of next purchases; chosen on the last event but one of the customers of a real shop."""

    window: int = setting(
        7, "Maximum number of steps between two products of a history that count as one after the other.", ge=1, le=100
    )
    decay: float = setting(0.7, "How much less a pair counts with each further step between its products.", ge=0, le=1)
    backward: float = setting(0.5, "How much the pair (later, earlier) counts; 1 ignores the order.", ge=0, le=1)
    source_power: float = setting(0.5, "Power of the source's popularity by which the counts are divided.", ge=0, le=2)
    target_power: float = setting(0.1, "Power of the target's popularity by which the counts are divided.", ge=0, le=2)
    floor: float = setting(
        0.4, "Minimum cosine of brand and categories at which two products count as similar.", ge=0.01, le=1
    )
    similar: int = setting(
        20, "Maximum number of similar products that share their counts with a product.", ge=0, le=1000
    )
    from_similar: float = setting(
        0.5, "Weight of what follows similar products, compared with what follows the product itself.", ge=0, le=100
    )
    to_similar: float = setting(1.0, "Weight of the products that are similar to what follows.", ge=0, le=100)
    alike: float = setting(
        0.4, "Weight of similar products themselves, the popular ones first, compared with all counts.", ge=0, le=100
    )
    keep: int = setting(
        500, "Maximum number of products kept per row, which limits memory and file size.", ge=1, le=100_000
    )
