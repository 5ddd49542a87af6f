"""Everything Dagster loads.

Importing this module stays light, so that the UI and each step's process start fast: torch, gensim, numba and
scikit-learn are imported inside the functions that need them.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from core.models import MODELS
from orchestration.assets import catalog, customers, graph, models, projection, published, recommendations
from orchestration.assets.external import EXTERNAL_ASSETS
from orchestration.jobs import fold_in, rebuild, verify_store
from orchestration.loggers import console
from orchestration.partitions import CATEGORIES
from orchestration.resources import Machine, StoreResource, TorchDevice
from orchestration.schedules import SCHEDULES
from orchestration.sensors import SENSORS
from orchestration.steps.executor import executor


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Build the definitions; ``resources`` replaces resources by key, for tests and deployments."""
    return dg.Definitions(
        assets=[
            catalog.raw_catalog,
            *dg.load_assets_from_modules([graph]),
            *(asset for model in MODELS.values() for asset in models.model_assets(model)),
            models.leaderboard,
            *dg.load_assets_from_modules([customers]),
            *projection.projection_assets(),
            *dg.load_assets_from_modules([recommendations]),
            *published.published_assets(),
            *EXTERNAL_ASSETS,
        ],
        jobs=[rebuild, fold_in, verify_store],
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={
            "store": StoreResource(),
            # Dagster's default IO manager would take the folder that it writes to from the run config.
            "io_manager": StoreResource(),
            "torch_device": TorchDevice(),
            "machine": Machine(),
            **(resources or {}),
        },
        executor=executor,
        loggers={"console": console},
        # The UI shows this at the code location; the sensor `categories_refused` fails as long as there are any.
        metadata={"refused categories": " ".join(CATEGORIES.refused.values())} if CATEGORIES.refused else None,
    )


defs = build_defs()
