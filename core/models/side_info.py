"""Skip-gram with side information, for products that the walks never or rarely visit: its settings and its face.

Belongs here: what a user sets, and the two models that the registry names. Does not belong here: training on walks
(``core.models.skipgram_training``) and fitting the vectors of brands, categories and price bands to what it learned
(``core.models.side_fit``); this module is imported for its settings alone.
"""

from dataclasses import dataclass

from core.models.base import Embeddings, Inputs, TrainContext
from core.models.skipgram import SkipGramConfig
from core.settings import setting


@dataclass(frozen=True)
class SideInfoConfig(SkipGramConfig):
    """Settings of skip-gram plus side information; the unit of the two strengths is one occurrence on a walk."""

    own_strength: float = setting(
        1.0,
        "How firmly a product is held to the average of its side values; its occurrences on walks pull against it.",
        ge=1e-3,
        le=1e6,
    )
    side_strength: float = setting(
        1.0, "How firmly vectors of brands, categories and price bands are held near zero.", ge=1e-3, le=1e6
    )
    price_bands: int = setting(10, "Price bands, of about as many products each.", ge=1, le=1000)
    new_products: str = setting(
        "partners",
        "Where products without walks stand: partners points them at what alike products go with, which ranks best in "
        "their own lists but keeps them out of others'; alike puts them where alike products stand, also in others' "
        "lists.",
        choices=("partners", "alike"),
    )


@dataclass(frozen=True)
class WeightedSideInfoConfig(SideInfoConfig):
    """The same with learned weights."""

    weight_strength: float = setting(100.0, "How firmly the learned weights are held near equal.", ge=1e-3, le=1e9)
    rounds: int = setting(10, "Alternations between fitting vectors and fitting weights.", ge=1, le=1000)


def train_mean(inputs: Inputs, config: SideInfoConfig, context: TrainContext) -> Embeddings:
    """A product is the average, with equal weights, of a vector of its own and those of the fields it has.

    The product vectors come from skip-gram on ``inputs.walks``, as of :func:`core.models.skipgram.train`; then vectors
    for brands, categories and price bands, one as center and one as context each, are fitted to them, and the
    product's own vector becomes its deviation from these. It is not joint training as in the article. Products without
    walks are placed by what side values tell of their partners (``core.models.newcomers``), or, with ``new_products``
    ``alike``, by the average alone. The last row of the learning curve is measured after that. ``seen`` are the
    products on walks and those that at least one side value places.

    Raises:
        InputError: as of skip-gram.
    """
    return _train("skipgram_side_info_mean", inputs, config, context, None, 1)


def train_weighted(inputs: Inputs, config: WeightedSideInfoConfig, context: TrainContext) -> Embeddings:
    """The same average with learned weights per product (EGES; Wang et al., KDD 2018), held near equal."""
    return _train("skipgram_side_info_weighted", inputs, config, context, config.weight_strength, config.rounds)


def _train(
    name: str,
    inputs: Inputs,
    config: SideInfoConfig,
    context: TrainContext,
    penalty: float | None,
    rounds: int,
) -> Embeddings:
    from core.models import side_info_training

    return side_info_training.train(name, inputs, config, context, penalty, rounds)
