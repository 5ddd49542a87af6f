"""Settings of skip-gram with side information, for products that the walks never or rarely visit."""

from dataclasses import dataclass

from core.models.skipgram.config import SkipGramConfig
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
