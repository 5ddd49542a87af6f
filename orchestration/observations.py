"""Observations of a category's source and settings: what they are now, and which of them an output was made from."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

import core.recommendations.state
from core import paths
from core.catalog import state
from core.categories import Category
from core.stages import stages
from orchestration.assets.external import EXTERNAL_ASSETS, RULES, SOURCE
from orchestration.dagster_internals import look_up_input_version
from orchestration.partitions import CATEGORIES

DATA_VERSION_TAG = "dagster/data_version"


def source_state(category: Category) -> dict[str, Any] | None:
    """Facts that tell whether the category's source changed; see :func:`core.catalog.state`. Empty for ``sample``."""
    if category.source == "sample":
        return {}
    return state(category.data, paths.raw_dir())


def lists_state(category: Category, only_at_hand: bool = False) -> dict[str, Any]:
    """Facts that tell whether the category's rules, stock table or pins changed."""
    return core.recommendations.state.lists_state(category, paths.raw_dir(), only_at_hand)


def settings_of(category: Category, section: str) -> dict[str, Any]:
    """The category's settings in a section, without values of the launchpad; empty if it does not use the section."""
    return dataclasses.asdict(category.config(section)) if _uses(category, section) else {}


def _uses(category: Category, section: str) -> bool:
    return section != ("catalog" if category.source == "sample" else "sample")


def data_version(value: Mapping[str, Any] | None) -> str:
    """The data version of a source's state or of settings."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def observation(key: dg.AssetKey, category: str, value: Mapping[str, Any] | None) -> dg.AssetObservation:
    """The event that tells Dagster the present state of an external asset."""
    metadata = {"value": dg.MetadataValue.json(dict(value or {}))}
    tags = {DATA_VERSION_TAG: data_version(value)}
    return dg.AssetObservation(key, partition=category, metadata=metadata, tags=tags)


def report(instance: dg.DagsterInstance, event: dg.AssetObservation) -> None:
    """Store an observation unless the latest one has the same data version."""
    latest = instance.get_latest_data_version_record(event.asset_key, True, event.partition)
    known = (latest.event_log_entry.tags or {}).get(DATA_VERSION_TAG) if latest is not None else None
    if known != (event.tags or {})[DATA_VERSION_TAG]:
        instance.report_runless_asset_event(event)


def report_settings(instance: dg.DagsterInstance) -> list[str]:
    """Report all settings and rules that differ from what was last reported, with one query per section.

    Returns their names.
    """
    changed = []
    for spec in EXTERNAL_ASSETS:
        if spec.key == SOURCE:
            continue
        section = spec.key.path[-1]
        tags = instance.event_log_storage.get_latest_tags_by_partition(
            spec.key, dg.DagsterEventType.ASSET_OBSERVATION, [DATA_VERSION_TAG]
        )
        for category in CATEGORIES.values():
            if spec.key == RULES:
                value = lists_state(category, only_at_hand=True)
                if None in value.values():
                    continue  # the sensor of the category's lists asks the server, and says that a file is missing
            else:
                value = settings_of(category, section)
            if tags.get(category.name, {}).get(DATA_VERSION_TAG) != data_version(value):
                instance.report_runless_asset_event(observation(spec.key, category.name, value))
                changed.append(f"{section} of {category.name}")
    return changed


def record_inputs(
    context: dg.OutputContext,
    config: Mapping[str, Any],
    source: Mapping[str, Any] | None,
    lists: Mapping[str, Any] | None = None,
) -> None:
    """Make Dagster remember the settings and the source that the output which is about to be stored was made from.

    Dagster looks up the data versions of a step's inputs when the step starts. It cannot know settings that were given
    in the launchpad or were never reported. They are reported here and looked up again. Then the settings of
    categories.yaml are reported again, so that an asset made with other settings shows as out of date, and no other
    asset does.

    Args:
        context: the output's context.
        config: the settings used.
        source: state of the source when it was read, if the asset reads it.
        lists: state of the rules, the stock table and the pins when they were read, if the asset reads them.
    """
    step, category = context.step_context, CATEGORIES[context.asset_partition_key]
    stage = stages().get("/".join(context.asset_key.path))
    used_section = stage.section_of(category) if stage else None
    for key in (dependency.asset_key for dependency in context.asset_spec.deps):
        if key == SOURCE:
            report(step.instance, observation(key, category.name, source))
            look_up_input_version(step, key)
        elif key == RULES:
            report(step.instance, observation(key, category.name, lists))
            look_up_input_version(step, key)
        elif key.path[0] == "settings":
            in_force = settings_of(category, key.path[1])
            used = config if key.path[1] == used_section else in_force
            report(step.instance, observation(key, category.name, used))
            look_up_input_version(step, key)
            report(step.instance, observation(key, category.name, in_force))
