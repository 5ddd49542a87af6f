"""Everything Dagster loads.

Belongs here: putting assets, jobs, schedules and resources together. Importing this module stays light: torch,
gensim, numba and scikit-learn are imported inside the functions that need them, so that the UI and each step's
process start fast.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from core.models import MODELS
from orchestration import terminal
from orchestration.assets import catalog, graph, models
from orchestration.jobs import rebuild, schedules
from orchestration.resources import Machine, StoreResource, TorchDevice


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions; ``resources`` replaces resources by key, for tests and deployments."""
    return dg.Definitions(
        assets=[
            catalog.raw_catalog,
            *dg.load_assets_from_modules([graph]),
            *(asset for model in MODELS.values() for asset in models.model_assets(model)),
            models.leaderboard,
        ],
        jobs=[rebuild],
        schedules=schedules,
        resources={
            "store": StoreResource(),
            "torch_device": TorchDevice(),
            "machine": Machine(),
            **(resources or {}),
        },
        # Two steps at once keep two cores busy while one of them reads or writes; more would only share them.
        executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
        loggers={"console": terminal.console},
    )


defs = build_defs()
