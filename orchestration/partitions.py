"""The categories, their partitions, and the tags of steps."""

from typing import Any

import dagster as dg

from core.categories import Categories, load_categories, load_step_tags
from core.interfaces import Model
from core.paths import categories_file

CATEGORIES: Categories = load_categories(categories_file())
_STEP_TAGS = load_step_tags(categories_file())
BY_CATEGORY = dg.StaticPartitionsDefinition(list(CATEGORIES))
SEED = 42
"""Seed of all randomness in the assets. Only training on several threads (hogwild) is not repeatable bit for bit."""


def step_tags(model: Model) -> dict[str, Any]:
    """The tags of the step that trains a model, e.g. for a cluster's executor: those of all GPU models and its own."""
    return (_STEP_TAGS.get("gpu", {}) if model.gpu else {}) | _STEP_TAGS.get(model.name, {})


def gpu_step_tags() -> dict[str, Any]:
    """The tags of a step that may train any model that can use a GPU."""
    return dict(_STEP_TAGS.get("gpu", {}))
