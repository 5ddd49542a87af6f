"""Requests for runs by schedules and sensors: none while a run that makes the same is queued or in progress.

A run carries a digest of the settings, code versions and state of the source that were in force when it was requested
or, however it was started, when it began to read the source. A queued run needs no digest, because it will use what is
in force when it starts. A run with values from the launchpad makes something else and does not count.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from core.categories import Category
from core.stages import expected
from orchestration import observations
from orchestration.runs.monitoring import is_dead
from orchestration.staleness import materializable

DIGEST_TAG = "alsobought/makes"
"""Run tag that holds a digest of what the run makes the category from."""
REASON_TAG = "alsobought/why"
"""Run tag that holds the reason why a schedule or sensor requested the run."""

_UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def request_run(
    context: dg.ScheduleEvaluationContext | dg.SensorEvaluationContext,
    category: Category,
    source: Mapping[str, Any] | None,
    reason: str,
    assets: Sequence[dg.AssetKey] | None = None,
    run_key: str | None = None,
) -> dg.RunRequest | dg.SkipReason:
    """Request a run, or skip the tick and name the run that already makes the same.

    Args:
        context: the tick's context.
        category: the partition.
        source: state of the category's source; None if it is not known.
        reason: a text for people.
        assets: the assets to make; None means all that the category asks for.
        run_key: the request's run key.
    """
    tags = digest_tags(category, source)
    needed = materializable(category) if assets is None else assets
    if sentence := unfinished_run(context.instance, category, tags, needed):
        return dg.SkipReason(sentence)
    return dg.RunRequest(run_key, partition_key=category.name, asset_selection=needed, tags={REASON_TAG: reason} | tags)


def digest_tags(category: Category, source: Mapping[str, Any] | None) -> dict[str, str]:
    """The tags of a run that makes the category as it is now asked for.

    Args:
        category: the partition.
        source: state of the category's source; None if it is not known.
    """
    lists = observations.lists_state(category)
    facts = [dataclasses.asdict(asset) for asset in expected(category, source, lists=lists)]
    return {DIGEST_TAG: observations.data_version({"assets": facts})}


def unfinished_run(
    instance: dg.DagsterInstance, category: Category, tags: Mapping[str, str], assets: Iterable[dg.AssetKey]
) -> str | None:
    """Return a sentence that names the run which already makes these assets, or None if there is no such run.

    Args:
        instance: stores the runs.
        category: the partition.
        tags: the value of :func:`digest_tags`.
        assets: the assets that would be requested.
    """
    filters = dg.RunsFilter(statuses=_UNFINISHED, tags={"dagster/partition": category.name})
    for run in instance.get_runs(filters):
        is_queued = run.status == dg.DagsterRunStatus.QUEUED
        selection = run.asset_selection  # empty: everything that the job makes
        is_enough = not selection or selection >= set(assets)
        is_same = is_queued or run.tags.get(DIGEST_TAG) == tags[DIGEST_TAG]
        if is_enough and is_same and not _has_launchpad_values(run):
            if is_dead(instance, run):  # after a power cut, until the daemon's run monitoring has noticed it
                continue
            state = "is queued" if is_queued else "is in progress"
            return f"{category.name}: run {run.run_id}, which makes what is out of date, {state}"
    return None


def tag_run(context: dg.AssetExecutionContext, category: Category, source: Mapping[str, Any] | None) -> None:
    """Tag the run of the step that is about to read the source, however the run was started."""
    if not _has_launchpad_values(context.run):
        context.instance.add_run_tags(context.run.run_id, digest_tags(category, source))


def _has_launchpad_values(run: dg.DagsterRun) -> bool:
    return bool(run.run_config.get("ops"))
