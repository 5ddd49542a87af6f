"""Dagster's SQLite storage at its speed, for instances that live as long as a test.

Dagster makes a new SQLAlchemy engine whenever it reads or stores an event, and so compiles every statement anew: a
third of the time that the whole asset graph takes in one process. Here each database has one engine, and nothing waits
until the disk has what was written. What the engines do is unchanged.
"""

import functools

import sqlalchemy
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage

_MODULES = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)


def install() -> None:
    """For this process, from now on."""
    for module in _MODULES:
        module.create_engine = _engine


def _engine(address, poolclass, connect_args=None):
    return _engines(address, poolclass, *(connect_args or {}).items())


@functools.cache
def _engines(address, poolclass, *connect_args):
    engine = sqlalchemy.create_engine(address, poolclass=poolclass, connect_args=dict(connect_args))
    sqlalchemy.event.listen(engine, "connect", lambda opened, _: opened.execute("PRAGMA synchronous = OFF"))
    return engine
