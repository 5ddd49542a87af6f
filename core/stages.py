"""The asset graph as data: every asset of a category with its inputs, settings, code version and description.

Dagster's assets, the list of outdated assets and the explorer's Freshness page are all made from this table, so that
they cannot disagree.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.catalog import VERSION as CATALOG_VERSION
from core.categories import Category
from core.changes import Expected
from core.customers.config import LISTS_VERSION, VECTORS_VERSION
from core.delivery.config import PLACES, as_settings
from core.delivery.config import VERSION as DELIVERY_VERSION
from core.evaluation.leaderboard import VERSION as LEADERBOARD_VERSION
from core.evaluation.metrics import VERSION as EVALUATION_VERSION
from core.graph import VERSION as GRAPH_VERSION
from core.interfaces import Model
from core.models import MODELS
from core.orders.history import VERSION as HISTORY_VERSION
from core.orders.relationships import VERSION as ORDERS_VERSION
from core.orders.sessions import VERSION as SESSIONS_VERSION
from core.pairs import VERSION as PAIRS_VERSION
from core.pairs.split import VERSION as SPLIT_VERSION
from core.projection import VERSION as PROJECTION_VERSION
from core.projection import has_map, wanted
from core.recommendations.config import FINAL_VERSION
from core.recommendations.config import LISTS_VERSION as LISTS_OF_PRODUCTS_VERSION
from core.scoring.neighbours import VERSION as NEIGHBOURS_VERSION
from core.walks.config import FIRST_ORDER_VERSION, SECOND_ORDER_VERSION

RAW_CATALOG = "raw_catalog"
"""The step that reads a source; it makes three assets at once, and none of them can be made alone."""

_MODEL_INPUTS = {
    "products": "product_pairs",
    "graph": "product_graph",
    "transition": "transition_matrix",
    "walks": "walks",
    "node2vec_walks": "node2vec_walks",
    "sessions": "sessions",
    "orders": "order_history",
}
"""Field of ``core.interfaces.Inputs`` → asset that provides it."""


@dataclass(frozen=True)
class Stage:
    """One asset.

    Attributes:
        asset: name with slashes, e.g. ``embeddings/skipgram``.
        group: heading under which the Dagster UI shows it.
        description: one or two sentences for the UI.
        code_version: raised whenever the same inputs and settings give a different result.
        inputs: parameter of the function that makes the asset → asset that is passed to it.
        section: section of its settings, None if it has no settings.
        kinds: labels in the Dagster UI, for its storage format or the library that makes it.
        step: name of the step that makes it; a step may make several assets.
        reads_source: whether it is read from the category's source.
        reads_rules: whether it is made from the category's rules, stock table and pins as well.
        place: where it is delivered (``core.delivery``); its settings are those of the category's ``publish:``.
    """

    asset: str
    group: str
    description: str
    code_version: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    section: str | None = None
    kinds: tuple[str, ...] = ()
    step: str = ""
    reads_source: bool = False
    reads_rules: bool = False
    place: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", self.step or self.asset)

    def section_of(self, category: Category) -> str | None:
        """The section of the asset's settings in a category; the built-in source has a section of its own."""
        return "sample" if self.reads_source and category.source == "sample" else self.section

    def settings(self, category: Category) -> dict[str, Any] | None:
        """The current settings of the asset by name; None if it has no settings."""
        if self.place:
            own = category.publish.get(self.place)
            return as_settings(own) if own is not None else None
        section = self.section_of(category)
        return dataclasses.asdict(category.config(section)) if section else None


def _catalog() -> Iterator[Stage]:
    for asset, description in (
        ("raw_products", "Products with metadata as read from the source, one row per product."),
        (
            "raw_orders",
            "Order lines as the source has them, returns included; empty if it holds none.",
        ),
        (
            "raw_relationships",
            "What each product lists as also_bought, also_viewed or bought_together, or a team's own pairs.",
        ),
        ("quarantine", "Lines of the source that could not be read, each with file, line number, reason and excerpt."),
    ):
        yield Stage(
            asset, "catalog", description, CATALOG_VERSION,
            section="catalog", kinds=("parquet",), step=RAW_CATALOG, reads_source=True,
        )  # fmt: skip


