"""word2vec on the walks with gensim, the article's model: its settings and its face.

Belongs here: what a user sets, and what the registry names. Does not belong here: the training itself
(``core.models.gensim_training``), which needs gensim; this module is imported for its settings alone.
"""

from dataclasses import dataclass

from core.models.base import Embeddings, Inputs, TrainContext
from core.models.steps import WarmStartConfig
from core.settings import setting


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


def train(inputs: Inputs, config: GensimConfig, context: TrainContext) -> Embeddings:
    """Train gensim's Word2Vec on ``inputs.walks``; ``center`` is its ``wv``, ``context`` its ``syn1neg``.

    With more than one thread gensim's result differs a little from run to run. Learning-curve rows come once per epoch,
    without a loss (gensim's running loss loses precision by design).

    Raises:
        InputError: no walks, or walks of another graph.
    """
    from core.models import gensim_training

    return gensim_training.train(inputs, config, context)
