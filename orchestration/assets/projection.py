"""Stage 5: a two-dimensional map of the products for every model in the registry whose vectors can be laid out."""

from collections.abc import Iterator

import dagster as dg

from core.interfaces import Model, TrainedModel
from core.models import MODELS
from core.projection import Projection, has_map, project, wanted
from orchestration.assets.declared import declared
from orchestration.config import form, resolve
from orchestration.metadata import StepReport
from orchestration.partitions import SEED
from orchestration.resources import Machine

_FORM = form("projection")


def projection_assets() -> list[dg.AssetsDefinition]:
    """One asset per model that has vectors."""
    return [_projection(model) for model in MODELS.values() if has_map(model)]


def _projection(model: Model) -> dg.AssetsDefinition:
    @dg.asset(
        **declared(f"projection/{model.name}"),
        output_required=False,  # a map of every model would double the time of a rebuild: the others yield nothing
    )
    def projection(
        context: dg.AssetExecutionContext,
        config: _FORM,  # type: ignore[valid-type]
        machine: Machine,
        trained: TrainedModel,
    ) -> Iterator[dg.MaterializeResult[Projection]]:
        settings = resolve(context, "projection", config)
        if model.name not in wanted(settings):
            context.log.debug(f"no map of {model.name}: add it to the setting projection.models to have one")
            return
        report = StepReport(context, settings)
        found = project(trained, settings, threads=machine.thread_count(), seed=SEED, progress=report.progress)
        yield report.output(found, products=len(found.nodes), products_laid_out=int(found.fitted.sum()))

    return projection
