"""Settings of the blend."""

from dataclasses import dataclass

from core.settings import setting


@dataclass(frozen=True)
class BlendConfig:
    """Settings of the blend."""

    held_back_share: float = setting(0.15, "Share of the training pairs that the ranker learns from.", ge=0.05, le=0.5)
    cold_share: float = setting(
        0.05,
        "Share of the products with metadata whose pairs are all held back, so that the ranker learns to score new "
        "products.",
        ge=0.0,
        le=0.5,
    )
    candidates: int = setting(100, "Number of candidates that each model gives for a product.", ge=1, le=10_000)
    lists: int = setting(10_000, "Maximum number of training lists.", ge=1, le=10_000_000)
    pairs: int = setting(60_000, "Maximum number of training pairs of each kind.", ge=1, le=10_000_000)
    networks: int = setting(4, "Number of networks whose mean output is the score.", ge=1, le=100)
    hidden: int = setting(64, "Width of the two hidden layers of each network.", ge=1, le=4096)
    epochs: int = setting(8, "Number of passes over the training lists.", ge=1, le=1000)
    learning_rate: float = setting(
        0.01, "Learning rate at the start; it falls to zero along a cosine.", ge=1e-6, le=1.0
    )
