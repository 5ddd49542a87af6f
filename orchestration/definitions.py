"""Everything Dagster loads.

Importing this module stays light: torch, gensim, numba and scikit-learn are imported inside the functions that need
them, so that the UI and each step's process start fast.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from core.models import MODELS
from orchestration import loggers as terminal
from orchestration import verification
from orchestration.assets import catalog, graph, inputs, models, projection
from orchestration.jobs import rebuild, schedules
from orchestration.machine import STEPS_AT_ONCE
from orchestration.partitions import CATEGORIES
from orchestration.resources import Machine, StoreResource, TorchDevice
from orchestration.sensors import sensors
from orchestration.steps.server import PRELOAD

EXECUTOR = {
    "max_concurrent": STEPS_AT_ONCE,
    # A step's process is forked from a server that has the slow imports behind it, instead of importing torch and
    # Dagster anew in each of the run's steps.
    "start_method": {"forkserver": {"preload_modules": PRELOAD}},
}


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions; ``resources`` replaces resources by key, for tests and deployments."""
    return dg.Definitions(
        assets=[
            catalog.raw_catalog,
            *dg.load_assets_from_modules([graph]),
            *(asset for model in MODELS.values() for asset in models.model_assets(model)),
            models.leaderboard,
            *projection.projection_assets(),
            *inputs.ASSETS,
        ],
        jobs=[rebuild, verification.verify_store],
        schedules=[*schedules, verification.nightly],
        sensors=sensors,
        resources={
            "store": StoreResource(),
            # Dagster's own default would take a folder to write to from the run config.
            "io_manager": StoreResource(),
            "torch_device": TorchDevice(),
            "machine": Machine(),
            **(resources or {}),
        },
        executor=dg.multiprocess_executor.configured(EXECUTOR),
        loggers={"console": terminal.console},
        # What the UI shows of the code location; the sensor of this name fails.
        metadata={"refused categories": " ".join(CATEGORIES.refused.values())} if CATEGORIES.refused else None,
    )


defs = build_defs()
