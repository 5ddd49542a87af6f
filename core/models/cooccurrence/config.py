"""Settings of item-item co-occurrence on walks or sessions."""

from dataclasses import dataclass

from core.settings import setting
from core.training.config import sequence_source


@dataclass(frozen=True)
class CooccurrenceConfig:
    """Settings of the co-occurrence model."""

    window: int = setting(
        9, "Maximum distance on a walk at which two products count as occurring together.", ge=1, le=1000
    )
    keep: int = setting(
        1000,
        "Maximum number of partners kept per product, the best by score, which limits memory and file size.",
        ge=1,
        le=100_000,
    )
    learns_from: str = sequence_source()
