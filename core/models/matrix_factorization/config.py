"""Settings of matrix factorization on pairs or on walks."""

from dataclasses import dataclass

from core.settings import setting
from core.training.config import StepsConfig


@dataclass(frozen=True)
class FactorizationConfig(StepsConfig):
    """Settings of matrix factorization, on whichever pairs. Not used by itself."""

    epochs: int = setting(20, "Passes over the pairs; the learning rate restarts with each.", ge=1, le=1000)
    learning_rate: float = setting(0.05, "Learning rate at the start of each epoch.", ge=1e-8, le=1e8)
    min_learning_rate: float = setting(0.0001, "Learning rate at the end of each epoch.", ge=0, le=1e8)
    probes_per_epoch: int = setting(4, "Rows of the learning curve per epoch.", ge=1, le=1000)
    l2: float = setting(0.02, "L2 regularization of the products that a step names, at each step.", ge=0, le=100)
    start: float = setting(0.02, "Standard deviation of the start values.", ge=1e-8, le=10)


@dataclass(frozen=True)
class PairsFactorizationConfig(FactorizationConfig):
    """Settings of matrix factorization on training pairs. The defaults were chosen on two real categories."""

    warm_rate: float = setting(0.5, "Share of the learning rate with which a warm start goes on.", ge=1e-6, le=1)
    labels: str = setting(
        "binary",
        "What a training pair shall score: 1, or the share of training pairs whose weight is at most its own.",
        choices=("binary", "continuous"),
    )
    pairs_per_step: int = setting(
        8,
        "Pairs that make a step and share its negatives: more are quicker, fewer have more different ones.",
        ge=1,
        le=256,
    )
    shared_negatives: int = setting(8, "Negatives drawn per step, reweighted to `negatives` per pair.", ge=1, le=4096)


@dataclass(frozen=True)
class SequencesFactorizationConfig(FactorizationConfig):
    """Settings of matrix factorization on walks. The defaults were chosen on two real categories."""

    epochs: int = setting(2, "Passes over the walks; the learning rate restarts with each.", ge=1, le=1000)
    learning_rate: float = setting(0.01, "Learning rate at the start of each epoch.", ge=1e-8, le=1e8)
    l2: float = setting(0.01, "L2 regularization of the products that a step names, at each step.", ge=0, le=100)
    window: int = setting(5, "How far apart on a walk two products may stand to be a pair.", ge=1, le=1000)
    dynamic_window: bool = setting(
        True, "Draw the reach from 1..window for every product, so that near products weigh more (word2vec)."
    )
    shared_negatives: int = setting(
        16, "Negatives drawn per walk and shared by its pairs, reweighted to `negatives`.", ge=1, le=4096
    )
