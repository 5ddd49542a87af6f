"""Settings of word2vec with gensim on the walks, the article's model."""

from dataclasses import dataclass

from core.settings import setting
from core.training.config import WarmStartConfig, rising_rate, sequence_source


@dataclass(frozen=True)
class GensimConfig(WarmStartConfig):
    """Settings of gensim's Word2Vec. The defaults are the article's, or gensim's own where the article names none.

    gensim trains only whole epochs, so a warm start rounds their number down, but to at least one.
    """

    architecture: str = setting(
        "cbow",
        "Direction of the prediction: a product from its neighbours (cbow), or the neighbours from a product "
        "(skip-gram).",
        choices=("cbow", "skip-gram"),
    )
    dim: int = setting(128, "Length of the vectors.", ge=1, le=4096)
    window: int = setting(
        5, "Maximum distance on a walk; gensim draws the reach of each product from 1..window.", ge=1, le=1000
    )
    negatives: int = setting(5, "Negatives per positive example.", ge=1, le=1000)
    noise_power: float = setting(
        0.75, "Negatives are drawn in proportion to the products' frequency to this power.", ge=-2, le=2
    )
    subsample: float = setting(
        0.001, "Frequency above which occurrences of a product are randomly left out; 0 keeps all.", ge=0, le=1
    )
    epochs: int = setting(5, "Number of passes over the walks.", ge=1, le=1000)
    learning_rate: float = setting(0.025, "Learning rate at the start.", ge=1e-8, le=10)
    min_learning_rate: float = setting(0.0001, "Learning rate at the end.", ge=0, le=10)
    learns_from: str = sequence_source()

    def contradiction(self) -> str | None:
        """How the settings contradict each other, or None."""
        return rising_rate(self.learning_rate, self.min_learning_rate)
