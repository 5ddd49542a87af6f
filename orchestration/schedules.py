"""The schedules: each category's rebuild of what is out of date, its folding in, and the comparison of the store."""

import dagster as dg

from core.catalog import UnreachableError
from core.categories import Category
from core.errors import InputError
from orchestration import observations
from orchestration.assets.external import SOURCE
from orchestration.jobs import fold_in, rebuild, verify_store
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager
from orchestration.runs.requests import request_run
from orchestration.staleness import folded_in, stale_assets

_VERIFY_CRON = "30 4 * * *"
_UNKNOWN_STATE = {"state": "not reported by its server"}


def _rebuild_schedule(category: Category) -> dg.ScheduleDefinition:
    # A schedule built from the partitioned job would start an unpartitioned run (dagster 1.13), hence one
    # schedule per category that names its partition.
    @dg.schedule(
        name=f"rebuild_{category.name}",
        job=rebuild,
        cron_schedule=category.cron or "",
        execution_timezone=category.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if category.schedule else dg.DefaultScheduleStatus.STOPPED,
        description=f"Rebuilds what is out of date in {category.title} at {category.cron} ({category.timezone}).",
    )
    def rebuild_schedule(
        context: dg.ScheduleEvaluationContext, store: dg.ResourceParam[StoreIOManager]
    ) -> dg.RunRequest | dg.SkipReason:
        return _evaluate(context, CATEGORIES[category.name], store)

    return rebuild_schedule


def _fold_in_schedule(category: Category) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"fold_in_{category.name}",
        job=fold_in,
        cron_schedule=category.fold_in or "",
        execution_timezone=category.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if category.schedule else dg.DefaultScheduleStatus.STOPPED,
        description=f"Brings new products and pairs into the lists of {category.title} at {category.fold_in} "
        f"({category.timezone}), without training.",
    )
    def fold_in_schedule(
        context: dg.ScheduleEvaluationContext, store: dg.ResourceParam[StoreIOManager]
    ) -> dg.RunRequest | dg.SkipReason:
        return _evaluate_fold_in(context, CATEGORIES[category.name], store)

    return fold_in_schedule


def _evaluate_fold_in(
    context: dg.ScheduleEvaluationContext, category: Category, store: StoreIOManager
) -> dg.RunRequest | dg.SkipReason:
    """Request a run if the source has changed and there are final models to fold it into."""
    if store.store.manifest("final_models", category.name) is None:
        return dg.SkipReason(f"{category.name}: there are no final models yet; the next rebuild makes them")
    try:
        state = observations.source_state(category)
    except InputError as error:
        return dg.SkipReason(f"{category.name}: {error}")
    reasons = stale_assets(category, store.store, _UNKNOWN_STATE if state is None else state).reasons
    if "raw_products" not in reasons:
        return dg.SkipReason(f"{category.name}: the source has not changed since it was last read")
    return request_run(context, category, state, f"raw_products {reasons['raw_products']}", folded_in(category))


def _evaluate(
    context: dg.ScheduleEvaluationContext, category: Category, store: StoreIOManager
) -> dg.RunRequest | dg.SkipReason:
    """Request the run that makes what is out of date in the category, or say that nothing is."""
    observations.report_settings(context.instance)
    state, trouble = None, ""
    try:
        state = observations.source_state(category)
        observations.report(context.instance, observations.observation(SOURCE, category.name, state))
        # A source whose server reports neither date nor size nor checksum may have changed at any time, so it counts as
        # changed: otherwise it would never be read again.
        source = _UNKNOWN_STATE if state is None else state
    except UnreachableError as error:
        source, trouble = None, f" ({error})"
    except InputError as error:
        # The run will fail with the same message, where people look for failures.
        return request_run(context, category, {"trouble": str(error)}, str(error))
    stale = stale_assets(category, store.store, source)
    if not stale.assets:
        return dg.SkipReason(
            f"{category.name}: nothing changed since the last rebuild. The source, code versions and settings are the "
            f"same, and nothing is missing{trouble}"
        )
    return request_run(context, category, state, stale.sentence(), stale.assets)


verify_store_nightly = dg.ScheduleDefinition(
    name="verify_store_nightly",
    job=verify_store,
    cron_schedule=_VERIFY_CRON,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks for damaged artefacts every night. A run that fails names them.",
)

SCHEDULES = [
    *(_rebuild_schedule(category) for category in CATEGORIES.values() if category.cron),
    *(_fold_in_schedule(category) for category in CATEGORIES.values() if category.fold_in),
    verify_store_nightly,
]
