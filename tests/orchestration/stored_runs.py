"""Runs that are stored in an instance and have no process."""

import dagster as dg
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

STARTING, STARTED, QUEUED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED
LAUNCHED = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("alsobought"), "__repository__"), "rebuild"
)
"""The origin of a run that Dagster launched; a terminal's run has none."""


def stored(instance, status, category="alpha", **facts):
    """Store a run of a category."""
    tags = facts.pop("tags", {}) | {"dagster/partition": category}
    return create_run_for_test(instance, "rebuild", status=status, tags=tags, **facts)
