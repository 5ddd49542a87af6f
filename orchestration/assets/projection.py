"""Stage 5: a two-dimensional map of the products for each model whose vectors can be laid out."""

from collections.abc import Iterator

import dagster as dg

from core.interfaces import Model, TrainedModel
from core.models import MODELS
from core.projection import Projection, has_map, project, wanted
from orchestration.assets.arguments import asset_arguments
from orchestration.config import config_schema, resolve_config
from orchestration.metadata import StepReport
from orchestration.partitions import SEED
from orchestration.resources import Machine

_SCHEMA = config_schema("projection")


def projection_assets() -> list[dg.AssetsDefinition]:
    """One asset per model that has vectors."""
    return [_projection(model) for model in MODELS.values() if has_map(model)]


def _projection(model: Model) -> dg.AssetsDefinition:
    @dg.asset(
        **asset_arguments(f"projection/{model.name}"),
        output_required=False,  # maps of all models would double the time of a rebuild, so most models yield none
    )
    def projection(
        context: dg.AssetExecutionContext,
        config: _SCHEMA,  # type: ignore[valid-type]
        machine: Machine,
        trained: TrainedModel,
    ) -> Iterator[dg.MaterializeResult[Projection]]:
        settings = resolve_config(context, "projection", config)
        if model.name not in wanted(settings):
            context.log.debug(f"No map of {model.name} is made; to have one, add it to the setting projection.models.")
            return
        report = StepReport(context, settings)
        result = project(trained, settings, threads=machine.thread_count(), seed=SEED, progress=report.progress)
        yield report.output(result, products=len(result.nodes), products_laid_out=int(result.fitted.sum()))

    return projection
