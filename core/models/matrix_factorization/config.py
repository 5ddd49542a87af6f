"""Settings of matrix factorization on pairs or on walks."""

from dataclasses import dataclass

from core.settings import setting
from core.training.config import StepsConfig, sequence_source


@dataclass(frozen=True)
class FactorizationConfig(StepsConfig):
    """Settings of matrix factorization on any kind of pairs. Only for subclasses."""

    epochs: int = setting(20, "Number of passes over the pairs; the learning rate restarts with each.", ge=1, le=1000)
    learning_rate: float = setting(0.05, "Learning rate at the start of each epoch.", ge=1e-8, le=1e8)
    min_learning_rate: float = setting(0.0001, "Learning rate at the end of each epoch.", ge=0, le=1e8)
    probes_per_epoch: int = setting(4, "Number of rows of the learning curve per epoch.", ge=1, le=1000)
    l2: float = setting(0.02, "Strength of L2 regularization of the products in a step.", ge=0, le=100)
    start: float = setting(0.02, "Standard deviation of the start values.", ge=1e-8, le=10)


@dataclass(frozen=True)
class PairsFactorizationConfig(FactorizationConfig):
    """Settings of matrix factorization on training pairs. The defaults were chosen on two real categories."""

    warm_rate: float = setting(0.5, "Share of the learning rate that is used after a warm start.", ge=1e-6, le=1)
    labels: str = setting(
        "binary",
        "Target score of a training pair: 1 (binary), or the share of training pairs whose weight is at most its own "
        "(continuous).",
        choices=("binary", "continuous"),
    )
    pairs_per_step: int = setting(
        8,
        "Number of pairs that make one step and share its negatives; more are faster, fewer see more different "
        "negatives.",
        ge=1,
        le=256,
    )
    shared_negatives: int = setting(
        8, "Number of negatives drawn per step and reweighted to `negatives` per pair.", ge=1, le=4096
    )


@dataclass(frozen=True)
class SequencesFactorizationConfig(FactorizationConfig):
    """Settings of matrix factorization on walks. The defaults were chosen on two real categories."""

    epochs: int = setting(2, "Number of passes over the walks; the learning rate restarts with each.", ge=1, le=1000)
    learning_rate: float = setting(0.01, "Learning rate at the start of each epoch.", ge=1e-8, le=1e8)
    l2: float = setting(0.01, "Strength of L2 regularization of the products in a step.", ge=0, le=100)
    window: int = setting(5, "Maximum distance on a walk at which two products are a pair.", ge=1, le=1000)
    dynamic_window: bool = setting(
        True, "Draw the reach of every product from 1..window, so that near products count more, as in word2vec."
    )
    shared_negatives: int = setting(
        16,
        "Number of negatives drawn per walk, shared by its pairs and reweighted to `negatives` per pair.",
        ge=1,
        le=4096,
    )
    learns_from: str = sequence_source()
