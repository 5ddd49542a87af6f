"""What people read instead of identifiers: the names of models, protocols, metrics, scorings and groups of assets.

The explorer, the printed leaderboard and Dagster's descriptions take their names from here. An identifier itself
belongs in a tooltip or where people have to type it.
"""

import re

from core.evaluation import metrics
from core.evaluation.metrics import (
    ALL,
    COLD_START,
    DEGREE_MATCHED,
    NEXT_ORDER,
    NEXT_PRODUCT,
    PUBLISHED,
    RANKING,
    REST_OF_BASKET,
    SEEN,
)
from core.interfaces import CENTER_CENTER, CENTER_CONTEXT, NATIVE
from core.models import MODELS

GOES_WITH, SIMILAR_TO = "Goes with", "Similar to"
"""The two questions that lists of products answer."""

_SCORINGS = {
    CENTER_CONTEXT: (GOES_WITH, "Which products are bought together with this one"),
    NATIVE: (GOES_WITH, "Which products are bought together with this one, by the model's own score"),
    CENTER_CENTER: (SIMILAR_TO, "Which products are like this one"),
}
_PROTOCOLS = {
    NEXT_PRODUCT: (
        "Next product",
        "Given one product of a later order: each model's list against the order's other products.",
    ),
    REST_OF_BASKET: (
        "Rest of the basket",
        "Given all products of a later order but one: each model's list against the missing one.",
    ),
    NEXT_ORDER: (
        "Next order",
        "Given what a customer bought: each model's list against what is new in the customer's first later order.",
    ),
    RANKING: (
        "Lists",
        "What a shop sees: each product's list of best neighbours against its held-out partners. Pairs that the models "
        "learned from are left out.",
    ),
    DEGREE_MATCHED: (
        "Equally popular pairs",
        "Held-out pairs against pairs of equally popular products that are not related: popularity alone is worth 0.5.",
    ),
    COLD_START: (
        "New products",
        "Products that were held out completely, against equally popular products that are not related. Only brand, "
        "categories and price can place such products.",
    ),
    PUBLISHED: (
        "Article's protocol (easy negatives)",
        "Held-out pairs against the same number of uniformly drawn pairs that are not related, as in the article. "
        "These are easy to tell apart: popularity alone scores high. Use it only for a comparison with the article.",
    ),
}
_SUBSETS = {
    ALL: ("All pairs", "Pairs with a product that the model cannot place included"),
    SEEN: ("Known products", "Only pairs of two products that the models learned from"),
}
_PHASES = {
    "training": ("Training", "Time in which the model learns"),
    "setup": ("Set-up", "Time for reading, preparing and storing"),
    "compilation": ("Compilation", "Time for compiling code that was not cached yet"),
    "probing": ("Probing", "Time for measuring the learning curve"),
}
_GROUPS = {
    "catalog": "Source",
    "pairs": "Pairs and split",
    "graph": "Graph and walks",
    "models": "Trained models",
    "metrics": "Metrics",
    "neighbours": "Lists of the models",
    "projection": "Maps",
    "leaderboard": "Leaderboard",
    "customers": "Customers",
    "recommendations": "Lists of the shop",
    "published": "Published lists",
}


def model_title(name: str) -> str:
    """What people call a model; a model that is no longer in the registry keeps its name."""
    return MODELS[name].title if name in MODELS else _words(name)


def model_note(name: str) -> str:
    """What a model does, and its name in settings and commands."""
    return f"{MODELS[name].description} ({name})" if name in MODELS else "It is no longer part of this program"


def scoring_title(name: str) -> str:
    """The question that a scoring's lists answer: :data:`GOES_WITH` or :data:`SIMILAR_TO`."""
    return _SCORINGS[name][0] if name in _SCORINGS else _words(name)


def scoring_note(name: str) -> str:
    """What a scoring's lists answer, and the scoring's name in tables."""
    return f"{_SCORINGS[name][1]} ({name})" if name in _SCORINGS else _words(name)


def protocol_title(name: str) -> str:
    """What people call a protocol."""
    return _PROTOCOLS[name][0] if name in _PROTOCOLS else _words(name).capitalize()


def protocol_note(name: str) -> str:
    """What a protocol's numbers mean, in one or two sentences."""
    return _PROTOCOLS[name][1] if name in _PROTOCOLS else ""


def subset_title(name: str) -> str:
    """What people call a subset of the pairs."""
    return _SUBSETS[name][0] if name in _SUBSETS else _words(name).capitalize()


def subset_note(name: str) -> str:
    """Which pairs a subset has."""
    return _SUBSETS[name][1] if name in _SUBSETS else ""


def metric_title(name: str, protocol: str | None = None) -> str:
    """What people call a metric; one that this version of the program does not know keeps its name."""
    known = metrics.definition(name, protocol) or metrics.definition(name)
    return known.title if known else _words(name)


def metric_note(name: str, protocol: str | None = None) -> str:
    """What a metric means, and its name in tables."""
    known = metrics.definition(name, protocol) or metrics.definition(name)
    return f"{known.meaning} ({name})" if known and known.meaning else _words(name)


def phase_title(name: str) -> str:
    """What people call a phase of a training step (``core.clock.PHASES``)."""
    return _PHASES[name][0] if name in _PHASES else _words(name).capitalize()


def phase_note(name: str) -> str:
    """What is done in a phase of a training step."""
    return _PHASES[name][1] if name in _PHASES else ""


def group_title(name: str) -> str:
    """What people call a group of assets (``core.stages.Stage.group``)."""
    return _GROUPS.get(name, _words(name).capitalize())


def _words(name: str) -> str:
    """A name that this program does not know, which may be any text, without signs that Markdown acts upon."""
    return _ACTIVE.sub("", name.replace("_", " "))[:_LONGEST]


_ACTIVE = re.compile(r"[^\w @-]")
_LONGEST = 60