def _pairs() -> Iterator[Stage]:
    yield Stage(
        "order_history",
        "pairs",
        "What was bought and viewed and not returned, and which of it is held out for the test in time; empty if there "
        "are no order lines.",
        HISTORY_VERSION,
        {"raw_orders": "raw_orders"},
        "split",
        ("numba", "parquet"),
    )
    yield Stage(
        "order_relationships",
        "pairs",
        "Products bought together, also bought and also viewed, counted from order lines; empty if there are none.",
        ORDERS_VERSION,
        {"order_history": "order_history"},
        "orders",
        ("numba", "parquet"),
    )
    yield Stage(
        "product_pairs",
        "pairs",
        "Undirected pairs of products. By default bought_together weighs 1.2, also_bought 1.0 and also_viewed 0.5, a "
        "listing further down its list weighs less, and both directions are added up.",
        PAIRS_VERSION,
        {
            "raw_products": "raw_products",
            "raw_relationships": "raw_relationships",
            "order_relationships": "order_relationships",
        },
        "pairs",
        ("parquet",),
    )
    yield Stage(
        "pair_split",
        "pairs",
        "Training and validation pairs, uniform and degree-matched negatives, products that are held out whole, and "
        "orders that are held out in time.",
        SPLIT_VERSION,
        {"product_pairs": "product_pairs", "order_history": "order_history"},
        "split",
        ("numpy",),
    )


def _graph() -> Iterator[Stage]:
    yield Stage(
        "product_graph",
        "graph",
        "The weighted undirected graph of the training pairs, as a CSR matrix.",
        GRAPH_VERSION,
        {"pair_split": "pair_split"},
        kinds=("scipy",),
    )
    yield Stage(
        "sessions",
        "graph",
        "The products of each order, session or customer in time, a row each, stored like walks; empty if there are no "
        "order lines.",
        SESSIONS_VERSION,
        {"order_history": "order_history", "product_pairs": "product_pairs", "pair_split": "pair_split"},
        "sessions",
        ("numba",),
    )
    yield Stage(
        "transition_matrix",
        "graph",
        "Row-stochastic transition probabilities of the graph; the row of an isolated product is empty.",
        GRAPH_VERSION,
        {"product_graph": "product_graph"},
        kinds=("scipy",),
    )
    yield Stage(
        "walks",
        "graph",
        "Weighted first-order random walks from every product with a training pair; a row is a walk of int32 node ids.",
        FIRST_ORDER_VERSION,
        {"transition_matrix": "transition_matrix"},
        "walks",
        ("numba",),
    )
    yield Stage(
        "node2vec_walks",
        "graph",
        "Second-order random walks with return parameter p and in-out parameter q (node2vec), stored like walks.",
        SECOND_ORDER_VERSION,
        {"product_graph": "product_graph"},
        "node2vec_walks",
        ("numba",),
    )


def _embeddings(model: Model) -> Stage:
    parts = {name: f"embeddings/{name}" for name in model.models}
    return Stage(
        f"embeddings/{model.name}",
        "models",
        f"{model.title[:1].upper()}{model.title[1:]}. {model.description}",
        model.version,
        {"split": "pair_split"} | {name: _MODEL_INPUTS[name] for name in model.inputs} | parts,
        model.name,
        ("numpy", *model.kinds),
    )


def _metrics(model: Model) -> Stage:
    return Stage(
        f"metrics/{model.name}",
        "metrics",
        f"Link-prediction, ranking and cold-start metrics of {model.title}, with intervals and curves.",
        EVALUATION_VERSION,
        {"trained": f"embeddings/{model.name}", "split": "pair_split", "graph": "product_graph"},
        "evaluation",
        ("numpy",),
    )


def _neighbours(model: Model) -> Stage:
    return Stage(
        f"neighbours/{model.name}",
        "neighbours",
        f"The nearest products of every product according to {model.title}, in a file that a shop can load.",
        NEIGHBOURS_VERSION,
        {"trained": f"embeddings/{model.name}", "pairs": "product_pairs"},
        "neighbours",
        ("parquet",),
    )


def _projection(model: Model) -> Stage:
    return Stage(
        f"projection/{model.name}",
        "projection",
        f"A two-dimensional map of the products by the vectors of {model.title}. "
        "It is made only for the models that the setting projection.models names.",
        PROJECTION_VERSION,
        {"trained": f"embeddings/{model.name}"},
        "projection",
        ("numpy",),
    )


def _leaderboard() -> Stage:
    return Stage(
        "leaderboard",
        "leaderboard",
        "The metrics of all models of the category in one long table, with one row per model, protocol and metric.",
        LEADERBOARD_VERSION,
        {name: f"metrics/{name}" for name in MODELS},
        kinds=("parquet",),
    )


