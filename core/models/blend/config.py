"""Settings of the blend."""

from dataclasses import dataclass

from core.settings import setting


@dataclass(frozen=True)
class BlendConfig:
    """Settings of the blend."""

    held_back_share: float = setting(0.15, "Share of the training pairs that the ranker learns from.", ge=0.05, le=0.5)
    cold_share: float = setting(
        0.05, "Share of the products with metadata whose pairs are all held back, so that it learns to place new ones.",
        ge=0.0, le=0.5,
    )  # fmt: skip
    candidates: int = setting(100, "Candidates per product and source of candidates.", ge=1, le=10_000)
    lists: int = setting(10_000, "Most lists that the ranker learns from.", ge=1, le=10_000_000)
    pairs: int = setting(60_000, "Most pairs of each kind that the ranker learns from.", ge=1, le=10_000_000)
    networks: int = setting(4, "Networks whose mean is the score.", ge=1, le=100)
    hidden: int = setting(64, "Width of their two hidden layers.", ge=1, le=4096)
    epochs: int = setting(8, "Passes over the lists.", ge=1, le=1000)
    learning_rate: float = setting(0.01, "At the start; falls to zero along a cosine.", ge=1e-6, le=1.0)
