"""Dagster's storage on disk, in a folder relative to DAGSTER_HOME."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestration.dagster_internals import (
    ConfigurableClassData,
    DagsterSqliteStorage,
    LocalArtifactStorage,
    LocalComputeLogManager,
    keep_engines,
)

keep_engines()


def in_home(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with an absolute ``base_dir``. If DAGSTER_HOME is not set, the current folder is used."""
    return {**config, "base_dir": str(Path(os.environ.get("DAGSTER_HOME") or Path.cwd(), config["base_dir"]))}


class HomeSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "HomeSqliteStorage":
        return cls.from_local(inst_data=inst_data, **in_home(config_value))


class HomeArtifactStorage(LocalArtifactStorage):
    """Files that Dagster keeps beside its database."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "HomeArtifactStorage":
        return cls(inst_data=inst_data, **in_home(config_value))


class HomeComputeLogManager(LocalComputeLogManager):
    """The output that steps print."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "HomeComputeLogManager":
        return cls(inst_data=inst_data, **in_home(config_value))