def _customers() -> Iterator[Stage]:
    yield Stage(
        "customer_vectors",
        "customers",
        "A vector for every customer among those of skip-gram's products: the mean of what the customer bought last, "
        "or that of the customer's type; empty if the source names no customers.",
        VECTORS_VERSION,
        {"history": "order_history", "pairs": "product_pairs", "trained": "embeddings/skipgram"},
        "customers",
        ("numpy", "parquet"),
    )
    yield Stage(
        "customer_lists",
        "customers",
        "What each customer may buy next according to next purchase, and because of which product; empty if the source "
        "names no customers.",
        LISTS_VERSION,
        {
            "history": "order_history",
            "pairs": "product_pairs",
            "split": "pair_split",
            "trained": "embeddings/next_purchase",
        },
        "customers",
        ("parquet",),
    )


def _recommendations() -> Iterator[Stage]:
    yield Stage(
        "final_models",
        "recommendations",
        "The best model for each kind of list, trained again on all pairs and orders with the settings that were "
        "judged.",
        FINAL_VERSION,
        {"pairs": "product_pairs", "history": "order_history", "board": "leaderboard"},
        "final_models",
        ("numpy",),
    )
    yield Stage(
        "recommendations",
        "recommendations",
        "The lists of products that a shop loads, as full as its rules allow; each entry says where it comes from.",
        LISTS_OF_PRODUCTS_VERSION,
        {"final": "final_models", "pairs": "product_pairs"},
        "recommendations",
        ("numba", "numpy"),
        reads_rules=True,
    )


_PUBLISHED = {
    "api": ("The lists that `alsobought api` serves, kept apart from those that are being made.", "parquet"),
    "files": ("The lists as Parquet and JSON lines in a folder or bucket.", "parquet"),
    "vectors": ("The vectors of the final models as Parquet and NumPy's files in a folder or bucket.", "numpy"),
    "postgresql": ("The lists in a view of a PostgreSQL database.", "postgres"),
    "redis": ("The lists in hashes of a Redis server.", "redis"),
}


def _published(place: str) -> Stage:
    description, kind = _PUBLISHED[place]
    return Stage(
        f"published/{place}",
        "published",
        f"{description} It is made only for the categories whose key `publish` names the place.",
        DELIVERY_VERSION,
        {"lists": "recommendations"} | ({"models": "final_models"} if place == "vectors" else {}),
        kinds=(kind,),
        place=place,
    )


def stages() -> dict[str, Stage]:
    """All assets by name, each after the assets that it is made from."""
    models = _parts_first()
    table = [
        *_catalog(),
        *_pairs(),
        *_graph(),
        *map(_embeddings, models),
        *map(_metrics, models),
        *map(_neighbours, models),
        *map(_projection, filter(has_map, models)),
        _leaderboard(),
        *_customers(),
        *_recommendations(),
        *map(_published, PLACES),
    ]
    return {stage.asset: stage for stage in table}


def _parts_first() -> list[Model]:
    """The registry's models, each after the models that it is built from."""
    ordered: dict[str, Model] = {}

    def add(model: Model) -> None:
        for part in model.models:
            add(MODELS[part])
        ordered.setdefault(model.name, model)

    for model in MODELS.values():
        add(model)
    return list(ordered.values())


def stages_of(category: Category, maps: Iterable[str] = ()) -> dict[str, Stage]:
    """The assets that a complete rebuild of a category makes.

    Args:
        category: the category, whose settings name the models whose maps are made, and which names the places that it
            is published to.
        maps: models whose maps are included as well, because they exist already.

    Raises:
        InputError: the category asks for the map of a model that has no vectors.
    """
    included = {f"projection/{name}" for name in (*wanted(category.config("projection")), *maps)}
    return {
        name: stage
        for name, stage in stages().items()
        if (stage.group != "projection" or name in included) and (not stage.place or stage.place in category.publish)
    }


def expected(
    category: Category,
    source: Mapping[str, Any] | None = None,
    maps: Iterable[str] = (),
    lists: Mapping[str, Any] | None = None,
) -> list[Expected]:
    """The manifests that a complete rebuild would write, each after those of the asset's inputs.

    Args:
        category: the category.
        source: state of its source; None if it is unknown, which counts as no change.
        maps: see :func:`stages_of`.
        lists: state of its rules, stock table and pins (``core.recommendations.state``); None if it is unknown.
    """
    return [
        Expected(
            asset=stage.asset,
            code_version=stage.code_version,
            inputs=tuple(sorted(stage.inputs.values())),
            config=stage.settings(category),
            source=source if stage.reads_source else None,
            step=stage.step,
            lists=lists if stage.reads_rules else None,
        )
        for stage in stages_of(category, maps).values()
    ]
