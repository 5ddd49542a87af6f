"""The categories and the partitions made of them.

Belongs here: the one place where categories.yaml is read for the definitions. Does not belong here: schedules
(``orchestration.jobs``) and settings (``orchestration.launchpad``).
"""

import dagster as dg

from core.categories import Category, load_categories
from core.paths import categories_file

CATEGORIES: dict[str, Category] = load_categories(categories_file())
BY_CATEGORY = dg.StaticPartitionsDefinition(list(CATEGORIES))
SEED = 42
"""Seed of all randomness in the assets; only training on several threads (hogwild) is not repeatable bit for bit."""
