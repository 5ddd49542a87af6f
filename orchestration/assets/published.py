"""The last stage: the lists are delivered to the places that the shop reads them from."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from core import checks
from core.delivery.config import PLACES
from core.delivery.place import Receipt, Shipment, deliver
from core.delivery.publish import LISTS, MODELS, place_of, refuse_other_products
from core.recommendations.form import FinalModels, Recommendations
from orchestration.assets.arguments import asset_arguments
from orchestration.metadata import StepReport, check_results, check_specs
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager

_API, _VECTORS = "api", "vectors"


def published_assets() -> list[dg.AssetsDefinition]:
    """One asset per place."""
    return [published_api, published_vectors, *(_published(name) for name in PLACES if name not in (_API, _VECTORS))]


@dg.asset(**asset_arguments("published/api"), output_required=False)
def published_api(
    context: dg.AssetExecutionContext, lists: Recommendations
) -> Iterator[dg.MaterializeResult[Recommendations]]:
    """The IO manager stores the lists, and keeps the version before them."""
    settings = CATEGORIES[context.partition_key].publish.get(_API)
    if settings is None:
        _say_why_not(context, _API)
        return
    yield StepReport(context, settings).output(lists, rows=lists.rows)


@dg.asset(
    **asset_arguments("published/vectors"),
    output_required=False,
    check_specs=check_specs(["published", "vectors"], checks.DELIVERY),
)
def published_vectors(
    context: dg.AssetExecutionContext,
    store: dg.ResourceParam[StoreIOManager],
    lists: Recommendations,
    models: FinalModels,
):
    yield from _deliver(context, store, _VECTORS, lists, models)


def _published(name: str) -> dg.AssetsDefinition:
    asset = f"published/{name}"

    @dg.asset(
        **asset_arguments(asset), output_required=False, check_specs=check_specs(asset.split("/"), checks.DELIVERY)
    )
    def published(context: dg.AssetExecutionContext, store: dg.ResourceParam[StoreIOManager], lists: Recommendations):
        yield from _deliver(context, store, name, lists)

    return published


def _deliver(
    context: dg.AssetExecutionContext,
    store: StoreIOManager,
    name: str,
    lists: Recommendations,
    models: FinalModels | None = None,
) -> Iterator[dg.MaterializeResult[Receipt] | dg.AssetCheckResult]:
    """Deliver the lists to a place, if the category is published there."""
    category = CATEGORIES[context.partition_key]
    settings: Any = category.publish.get(name)
    if settings is None:
        _say_why_not(context, name)
        # Dagster wants the result of a check even where there is nothing to check.
        yield from check_results(context, [checks.nothing_delivered(category.name, name)])
        return
    report = StepReport(context, settings)
    read = store.inputs_read(context)
    if models is not None:
        refuse_other_products(read[LISTS], read[MODELS])
    shipment = Shipment(category.name, lists, read[LISTS].digest, models)
    receipt = deliver(place_of(category, name), shipment, report.progress)
    facts = {"rows": receipt.rows, "compared": receipt.compared, "delivered_version": receipt.version}
    yield report.output(receipt, checks.check_delivery(receipt), **facts, where=receipt.info.get("where", ""))


def _say_why_not(context: dg.AssetExecutionContext, name: str) -> None:
    context.log.debug(f"{context.partition_key} is not published to {name}; its key `publish` would have to name it.")
