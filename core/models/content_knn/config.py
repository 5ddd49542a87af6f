"""Settings of the content model, which places products without pairs."""

from dataclasses import dataclass

from core.settings import setting


@dataclass(frozen=True)
class ContentConfig:
    """Settings of the content model; floor and power were chosen on cold products of two real categories."""

    floor: float = setting(0.1, "Products whose cosine is smaller do not count as alike.", ge=0.01, le=1)
    power: float = setting(
        3.0, "The cosine to this power is the weight of an alike product; higher trusts the most alike.", ge=0, le=20
    )
    keep: int = setting(500, "Most alike products kept per product; bounds memory and file size.", ge=1, le=100_000)
    fan_out: int = setting(
        1000,
        "A brand or category shared by more products than this is searched among as many of them, those with the most "
        "pairs; bounds the time.",
        ge=1,
        le=10_000_000,
    )
