"""Settings of word2vec on the walks with gensim, the article's model."""

from dataclasses import dataclass

from core.settings import setting
from core.training.config import WarmStartConfig, rising


@dataclass(frozen=True)
class GensimConfig(WarmStartConfig):
    """Settings of gensim's Word2Vec; defaults as in the article, and gensim's own for the rest.

    gensim trains whole epochs only: a warm start rounds them down, to one at least.
    """

    architecture: str = setting(
        "cbow", "Predict a product from those around it (cbow) or those from it.", choices=("cbow", "skip-gram")
    )
    dim: int = setting(128, "Length of the vectors.", ge=1, le=4096)
    window: int = setting(5, "Largest distance on a walk; gensim draws the reach from 1..window.", ge=1, le=1000)
    negatives: int = setting(5, "Negatives per positive example.", ge=1, le=1000)
    noise_power: float = setting(0.75, "Negatives are drawn in proportion to frequency to this power.", ge=-2, le=2)
    subsample: float = setting(
        0.001, "Frequency above which occurrences are randomly left out; 0 keeps all.", ge=0, le=1
    )
    epochs: int = setting(5, "Passes over the walks.", ge=1, le=1000)
    learning_rate: float = setting(0.025, "Learning rate at the start.", ge=1e-8, le=10)
    min_learning_rate: float = setting(0.0001, "Learning rate at the end.", ge=0, le=10)

    def contradiction(self) -> str | None:
        """What is wrong with the settings together, or None."""
        return rising(self.learning_rate, self.min_learning_rate)
