"""Skip-gram with negative sampling, on first-order or on node2vec walks: its settings and its face.

Belongs here: what a user sets, and the two models that the registry names. Does not belong here: the training itself
(``core.models.skipgram_training``), which needs torch and Numba; this module is imported for its settings alone.
"""

from dataclasses import dataclass

from core.models.base import Embeddings, Inputs, TrainContext
from core.models.steps import StepsConfig
from core.settings import setting


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


def train(inputs: Inputs, config: SkipGramConfig, context: TrainContext) -> Embeddings:
    """Train on ``inputs.walks``.

    The learning curve counts words (node occurrences read, before subsampling) as examples; its loss is the mean over
    positive pairs, each with its share of the negatives. Repeatable bit for bit with one thread on a CPU.

    Raises:
        InputError: no walks, walks of another graph, settings that contradict each other, a device that is not
            there, or a learning rate at which training diverges.
    """
    from core.models import skipgram_training

    return skipgram_training.train("skipgram", inputs.walks, inputs.n_nodes, config, context)


def train_node2vec(inputs: Inputs, config: SkipGramConfig, context: TrainContext) -> Embeddings:
    """The same on ``inputs.node2vec_walks``, which makes it node2vec (Grover and Leskovec, KDD 2016)."""
    from core.models import skipgram_training

    return skipgram_training.train("node2vec", inputs.node2vec_walks, inputs.n_nodes, config, context)
