"""Settings of skip-gram with negative sampling, on first-order or on node2vec walks."""

from dataclasses import dataclass

from core.settings import setting
from core.training.config import StepsConfig


@dataclass(frozen=True)
class SkipGramConfig(StepsConfig):
    """Settings of the skip-gram model.

    Epochs and learning rate go together: their product decides, and more of it lowers recall on large categories
    while small ones need it. 5 x 0.012 is the compromise over two large and two small categories.
    """

    window: int = setting(5, "How far apart on a walk two products may stand to be a pair.", ge=1, le=1000)
    dynamic_window: bool = setting(
        True, "Draw the reach from 1..window for every center, so that near products weigh more (word2vec)."
    )
    shared_negatives: int = setting(
        16, "Negatives drawn per walk and shared by its pairs, reweighted to `negatives`.", ge=1, le=4096
    )
    subsample: float = setting(
        0.0, "Frequency above which occurrences are randomly left out, e.g. 1e-4; 0 keeps all.", ge=0, le=1
    )
    schedule: str = setting(
        "linear",
        "How the learning rate falls: linearly over the whole training, along a cosine that restarts with every "
        "epoch, or not at all.",
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
