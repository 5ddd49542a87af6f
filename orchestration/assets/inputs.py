"""What a category is made from outside of the asset graph: its source and its settings, as assets that are observed.

Why they exist: a code version belongs to an asset as a whole, settings to one category; an observed input has a data
version per partition, so that the UI shows exactly those assets of exactly that category as out of date whose settings
changed. Observing costs no step and no process.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from core import paths
from core.catalog import Source, state
from core.categories import Category
from core.configs import CONFIGS
from core.stages import stages
from orchestration.dagster_internals import look_up_input_version
from orchestration.partitions import BY_CATEGORY, CATEGORIES

DATA_VERSION = "dagster/data_version"
SOURCE = dg.AssetKey("source")
_CHANGES_NO_RESULT = {"guard"}


def settings(section: str) -> dg.AssetKey:
    """The asset that stands for a section of settings; for ``deps`` of the asset that uses it."""
    return dg.AssetKey(["settings", section])


ASSETS = [
    dg.AssetSpec(
        SOURCE,
        description="State of each category's source: size and time, ETag or checksum.",
        partitions_def=BY_CATEGORY,
        group_name="inputs",
        kinds={"file"},
    ),
    *(
        dg.AssetSpec(
            settings(section),
            description=f"What categories.yaml says of each category, else defaults. {config.__doc__ or ''}".strip(),
            partitions_def=BY_CATEGORY,
            group_name="inputs",
            kinds={"yaml"},
        )
        for section, config in CONFIGS.items()
        if section not in _CHANGES_NO_RESULT
    ),
]


def source_state(category: Category) -> dict[str, Any] | None:
    """What tells whether the category's source changed; see :func:`core.catalog.state`. Empty for ``sample``."""
    if category.source == "sample":
        return {}
    return state(Source(category.source, category.format, category.products, category.sha256), paths.raw_dir())


def plain(category: Category, section: str) -> dict[str, Any]:
    """The settings of a section as categories.yaml has them; empty if the category does not use it."""
    return dataclasses.asdict(category.config(section)) if _uses(category, section) else {}


def _uses(category: Category, section: str) -> bool:
    return section != ("catalog" if category.source == "sample" else "sample")


def version(value: Mapping[str, Any] | None) -> str:
    """Data version of a source's state or of settings."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def observation(key: dg.AssetKey, category: str, value: Mapping[str, Any] | None) -> dg.AssetObservation:
    """The event that tells Dagster the present state of an input."""
    facts = {"value": dg.MetadataValue.json(dict(value or {}))}
    return dg.AssetObservation(key, partition=category, metadata=facts, tags={DATA_VERSION: version(value)})


def report(instance: dg.DagsterInstance, event: dg.AssetObservation) -> bool:
    """Store an observation unless the last one says the same; returns whether it was stored."""
    latest = instance.get_latest_data_version_record(event.asset_key, True, event.partition)
    if latest is not None and (latest.event_log_entry.tags or {}).get(DATA_VERSION) == (event.tags or {})[DATA_VERSION]:
        return False
    instance.report_runless_asset_event(event)
    return True


def report_settings(instance: dg.DagsterInstance) -> list[str]:
    """Report all settings that are not what was last reported, at one query per section; returns their names."""
    found = []
    for spec in ASSETS:
        if spec.key == SOURCE:
            continue
        section = spec.key.path[1]
        tags = instance.event_log_storage.get_latest_tags_by_partition(
            spec.key, dg.DagsterEventType.ASSET_OBSERVATION, [DATA_VERSION]
        )
        for category in CATEGORIES.values():
            value = plain(category, section)
            if tags.get(category.name, {}).get(DATA_VERSION) != version(value):
                instance.report_runless_asset_event(observation(spec.key, category.name, value))
                found.append(f"{section} of {category.name}")
    return found


def record(context: dg.OutputContext, config: Mapping[str, Any], source: Mapping[str, Any] | None) -> None:
    """Make Dagster remember from which settings and source the output that is about to be stored was made.

    Dagster looks up the data versions of a step's inputs when the step starts, and could not know of settings that were
    given in the launchpad or were never reported. They are reported here, looked up again, and then the settings of
    categories.yaml are put back in force: an asset made with other ones shows as out of date, and no other asset does.

    Args:
        context: of the output.
        config: settings used.
        source: state of the source when it was read, if the asset reads it.
    """
    step, category = context.step_context, CATEGORIES[context.asset_partition_key]
    dependencies = [dependency.asset_key for dependency in context.asset_spec.deps]
    stage = stages().get("/".join(context.asset_key.path))
    used = stage.section_of(category) if stage else None
    for key in dependencies:
        if key == SOURCE:
            _report(step, observation(key, category.name, source))
        elif key.path[0] == "settings":
            asked = plain(category, key.path[1])
            _report(step, observation(key, category.name, config if key.path[1] == used else asked))
            _report(step, observation(key, category.name, asked), look_up=False)


def _report(step: Any, event: dg.AssetObservation, look_up: bool = True) -> None:
    report(step.instance, event)
    if look_up:
        look_up_input_version(step, event.asset_key)
