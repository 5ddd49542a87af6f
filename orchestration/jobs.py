"""The rebuild of one category, by hand and on schedule.

Belongs here: the job and one schedule per category. Does not belong here: what a rebuild computes
(``orchestration.assets``), what of it is due (``orchestration.outdated``) and when (categories.yaml). How many rebuilds
run at once is said in dagster.yaml.
"""

import dagster as dg

from core.catalog import UnreachableError
from core.categories import Category
from core.errors import InputError
from orchestration import inputs
from orchestration.outdated import outdated
from orchestration.partitions import CATEGORIES
from orchestration.resources import StoreIOManager

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
    source, trouble = None, ""
    try:
        source = inputs.source_state(category)
        inputs.report(context.instance, inputs.observation(inputs.SOURCE, category.name, source))
        # A server that tells neither date nor size nor checksum could have changed: read it, or it never would be.
        source = _UNTOLD if source is None else source
    except UnreachableError as error:
        trouble = f" ({error})"
    except InputError as error:
        # The run will say the same, where failures are looked for.
        return dg.RunRequest(partition_key=category.name, tags={WHY: str(error)})
    found = outdated(context.repository_def.asset_graph, category, store.store, source)
    if not found.assets:
        return dg.SkipReason(
            f"{category.name}: nothing changed since the last rebuild: the same source, code versions and settings, "
            f"and nothing is missing{trouble}"
        )
    return dg.RunRequest(partition_key=category.name, asset_selection=list(found.assets), tags={WHY: found.sentence()})


schedules = [_schedule(category) for category in CATEGORIES.values() if category.cron]
