"""Runs that already make what a tick would ask for: a tick in the middle of a long rebuild asks for nothing twice.

A run carries a digest of the settings, code versions and state of the source that were in force when it was asked for
or, however it was started, when it began to read the source. A run that waits in the queue needs none: it will take
what is in force when it starts. A run with values of the launchpad makes something else, and counts for nothing here.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from core.categories import Category
from core.stages import expected
from orchestration.assets import inputs
from orchestration.run_launcher import is_dead

MAKES = "alsobought/makes"
"""Tag of a run: digest of what it makes the category from."""

_UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def makes(category: Category, source: Mapping[str, Any] | None) -> dict[str, str]:
    """The tag of a run that makes the category as it is now asked for; ``source`` is its source's state, if known."""
    facts = [dataclasses.asdict(one) for one in expected(category, source)]
    return {MAKES: inputs.version({"assets": facts})}


def found(
    instance: dg.DagsterInstance, category: Category, tag: Mapping[str, str], assets: Iterable[dg.AssetKey]
) -> str | None:
    """A sentence that names the run which already makes these assets, or None if there is none.

    Args:
        instance: where runs are stored.
        category: the partition.
        tag: :func:`makes`.
        assets: what would be asked for.
    """
    runs = dg.RunsFilter(statuses=_UNFINISHED, tags={"dagster/partition": category.name})
    for run in instance.get_runs(runs):
        waits = run.status == dg.DagsterRunStatus.QUEUED
        chosen = run.asset_selection  # empty: all that the job makes
        enough = not chosen or chosen >= set(assets)
        if enough and not _has_values(run) and (waits or run.tags.get(MAKES) == tag[MAKES]):
            if is_dead(instance, run):  # after a power cut, until the daemon's monitoring has noticed
                continue
            state = "waits in the queue" if waits else "is under way"
            return f"{category.name}: run {run.run_id}, which makes what is out of date, {state}"
    return None


def tell(context: dg.AssetExecutionContext, category: Category, source: Mapping[str, Any] | None) -> None:
    """Tag the run of the step that is about to read the source, whoever started it."""
    if not _has_values(context.run):
        context.instance.add_run_tags(context.run.run_id, makes(category, source))


def _has_values(run: dg.DagsterRun) -> bool:
    return bool(run.run_config.get("ops"))
