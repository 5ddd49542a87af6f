"""Settings of skip-gram with side information, which helps products that the walks visit rarely or never."""

from dataclasses import dataclass

from core.models.skipgram.config import SkipGramConfig
from core.settings import setting


@dataclass(frozen=True)
class SideInfoConfig(SkipGramConfig):
    """Settings of skip-gram with side information; the unit of the two strengths is one occurrence on a walk."""

    own_strength: float = setting(
        1.0,
        "Strength that pulls a product to the average of its side values, against its occurrences on walks.",
        ge=1e-3,
        le=1e6,
    )
    side_strength: float = setting(
        1.0, "Strength that pulls the vectors of brands, categories and price bands to zero.", ge=1e-3, le=1e6
    )
    price_bands: int = setting(
        10, "Number of price bands, which all have about the same number of products.", ge=1, le=1000
    )
    new_products: str = setting(
        "partners",
        "Vectors of products without walks: partners points them at the partners of similar products, which gives the "
        "best lists for them but keeps them out of the lists of others; alike puts them among similar products, so "
        "that they also appear in the lists of others.",
        choices=("partners", "alike"),
    )


@dataclass(frozen=True)
class WeightedSideInfoConfig(SideInfoConfig):
    """Settings of skip-gram with side information and learned weights."""

    weight_strength: float = setting(100.0, "Strength that pulls the learned weights to equal values.", ge=1e-3, le=1e9)
    rounds: int = setting(
        10, "Number of alternations between fitting the vectors and fitting the weights.", ge=1, le=1000
    )
