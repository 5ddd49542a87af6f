"""Dagster's side of the table of stages: what the decorators of the assets say is taken from ``core.stages``."""

from typing import Any

import dagster as dg

from core.stages import RAW_CATALOG, Stage, stages
from orchestration.assets.inputs import SOURCE, settings
from orchestration.partitions import BY_CATEGORY


def declared(asset: str) -> dict[str, Any]:
    """The arguments of ``dg.asset`` for the asset of this name."""
    stage = stages()[asset]
    return {
        "key": asset.split("/"),
        "ins": {parameter: dg.AssetIn(name.split("/")) for parameter, name in stage.inputs.items()},
        "deps": [settings(stage.section)] if stage.section else [],
        "partitions_def": BY_CATEGORY,
        "group_name": stage.group,
        **_said(stage),
    }


def declared_catalog() -> dict[str, Any]:
    """The arguments of ``dg.multi_asset`` for the step that reads a source."""
    together = [stage for stage in stages().values() if stage.step == RAW_CATALOG]
    return {
        "name": RAW_CATALOG,
        "outs": {stage.asset: dg.AssetOut(**_said(stage)) for stage in together},
        "deps": [SOURCE, settings("catalog"), settings("sample")],
        "partitions_def": BY_CATEGORY,
        "group_name": together[0].group,
    }


def _said(stage: Stage) -> dict[str, Any]:
    return {
        "description": stage.description,
        "kinds": set(stage.kinds),
        "io_manager_key": "store",
        "code_version": stage.code_version,
    }
