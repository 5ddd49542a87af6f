"""Settings of skip-gram with negative sampling, on walks, on node2vec walks and on sessions."""

from dataclasses import dataclass

from core.interfaces import BOTH, SESSIONS
from core.settings import setting
from core.training.config import StepsConfig, sequence_source


@dataclass(frozen=True)
class SkipGramTrainingConfig(StepsConfig):
    """Settings of skip-gram, whatever it learns from.

    The product of epochs and learning rate decides the result: a larger product lowers recall on large categories,
    while small categories need it. 5 x 0.012 is the compromise over two large and two small categories.
    """

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
    subsample: float = setting(
        0.0,
        "Frequency above which occurrences of a product are randomly left out, e.g. 1e-4; 0 keeps all.",
        ge=0,
        le=1,
    )
    schedule: str = setting(
        "linear",
        "How the learning rate changes: it falls linearly over the whole training, falls along a cosine that restarts "
        "with every epoch, or stays constant.",
        choices=("linear", "cosine_restarts", "constant"),
    )

    def rate(self, epoch: int, part: float) -> float:
        """The learning rate after ``part`` (0..1) of an epoch (1-based)."""
        span = self.learning_rate - self.min_learning_rate
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "cosine_restarts":
            return super().rate(epoch, part)
        return self.learning_rate - span * (epoch - 1 + part) / self.epochs


@dataclass(frozen=True)
class SkipGramConfig(SkipGramTrainingConfig):
    """Settings of the skip-gram model."""

    learns_from: str = sequence_source()


@dataclass(frozen=True)
class SessionsSkipGramConfig(SkipGramConfig):
    """Settings of skip-gram on sessions, which hold far fewer products than walks: more and larger steps than there."""

    epochs: int = setting(20, "Number of passes over the data.", ge=1, le=1000)
    learning_rate: float = setting(0.05, "Learning rate at the start.", ge=1e-8, le=1e8)
    learns_from: str = sequence_source(SESSIONS)


@dataclass(frozen=True)
class WalksAndSessionsSkipGramConfig(SkipGramConfig):
    """Settings of skip-gram on walks and sessions together."""

    learns_from: str = sequence_source(BOTH)
