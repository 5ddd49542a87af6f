"""Every hyperparameter of the pipeline, section by section, with its help text and bounds."""

from dataclasses import dataclass

from core.customers.config import CustomersConfig
from core.evaluation.result import EvaluationConfig
from core.models import MODELS
from core.orders.config import OrdersConfig, SessionsConfig
from core.pairs import PairsConfig
from core.pairs.split import SplitConfig
from core.projection import ProjectionConfig
from core.recommendations.config import FinalModelsConfig, RecommendationsConfig
from core.scoring.neighbours import NeighboursConfig
from core.settings import setting
from core.walks.config import Node2VecConfig, WalksConfig


@dataclass(frozen=True)
class SampleConfig:
    """The built-in synthetic catalogue (only for categories whose source is ``sample``)."""

    products: int = setting(3000, "Number of products.", ge=50, le=5_000_000)
    pairs_per_product: float = setting(10.0, "Average number of pairs per product.", ge=1, le=100)


@dataclass(frozen=True)
class CatalogConfig:
    """Reading a source."""

    max_bad_share: float = setting(
        0.01, "Largest share of unreadable lines that is accepted; they go to the quarantine.", ge=0, le=1
    )


@dataclass(frozen=True)
class GuardConfig:
    """Changes that a rebuild must not make silently. These settings change no result and make nothing out of date."""

    min_share: float = setting(
        0.5, "Smallest share of the previous products and listings that a rebuild may keep.", ge=0, le=1
    )
    from_rows: int = setting(
        1000, "Number of products or listings from which the category is guarded.", ge=1, le=1_000_000_000
    )
    allow_shrink: bool = setting(
        False, "Whether a source that shrank below min_share is accepted, for one run or permanently."
    )
    auc_drop: float = setting(
        0.02, "Largest drop of degree-matched ROC-AUC since the last materialization without a warning.", ge=0, le=1
    )
    coverage_drop: float = setting(
        0.1, "Largest drop of coverage@10 since the last materialization without a warning.", ge=0, le=1
    )
    lists_warn: float = setting(
        0.5,
        "Largest change of the lists (1 - overlap@10 with the published ones) that a rebuild may make without a "
        "warning.",
        ge=0,
        le=1,
    )
    lists_stop: float = setting(
        0.9, "Largest change of the lists (1 - overlap@10) that is accepted; above it, they are not stored.", ge=0, le=1
    )
    lost_warn: float = setting(
        0.01, "Largest share of the published lists that a rebuild may lose without a warning.", ge=0, le=1
    )
    lost_stop: float = setting(
        0.2, "Largest share of the published lists that may be lost; above it, nothing is stored.", ge=0, le=1
    )
    allow_change: bool = setting(
        False, "Whether lists that changed more than lists_stop and lost_stop are accepted, for one run or permanently."
    )
    download_hours: float = setting(
        6.0,
        "Maximum duration of a source's download in hours; the received part is kept, and the next run continues it.",
        ge=0,
        le=720,
    )
    download_gigabytes: float = setting(
        200.0, "Maximum size of a downloaded source in GB (10^9 bytes).", ge=0, le=100_000
    )


CONFIGS: dict[str, type] = {
    "sample": SampleConfig,
    "catalog": CatalogConfig,
    "guard": GuardConfig,
    "orders": OrdersConfig,
    "pairs": PairsConfig,
    "split": SplitConfig,
    "walks": WalksConfig,
    "node2vec_walks": Node2VecConfig,
    "sessions": SessionsConfig,
    **{name: model.config_class for name, model in MODELS.items()},
    "evaluation": EvaluationConfig,
    "neighbours": NeighboursConfig,
    "projection": ProjectionConfig,
    "customers": CustomersConfig,
    "final_models": FinalModelsConfig,
    "recommendations": RecommendationsConfig,
}
"""Section name → config class; the section of a model has the model's name."""
