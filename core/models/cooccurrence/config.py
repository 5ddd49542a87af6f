"""Settings of item-item co-occurrence on the walks."""

from dataclasses import dataclass

from core.settings import setting


@dataclass(frozen=True)
class CooccurrenceConfig:
    """Settings of the co-occurrence model."""

    window: int = setting(9, "How far apart on a walk two products may stand to occur together.", ge=1, le=1000)
    keep: int = setting(
        1000, "Most partners kept per product, the best by score; bounds memory and file size.", ge=1, le=100_000
    )
