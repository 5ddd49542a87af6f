"""Every private name of Dagster that this project uses, each with the reason why no public one does.

The behaviour behind each name is tested. A new minor version of Dagster may move or change any of them, so
pyproject.toml allows only the version with which those tests pass.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import dagster as dg

# The launchpad: a number with bounds that is checked before there is a run. Dagster's public config types have no
# bounds, and a check of pydantic's runs only inside the step.
from dagster._config.config_type import ConfigScalar as ConfigScalar
from dagster._config.config_type import ConfigScalarKind as ConfigScalarKind
from dagster._config.errors import PostProcessingError as PostProcessingError

# A run in this terminal: `dagster.execute_job` creates the run itself, so it could neither wait for its turn nor carry
# the tags of its process from the start, and it returns only at the end instead of event by event.
from dagster._core.execution.api import execute_run_iterator as execute_run_iterator

# The run launcher: `dagster.DefaultRunLauncher` is public, but not the types of the methods that a subclass overrides.
from dagster._core.launcher import CheckRunHealthResult as CheckRunHealthResult
from dagster._core.launcher import LaunchRunContext as LaunchRunContext
from dagster._core.launcher import WorkerStatus as WorkerStatus

# The instance's files: Dagster reads a relative `base_dir` from the current folder. Only a subclass of its own storage
# can read it from DAGSTER_HOME.
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager as LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage as LocalArtifactStorage

# The webserver behind our own guard: the command `dagster-webserver` offers no way to wrap its application.
from dagster._core.workspace.context import WorkspaceProcessContext as WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget as WorkspaceFileTarget

# An argument of `from_config_value`, by which an instance makes the classes that dagster.yaml names.
from dagster._serdes import ConfigurableClassData as ConfigurableClassData

# What the events of a failed step hold; the events are public, the type of their errors is not.
from dagster._utils.error import SerializableErrorInfo as SerializableErrorInfo

# The webserver's log: the command `dagster-webserver` configures it before it serves.
from dagster._utils.log import configure_loggers as configure_loggers

if TYPE_CHECKING:
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage as DagsterSqliteStorage


def __getattr__(name: str) -> Any:
    # They import SQLAlchemy and Alembic, which takes more than a second. A code location does not need them.
    if name == "DagsterSqliteStorage":
        from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

        return DagsterSqliteStorage
    if name.startswith("sql") and name in (modules := _storage_modules()):
        return modules[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _storage_modules() -> dict[str, Any]:
    """The modules of Dagster's storage in SQLite, by name, whose functions :func:`keep_engines` replaces."""
    from dagster._core.storage import sql
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage
    from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage

    return {
        "sql": sql,
        "sqlite_event_log": sqlite_event_log,
        "sqlite_run_storage": sqlite_run_storage,
        "sqlite_schedule_storage": sqlite_schedule_storage,
    }


def selected_assets(job: dg.JobDefinition) -> set[str]:
    """Names of the assets that a run of the job makes; there are none if it is not a job of assets.

    Dagster passes the executor the job with the assets of the run only, and has no public way to list them.
    """
    return {key.to_user_string() for key in job.asset_layer.selected_asset_keys}


def look_up_input_version(step: Any, key: dg.AssetKey) -> None:
    """Have a running step take the data version that an input has now.

    Dagster looks the versions up when the step starts, and has no public way to replace one afterwards.

    Args:
        step: ``context.step_context`` of an IO manager's context.
        key: the input's asset.
    """
    step.wipe_input_asset_version_info(key)
    step.maybe_fetch_and_get_input_asset_version_info(key)


def keep_engines(create_engine: Callable[..., Any] | None = None) -> None:
    """Have Dagster's storage in SQLite keep its engines, and the scripts of its migrations, while this process lives.

    Dagster makes an engine for everything that it reads or writes, so that SQLAlchemy compiles every statement anew,
    and it reads all scripts of Alembic whenever it opens a database. That is a third of the time of a small step. The
    engines hold no connections (their pool is a ``NullPool``), so nothing else changes.

    Args:
        create_engine: makes an engine; by default SQLAlchemy's own function.
    """
    from sqlalchemy import create_engine as of_sqlalchemy

    @functools.lru_cache(maxsize=_ENGINES)
    def make(address: str, poolclass: Any, connect_args: tuple[tuple[str, Any], ...]) -> Any:
        return (create_engine or of_sqlalchemy)(address, poolclass=poolclass, connect_args=dict(connect_args))

    def engine(address: str, poolclass: Any, connect_args: dict[str, Any] | None = None) -> Any:
        return make(address, poolclass, tuple((connect_args or {}).items()))

    for name, module in _storage_modules().items():
        if name != "sql":
            module.create_engine = engine
        else:
            module.ScriptDirectory = _KeptScripts


def read_migrations() -> None:
    """Read the scripts of Alembic, for the processes that are forked from this one."""
    modules = _storage_modules()
    config = modules["sql"].get_alembic_config(modules["sqlite_event_log"].__file__)
    _KeptScripts.from_config(config).as_revision_number("head")


_ENGINES = 32
"""Number of engines that are kept; every run has a database of its own."""


class _KeptScripts:
    """Alembic's ``ScriptDirectory``, one for each folder of scripts."""

    _kept: ClassVar[dict[str, Any]] = {}

    @classmethod
    def from_config(cls, config: Any) -> Any:
        from alembic.script import ScriptDirectory

        folder = config.get_main_option("script_location")
        if folder not in cls._kept:
            cls._kept[folder] = ScriptDirectory.from_config(config)
        return cls._kept[folder]
