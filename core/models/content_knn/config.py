"""Settings of the content model, which scores products without pairs."""

from dataclasses import dataclass

from core.settings import setting


@dataclass(frozen=True)
class ContentConfig:
    """Settings of the content model; floor and power were chosen on cold products of two real categories."""

    floor: float = setting(0.1, "Minimum cosine at which two products count as similar.", ge=0.01, le=1)
    power: float = setting(
        3.0,
        "Power of the cosine that gives the weight of a similar product; higher values trust the most similar products "
        "more.",
        ge=0,
        le=20,
    )
    keep: int = setting(
        500,
        "Maximum number of similar products kept per product, which limits memory and file size.",
        ge=1,
        le=100_000,
    )
    fan_out: int = setting(
        1000,
        "Maximum number of products that are searched per brand or category, those with the most pairs first, which "
        "limits the time.",
        ge=1,
        le=10_000_000,
    )
