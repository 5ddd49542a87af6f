"""The arguments of the asset decorators, taken from the table of stages in ``core.stages``."""

from typing import Any

import dagster as dg

from core.stages import RAW_CATALOG, Stage, stages
from orchestration.assets.external import RULES, SOURCE, settings_key
from orchestration.partitions import BY_CATEGORY


def asset_arguments(asset: str) -> dict[str, Any]:
    """The arguments of ``dg.asset`` for the asset of this name."""
    stage = stages()[asset]
    return {
        "key": asset.split("/"),
        "ins": {parameter: dg.AssetIn(name.split("/")) for parameter, name in stage.inputs.items()},
        "deps": ([settings_key(stage.section)] if stage.section else []) + ([RULES] if stage.reads_rules else []),
        "partitions_def": BY_CATEGORY,
        "group_name": stage.group,
        **_output_arguments(stage),
    }


def catalog_arguments() -> dict[str, Any]:
    """The arguments of ``dg.multi_asset`` for the step that reads a source."""
    catalog_stages = [stage for stage in stages().values() if stage.step == RAW_CATALOG]
    return {
        "name": RAW_CATALOG,
        "outs": {stage.asset: dg.AssetOut(**_output_arguments(stage)) for stage in catalog_stages},
        "deps": [SOURCE, settings_key("catalog"), settings_key("sample")],
        "partitions_def": BY_CATEGORY,
        "group_name": catalog_stages[0].group,
    }


def _output_arguments(stage: Stage) -> dict[str, Any]:
    return {
        "description": stage.description,
        "kinds": set(stage.kinds),
        "io_manager_key": "store",
        "code_version": stage.code_version,
    }
