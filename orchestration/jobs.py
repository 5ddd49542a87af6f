"""The rebuild of one category, by hand and on schedule.

Belongs here: the job, its executor and one schedule per category. Does not belong here: what a rebuild computes
(``orchestration.assets``) and when (categories.yaml).
"""

import dagster as dg

from core.categories import Category
from orchestration.partitions import CATEGORIES

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
        description=f"Rebuilds {category.title} at {category.cron} ({category.timezone}).",
    )
    def scheduled(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(partition_key=category.name)

    return scheduled


schedules = [_schedule(category) for category in CATEGORIES.values() if category.cron]
