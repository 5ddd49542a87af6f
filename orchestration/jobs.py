"""The rebuild of one category, by hand and on schedule.

How many rebuilds run at once is said in dagster.yaml.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from core.catalog import UnreachableError
from core.categories import Category
from core.errors import InputError
from orchestration import under_way
from orchestration.assets import inputs
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager
from orchestration.staleness import materializable, outdated

WHY = "alsobought/why"
"""Tag of a run that a schedule or sensor started."""

_UNTOLD = {"state": "not told by its server"}

rebuild = dg.define_asset_job(
    "rebuild",
    selection=dg.AssetSelection.all(),
    description="Rebuild everything of one category from its source.",
)


def _schedule(category: Category) -> dg.ScheduleDefinition:
    # A schedule built from the partitioned job would start an unpartitioned run (dagster 1.13), hence one
    # schedule per category that names its partition.
    @dg.schedule(
        name=f"rebuild_{category.name}",
        job=rebuild,
        cron_schedule=category.cron or "",
        execution_timezone=category.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if category.schedule else dg.DefaultScheduleStatus.STOPPED,
        description=f"Rebuilds what is out of date of {category.title} at {category.cron} ({category.timezone}).",
    )
    def scheduled(
        context: dg.ScheduleEvaluationContext, store: dg.ResourceParam[StoreIOManager]
    ) -> dg.RunRequest | dg.SkipReason:
        return due(context, CATEGORIES[category.name], store)

    return scheduled


def due(
    context: dg.ScheduleEvaluationContext, category: Category, store: StoreIOManager
) -> dg.RunRequest | dg.SkipReason:
    """The run that makes what is out of date of the category, or a sentence that nothing is."""
    inputs.report_settings(context.instance)
    state, trouble = None, ""
    try:
        state = inputs.source_state(category)
        inputs.report(context.instance, inputs.observation(inputs.SOURCE, category.name, state))
        # A server that tells neither date nor size nor checksum could have changed: read it, or it never would be.
        source = _UNTOLD if state is None else state
    except UnreachableError as error:
        source, trouble = None, f" ({error})"
    except InputError as error:
        # The run will say the same, where failures are looked for.
        return ask(context, category, {"trouble": str(error)}, str(error))
    found = outdated(category, store.store, source)
    if not found.assets:
        return dg.SkipReason(
            f"{category.name}: nothing changed since the last rebuild: the same source, code versions and settings, "
            f"and nothing is missing{trouble}"
        )
    return ask(context, category, state, found.sentence(), found.assets)


def ask(
    context: dg.ScheduleEvaluationContext | dg.SensorEvaluationContext,
    category: Category,
    source: Mapping[str, Any] | None,
    why: str,
    assets: Sequence[dg.AssetKey] | None = None,
    run_key: str | None = None,
) -> dg.RunRequest | dg.SkipReason:
    """Request a run unless one that makes the same is under way, which the skipped tick then names.

    Args:
        context: of the tick.
        category: the partition.
        source: state of its source; None if that is not known.
        why: the reason, for people.
        assets: what to make; None means all that the category asks for.
        run_key: of the request.
    """
    tag = under_way.makes(category, source)
    needed = materializable(category) if assets is None else assets
    if sentence := under_way.found(context.instance, category, tag, needed):
        return dg.SkipReason(sentence)
    return dg.RunRequest(run_key, partition_key=category.name, asset_selection=needed, tags={WHY: why} | tag)


schedules = [_schedule(category) for category in CATEGORIES.values() if category.cron]
