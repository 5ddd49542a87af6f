"""Dagster's SQLite storage at its speed, for instances that live as long as a test: nothing waits until the disk has
what was written."""

import sqlalchemy

import orchestration.instance_storage  # noqa: F401 (it sets its own engines, which those below replace)
from orchestration.dagster_internals import keep_engines


def install() -> None:
    """For this process, from now on."""
    keep_engines(_engine)


def _engine(address, **options):
    engine = sqlalchemy.create_engine(address, **options)
    sqlalchemy.event.listen(engine, "connect", lambda opened, _: opened.execute("PRAGMA synchronous = OFF"))
    return engine
